"""One or several detectors as one: their classes in common words, their boxes fused.

In: folders of detectors, how their classes are called, how they are fused. Out: an `Ensemble`, which finds the garments
of pictures; each is of a `Kind`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.ops import batched_nms

from fashret.console import log
from fashret.detection.detectors import Detector, Found, open_detector
from fashret.detection.fusion import fuse
from fashret.detection.labels import Kind, LabelMap, plain, read_labels, words_of
from fashret.detection.published import is_published, open_published
from fashret.errors import FashretError
from fashret.models.devices import use_threads
from fashret.options import DetectOptions

SHOWN = 8  # classes that a message names


@dataclass(frozen=True)
class Fusion:
    """How the boxes of several detectors become one list, see `fashret.detection.fusion`."""

    weights: tuple[float, ...] = ()  # one per detector; none = all the same
    iou: float = DetectOptions.iou


@dataclass(frozen=True)
class Garments:
    """What was found in one picture: labels are numbers of the ensemble's kinds."""

    found: Found
    left_out: Counter[str]  # classes without a kind → boxes that were left out for it


class Ensemble:
    """Detectors that work as one.

    Attributes
    ----------
    kinds
        What its labels count through.
    """

    def __init__(self, detectors: Sequence[Detector], labels: LabelMap, fusion: Fusion) -> None:
        """Raises FashretError if two have one name, or the labels leave nothing of a detector."""
        self.detectors, self.labels, self.fusion = tuple(detectors), labels, fusion
        _check_names(self.detectors)
        _check_weights(self.detectors, fusion)
        of_each = [labels.kinds(detector.name, detector.classes) for detector in detectors]
        _check_labels(self.detectors, of_each, labels)
        numbers: dict[tuple[str, ...] | str, int] = {}
        kinds: list[Kind] = []
        self.number: list[NDArray[np.int64]] = []  # for each detector: class → number of its kind, −1 = left out
        for of_one in of_each:
            number = np.full(len(of_one), -1, np.int64)
            for i, kind in enumerate(of_one):
                if kind is not None:
                    number[i] = numbers.setdefault(kind.categories or kind.name, len(kinds))
                    if number[i] == len(kinds):
                        kinds.append(kind)
            self.number.append(number)
        self.kinds = tuple(kinds)
        self.silent = {detector.name: labels.expected(detector.name) for detector in detectors}

    def find(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Garments]:
        """The garments of each H×W×3 RGB picture, best first."""
        if not pictures:
            return []
        left_out: list[Counter[str]] = [Counter() for _ in pictures]
        mapped: list[list[Found]] = [[] for _ in pictures]
        for detector, number in zip(self.detectors, self.number, strict=True):
            for i, found in enumerate(detector.find(pictures)):
                kind = number[found.labels]
                unknown = Counter(detector.classes[label] for label in found.labels[kind < 0])
                left_out[i] += Counter({name: unknown[name] for name in unknown if not self._is_silent(detector, name)})
                mapped[i].append(self._without_doubles(found, kind, number))
        one = len(self.detectors) == 1
        founds = [each[0] if one else fuse(each, self.fusion.weights, self.fusion.iou) for each in mapped]
        return [Garments(found, count) for found, count in zip(founds, left_out, strict=True)]

    def record(self) -> dict[str, Any]:
        """What files say about it."""
        weights = self.fusion.weights or (1.0,) * len(self.detectors)
        return {
            "detectors": [detector.record() for detector in self.detectors],
            "fusion": {"iou": self.fusion.iou, "weights": list(weights)},  # of one detector, too: classes become one
        }

    @property
    def name(self) -> str:
        """The names of its detectors."""
        return "+".join(detector.name for detector in self.detectors)

    def _is_silent(self, detector: Detector, label: str) -> bool:
        return plain(label) in self.silent[detector.name]

    def _without_doubles(self, found: Found, kind: NDArray[np.int64], number: NDArray[np.int64]) -> Found:
        """What has a kind; where several classes have become one, only the best of boxes that overlap."""
        there = np.flatnonzero(kind >= 0)
        known = number[number >= 0]
        if len(there) and len(set(known.tolist())) < len(known):
            tensors = [
                torch.from_numpy(np.ascontiguousarray(each[there])) for each in (found.boxes, found.scores, kind)
            ]
            there = there[np.sort(batched_nms(*tensors, self.fusion.iou).numpy())]
        return replace(taken(found, there), labels=kind[there])


def taken(found: Found, index: NDArray[np.int64]) -> Found:
    """Some of the garments of a picture."""
    masks = None if found.masks is None else found.masks[index]
    return Found(found.boxes[index], found.scores[index], found.labels[index], masks)


def open_ensemble(
    folders: Sequence[Path], device: str = "auto", labels: LabelMap | None = None, fusion: Fusion | None = None
) -> Ensemble:
    """Open detectors of fashret and of the transformers library.

    Raises
    ------
    FashretError
        If a folder is none of a detector, two have one name, or the labels leave nothing of one.
    """
    places = [folder.resolve() for folder in folders]
    for folder, place in zip(folders, places, strict=True):
        if places.count(place) > 1:
            raise FashretError(f"--detector {folder}: is given more than once")
    detectors = [
        open_published(each, device) if is_published(each) else open_detector(each, device) for each in folders
    ]
    return Ensemble(detectors, labels or LabelMap(), fusion or Fusion())


def ensemble_of(options: DetectOptions) -> Ensemble:
    """The detectors that options ask for, and torch's threads. Raises FashretError as `open_ensemble`."""
    use_threads(options.threads)
    fusion = Fusion(options.detector_weight, options.iou)
    return open_ensemble(options.detector, options.device, read_labels(options.labels), fusion)


def ensemble_for(options: DetectOptions, categories: Sequence[str]) -> Ensemble:
    """The detectors that options ask for, in the words of some categories where no labels are asked for.

    These are a dataset's words if it has all of the categories, and the detectors a class for any of them.
    """
    words = "" if options.labels else words_of(categories)
    plain_one = ensemble_of(options)
    if not words:
        return plain_one
    kinds = [LabelMap(words).kinds(each.name, each.classes) for each in plain_one.detectors]
    return Ensemble(plain_one.detectors, LabelMap(words), plain_one.fusion) if all(map(any, kinds)) else plain_one


def _check_names(detectors: Sequence[Detector]) -> None:
    names = Counter(detector.name for detector in detectors)
    double = [name for name, count in names.items() if count > 1]
    if double:
        raise FashretError(f"{names[double[0]]} detectors are called {double[0]}; rename the folder of one")


def _check_weights(detectors: Sequence[Detector], fusion: Fusion) -> None:
    if fusion.weights and len(fusion.weights) != len(detectors):
        raise FashretError(
            f"--detector-weight: {len(fusion.weights)} weights for {len(detectors)} detectors; give one per --detector"
        )


def _check_labels(detectors: Sequence[Detector], kinds: Sequence[list[Kind | None]], labels: LabelMap) -> None:
    """Refuse words that leave nothing of a detector, and name what a user's map has and no detector."""
    for detector, of_one in zip(detectors, kinds, strict=True):
        if not any(of_one):
            classes = ", ".join(detector.classes[:SHOWN]) + (" …" if len(detector.classes) > SHOWN else "")
            raise FashretError(f"--labels: has no category for any class of {detector.name} ({classes})")
    unknown = labels.unknown({detector.name: detector.classes for detector in detectors})
    if unknown:
        more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
        log.warning("--labels: no detector has %s%s", ", ".join(unknown[:SHOWN]), more)
