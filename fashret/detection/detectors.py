"""A detector that is run: from pictures to the garments in them.

In: a folder that `fashret train-detector` wrote, and pictures as RGB arrays, upright. Out: for each picture its boxes
in pixels of that picture, their scores and classes, and masks where the detector has them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fashret.detection.architectures import build
from fashret.detection.settings import DetectorSettings
from fashret.errors import FashretError
from fashret.files.models import DETECTOR, open_model
from fashret.models.devices import autocast, choose_device, within_memory
from fashret.models.weights import check_finite

T = TypeVar("T")
MASKED = 0.5  # probability from which a pixel is the garment's


@dataclass(frozen=True)
class Found:
    """The garments of one picture, best first: N of them."""

    boxes: NDArray[np.float32]  # N×4, x1 y1 x2 y2 in pixels of the picture, half-open
    scores: NDArray[np.float32]  # N, 0..1
    labels: NDArray[np.int64]  # N, number of the class
    masks: NDArray[np.bool_] | None = None  # N×H×W


class Detector(Protocol):
    """Finds garments, of whatever origin it is."""

    name: str
    classes: tuple[str, ...]

    def find(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Found]:
        """The garments of each H×W×3 RGB picture, which do not depend on the other pictures."""

    def record(self) -> dict[str, Any]:
        """What files say about it."""


class TrainedDetector:
    """A network of torchvision with weights of its own."""

    def __init__(self, network: nn.Module, settings: DetectorSettings, device: torch.device) -> None:
        self.network = network.to(device).eval()
        self.settings, self.device = settings, device
        self.precision = "float32"
        self.name, self.classes = settings.architecture, settings.classes
        self.about: dict[str, Any] = {}

    @torch.no_grad()
    def find(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Found]:
        """The garments of each H×W×3 RGB picture.

        Raises
        ------
        FashretError
            If memory does not suffice.
        """
        return found_by_shape(pictures, [picture.shape for picture in pictures], self._batch)

    def _batch(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Found]:
        def work() -> list[dict[str, Tensor]]:
            images = [as_image(picture).to(self.device) for picture in pictures]
            with autocast(self.precision, self.device):
                return self.network(images)

        what, advice = f"{len(pictures)} photos at a time", "lower --batch-size"
        return [_found(each) for each in within_memory(work, self.device, what, advice)]

    def record(self) -> dict[str, Any]:
        """Name, digest, classes and what it was trained on."""
        kept = ("digest", "trained_on", "created")
        return {
            "name": self.name,
            "architecture": self.settings.architecture,
            "classes": list(self.classes),
            **{name: self.about[name] for name in kept if name in self.about},
        }


def found_by_shape(
    items: Sequence[T], shapes: Sequence[Hashable], find: Callable[[Sequence[T]], list[Found]]
) -> list[Found]:
    """What `find` gives for each item, in their order; only those of one shape are one batch.

    Networks pad a batch to its largest picture, and some find other things in a picture that is padded.
    """
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for i, shape in enumerate(shapes):
        groups[shape].append(i)
    found: dict[int, Found] = {}
    for group in groups.values():
        found |= dict(zip(group, find([items[i] for i in group]), strict=True))
    return [found[i] for i in range(len(items))]


def as_image(picture: NDArray[np.uint8]) -> Tensor:
    """H×W×3 uint8 → 3×H×W float32 in 0..1, what torchvision's detectors take."""
    return torch.from_numpy(np.require(picture, requirements=["C", "W"])).permute(2, 0, 1).float().div_(255)


def _found(output: dict[str, Tensor]) -> Found:
    order = torch.sort(output["scores"], descending=True, stable=True).indices
    plain = {name: value[order].cpu() for name, value in output.items()}
    masks = plain["masks"][:, 0].numpy() >= MASKED if "masks" in plain else None
    boxes, scores = plain["boxes"].float().numpy(), plain["scores"].float().numpy()
    return Found(boxes, scores, plain["labels"].numpy().astype(np.int64) - 1, masks)


def open_detector(folder: Path, device: str = "auto") -> Detector:
    """The detector in a folder that `fashret train-detector` wrote (or its detector.json).

    Raises
    ------
    FashretError
        If it is not the folder of a detector, or weights and description do not fit each other.
    """
    file = open_model(folder, DETECTOR)
    settings = DetectorSettings.from_dict(file.settings)
    network, tensors = build(settings), file.weights()
    check_finite(tensors, file.folder)
    try:
        network.load_state_dict(tensors)
    except RuntimeError:
        odd = sorted(set(network.state_dict()) ^ set(tensors)) or ["shapes"]
        raise FashretError(
            f"{file.folder}: weights and {DETECTOR.description} do not fit: {', '.join(odd[:5])}"
        ) from None
    detector = TrainedDetector(network, settings, choose_device(device))
    detector.name, detector.about = file.folder.resolve().name, file.about
    return detector
