"""From crops to vectors with one network or several joined.

In: networks (`fashret.models.opening` makes them ready). Out: an `Embedder`, which turns RGB crops into L2-normalised
vectors, and a record from which the same embedder can be made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fashret.errors import FashretError
from fashret.files.embeddings import recorded, relative_path
from fashret.files.whitening import GROUP, Whitening
from fashret.models.devices import autocast
from fashret.models.network import RetrievalNetwork
from fashret.models.preprocessing import normalise, prepare
from fashret.models.presets import PRESETS
from fashret.models.settings import ModelSettings
from fashret.models.whitening import SHORTEST, whitened

PIXELS_AT_ONCE = 1 << 19  # on a CPU, 16 of 256x128: what one layer hands to the next then stays in the cache
COSINE_KEPT = 0.999  # bf16 is used where every vector of the first batch has at least this cosine to float32


@dataclass(frozen=True)
class Part:
    """One network of an embedder."""

    network: RetrievalNetwork
    name: str  # of the model folder or the backbone
    digest: str  # of the weights
    folder: Path | None  # None: not trained here
    trained_on: str  # name of the dataset; empty if none or unknown
    weight: float = 1.0
    images_per_product: float | None = None  # median of the rows it was trained on; None: none or unknown

    @property
    def settings(self) -> ModelSettings:
        """The network's settings."""
        return self.network.settings

    def record(self, beside: Path) -> dict[str, Any]:
        """What a file says of this network; its folder as seen from the file `beside`."""
        return (
            {
                "name": self.name,
                "digest": self.digest,
                "path": relative_path(self.folder, beside) if self.folder else "",
                "settings": recorded(self.settings.to_dict(), beside),
                "weights": "trained" if self.folder else recorded(_origin(self.settings), beside),
                "trained_on": self.trained_on,
                "weight": self.weight,
            }
            | self._licence()
            | ({"images_per_product": self.images_per_product} if self.images_per_product else {})
        )

    def _licence(self) -> dict[str, str]:
        preset = PRESETS.get(self.settings.backbone)
        return {"licence": preset.licence} if preset else {}


def _origin(settings: ModelSettings) -> str:
    return "random" if settings.weights == "none" else settings.weights


class Embedder:
    """Networks side by side, ready to embed.

    Attributes
    ----------
    parts
        The networks. The vectors of several are joined so that the cosine of two rows is the weighted mean of the
        networks' cosines.
    precision
        "float32", "bf16" or "fp16", of the networks' matrix products.
    whitening
        What the joined vectors are whitened with; None: they stay as they are.
    """

    def __init__(
        self, parts: Sequence[Part], device: torch.device, precision: str, whitening: Whitening | None = None
    ) -> None:
        self.parts = list(parts)
        self.device = device
        self.precision = precision
        self.whitening = whitening
        for part in self.parts:
            part.network.eval().to(device).to(memory_format=torch.channels_last)

    @property
    def width(self) -> int:
        """The length of a final vector."""
        return self.joined_width if self.whitening is None else self.whitening.width

    @property
    def joined_width(self) -> int:
        """D, how many numbers all networks give together."""
        return sum(part.network.width for part in self.parts)

    @property
    def settings(self) -> tuple[ModelSettings, ...]:
        """Settings of each network: all that `prepare` needs."""
        return tuple(part.settings for part in self.parts)

    def embed(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """B RGB crops, H×W×3 uint8 of any sizes → B×D float32, L2-normalised."""
        if not len(images):
            return np.empty((0, self.width), np.float32)
        fitted = [prepare(image, self.settings) for image in images]
        batches = [torch.from_numpy(np.stack(column)) for column in zip(*fitted, strict=True)]
        return self.joined(self.check(self.describe(batches).cpu().numpy()))

    def check(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same B×D of `describe`, all of them finite.

        Raises
        ------
        FashretError
            If a number is NaN or infinite, as where 16 bits do not hold what a layer computes.
        """
        if not np.isfinite(vectors).all():
            names = " + ".join(part.name for part in self.parts)
            advice = "use another model" if self.precision == "float32" else "give --precision float32"
            raise FashretError(f"{names}: computes NaN or infinite numbers in {self.precision}; {advice}")
        return vectors

    def describe(self, batches: Sequence[Tensor], precision: str = "") -> Tensor:
        """What `prepare` made of B crops → B×D float32 on the device, each network's vectors as they are.

        Parameters
        ----------
        batches
            B×H×W×3 uint8 for each network.
        precision
            In place of the embedder's own.
        """
        vectors = []
        for part, images in zip(self.parts, batches, strict=True):
            with autocast(precision or self.precision, self.device):
                pieces = [self._describe(part, piece) for piece in images.split(self._at_once(part.settings))]
            vectors.append(torch.cat(pieces))
        return torch.cat(vectors, dim=1)

    def _describe(self, part: Part, images: Tensor) -> Tensor:
        pixels = normalise(images.to(self.device, non_blocking=True), part.settings)
        return part.network.describe(pixels.contiguous(memory_format=torch.channels_last))

    def _at_once(self, settings: ModelSettings) -> int:
        """Crops per forward pass; a GPU gets the whole batch."""
        return max(1, PIXELS_AT_ONCE // (settings.height * settings.width)) if self.device.type == "cpu" else 1 << 30

    def joined(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """B×D of `describe`, or means of them → final vectors, float32 of length 1.

        Each network has its share of the cosine; then all are whitened, if they are to be.
        """
        total = sum(part.weight for part in self.parts)
        result, start = np.empty(vectors.shape, np.float32), 0
        for part in self.parts:
            own = slice(start, start := start + part.network.width)
            length = np.sqrt((vectors[:, own].astype(np.float64) ** 2).sum(axis=1, keepdims=True))
            result[:, own] = vectors[:, own] * ((part.weight / total) ** 0.5 / np.maximum(length, SHORTEST))
        return result if self.whitening is None else whitened(result, self.whitening)

    def settle_precision(self, batches: Sequence[Tensor]) -> float:
        """Fall back to float32 if a batch's vectors are not close enough to their float32 values.

        Returns
        -------
        The smallest cosine between a vector and its float32 twin.
        """
        cosine = self.cosine_to_float32(batches)
        if not cosine > COSINE_KEPT:  # also NaN
            self.precision = "float32"
        return cosine

    def cosine_to_float32(self, batches: Sequence[Tensor]) -> float:
        """The smallest cosine between a final vector of a batch and its float32 twin."""
        if self.precision == "float32":
            return 1.0
        exact = self.joined(self.describe(batches, "float32").cpu().numpy())
        return float((exact * self.joined(self.describe(batches).cpu().numpy())).sum(axis=1).min())

    def record(self, beside: Path) -> dict[str, Any]:
        """The `model` attribute of the embeddings file `beside`."""
        records = [part.record(beside) for part in self.parts]
        common: dict[str, Any] = {"precision": self.precision}
        if self.whitening is not None:
            common[GROUP] = self.whitening.record()
        if len(records) == 1:
            return records[0] | common
        told = [record["images_per_product"] for record in records if "images_per_product" in record]
        sums = hashlib.sha256("".join(f"{r['digest']} {r['weight']}\n" for r in records).encode())
        return {
            "name": " + ".join(record["name"] for record in records),
            "digest": "sha256:" + sums.hexdigest(),
            "trained_on": " + ".join(sorted({record["trained_on"] for record in records})),
            **common,
            "parts": records,
        } | ({"images_per_product": median(told)} if told else {})
