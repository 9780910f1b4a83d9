"""From crops to vectors with a trained model, an untrained backbone, or several models joined.

In: model folders, or settings of a backbone, or what an embeddings.h5 says of its model. Out: an `Embedder`, which
turns RGB crops into L2-normalised vectors, and a record from which the same embedder can be made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fashret.console import log
from fashret.errors import FashretError
from fashret.files.embeddings import recorded, relative_path
from fashret.files.models import open_model, weights_digest
from fashret.models.devices import autocast, choose_device, choose_precision
from fashret.models.network import RetrievalNetwork, build
from fashret.models.preprocessing import normalise, prepare
from fashret.models.settings import ModelSettings
from fashret.models.weights import check_finite, start

SHORTEST = 1e-12  # a vector of length 0 stays 0
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
        return {
            "name": self.name,
            "digest": self.digest,
            "path": relative_path(self.folder, beside) if self.folder else "",
            "settings": recorded(self.settings.to_dict(), beside),
            "weights": "trained" if self.folder else recorded(_origin(self.settings), beside),
            "trained_on": self.trained_on,
            "weight": self.weight,
        } | ({"images_per_product": self.images_per_product} if self.images_per_product else {})


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
    """

    def __init__(self, parts: Sequence[Part], device: torch.device, precision: str) -> None:
        self.parts = list(parts)
        self.device = device
        self.precision = precision
        for part in self.parts:
            part.network.eval().to(device).to(memory_format=torch.channels_last)

    @property
    def width(self) -> int:
        """D, the length of a vector."""
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
        """B×D of `describe`, or means of them → B×D float32 of length 1, each network with its share of the cosine."""
        total = sum(part.weight for part in self.parts)
        result, start = np.empty(vectors.shape, np.float32), 0
        for part in self.parts:
            own = slice(start, start := start + part.network.width)
            length = np.sqrt((vectors[:, own].astype(np.float64) ** 2).sum(axis=1, keepdims=True))
            result[:, own] = vectors[:, own] * ((part.weight / total) ** 0.5 / np.maximum(length, SHORTEST))
        return result

    def settle_precision(self, batches: Sequence[Tensor]) -> float:
        """Fall back to float32 if a batch's vectors are not close enough to their float32 values.

        Returns
        -------
        The smallest cosine between a vector and its float32 twin.
        """
        if self.precision == "float32":
            return 1.0
        exact = self.joined(self.describe(batches, "float32").cpu().numpy())
        cosine = float((exact * self.joined(self.describe(batches).cpu().numpy())).sum(axis=1).min())
        if not cosine > COSINE_KEPT:  # also NaN
            self.precision = "float32"
        return cosine

    def record(self, beside: Path) -> dict[str, Any]:
        """The `model` attribute of the embeddings file `beside`."""
        records = [part.record(beside) for part in self.parts]
        if len(records) == 1:
            return records[0] | {"precision": self.precision}
        told = [record["images_per_product"] for record in records if "images_per_product" in record]
        sums = hashlib.sha256("".join(f"{r['digest']} {r['weight']}\n" for r in records).encode())
        return {
            "name": " + ".join(record["name"] for record in records),
            "digest": "sha256:" + sums.hexdigest(),
            "trained_on": " + ".join(sorted({record["trained_on"] for record in records})),
            "precision": self.precision,
            "parts": records,
        } | ({"images_per_product": median(told)} if told else {})


def trained_part(path: Path, weight: float = 1.0) -> Part:
    """The network in a model folder (or its model.json).

    Raises
    ------
    FashretError
        If the folder is not a complete model.
    """
    file = open_model(path)
    network = build(ModelSettings.from_dict(file.settings))
    tensors = file.weights()
    check_finite(tensors, file.folder)
    try:
        network.load_state_dict(tensors)
    except RuntimeError:
        own = set(network.state_dict())
        odd = sorted(own ^ set(tensors)) or ["shapes"]
        raise FashretError(f"{file.folder}: weights and model.json do not fit: {', '.join(odd[:5])}") from None
    name, dataset = file.folder.resolve().name, str(file.about.get("trained_on", {}).get("dataset", ""))
    return Part(network, name, file.digest, file.folder, dataset, weight, file.images_per_product)


def backbone_part(settings: ModelSettings) -> Part:
    """A backbone with the weights that its settings name, without training."""
    if settings.weights == "none":
        log.warning("RANDOM WEIGHTS: the vectors of an untrained %s tell little about products", settings.backbone)
    network = start(settings)
    return Part(network, settings.backbone, weights_digest(network.state_dict()), None, "")


def open_embedder(
    models: Sequence[Path], weights: Sequence[float] = (), device: str = "auto", precision: str = "auto"
) -> Embedder:
    """Embedder of one or several model folders.

    Parameters
    ----------
    weights
        Weight of each model's cosine; empty: equal weights.

    Raises
    ------
    FashretError
        If a folder is not a complete model, or there are not as many weights as models.
    """
    if weights and len(weights) != len(models):
        raise FashretError(f"{len(models)} models and {len(weights)} weights: give as many of both")
    if any(not weight > 0 for weight in weights):
        raise FashretError("weights of models must be above zero")
    where = choose_device(device)
    parts = [trained_part(path, weight) for path, weight in zip(models, weights or [1.0] * len(models), strict=True)]
    return Embedder(parts, where, choose_precision(precision, where))


def embedder_of(record: Mapping[str, Any], beside: Path, models: Sequence[Path] = (), device: str = "auto") -> Embedder:
    """The embedder that made an embeddings file, from the file's `model` attribute.

    Parameters
    ----------
    record
        `open_embeddings(path).model`.
    beside
        The embeddings file: the models' paths start from it.
    models
        Where the models are now, if not where they were.

    Raises
    ------
    FashretError
        If the file does not say, a model is not there (pass its folder with `--model`), or its weights have changed.
    """
    records = list(record.get("parts") or [record])
    if not record or any("settings" not in each or "digest" not in each for each in records):
        raise FashretError(f"{beside}: does not say which model made it; embed it again with fashret")
    if models and len(models) != len(records):
        raise FashretError(
            f"{beside}: give --model once per model that made it, {len(records)} in all, in the same order"
        )
    parts = [_part_of(each, beside, models[i] if models else None) for i, each in enumerate(records)]
    where = choose_device(device)
    precision = str(record.get("precision", "float32"))
    if where.type == "cpu" and precision == "fp16":
        precision = "float32"
    return Embedder(parts, where, precision)


def _part_of(record: Mapping[str, Any], beside: Path, given: Path | None) -> Part:
    """One network of a record, checked against the record's digest."""
    if given is None and not (record.get("path") or record.get("absolute_path")):
        settings = ModelSettings.from_dict(record["settings"])
        weights = beside.resolve().parent / settings.weights
        part = backbone_part(replace(settings, weights=str(weights)) if weights.is_file() else settings)
    else:
        part = trained_part(given or _found(record, beside), float(record.get("weight", 1.0)))
    if part.digest != record["digest"]:
        what = part.folder or f"the backbone {part.name}"
        raise FashretError(
            f"{what}: its weights are not those that made {beside}; pass the folder of the right one with --model"
        )
    return part


def _found(record: Mapping[str, Any], beside: Path) -> Path:
    """Folder of a trained model: as seen from the embeddings file, or where it was."""
    places = [beside.resolve().parent / str(record.get("path", ""))]
    if record.get("absolute_path"):  # in files of version 0.1
        places.append(Path(record["absolute_path"]))
    for place in places:
        if place.is_dir():
            return place
    raise FashretError(f"{beside}: its model is no longer at {places[0]}; pass its folder with --model")
