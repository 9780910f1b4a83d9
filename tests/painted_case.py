"""Detectors of which a test knows what they find: rectangles of plain colours, and one that is always wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fashret.detection import ensemble
from fashret.detection.detectors import Found
from fashret.errors import FashretError
from fashret.files.models import DETECTOR, open_model

COLOURS = {"red": (220, 20, 20), "green": (20, 160, 20), "blue": (20, 20, 220)}
SCORES = {"red": 0.9, "green": 0.8, "blue": 0.3}
Box = tuple[int, int, int, int]


class PaintedDetector:
    """Finds the rectangle of each colour; `classes` has a class for each colour that it knows."""

    def __init__(self, name: str = "painted", classes: Mapping[str, str] | None = None, shift: float = 0) -> None:
        self.name, self.shift = name, shift
        self.colours = dict(classes or {colour: colour for colour in COLOURS})
        self.classes = tuple(self.colours.values())
        self.looked_at = 0

    def find(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Found]:
        self.looked_at += len(pictures)
        return [self._found(picture) for picture in pictures]

    def _found(self, picture: NDArray[np.uint8]) -> Found:
        rows = []
        for label, colour in enumerate(self.colours):
            near = (np.abs(picture.astype(int) - COLOURS[colour]) < 40).all(axis=2)
            if near.any():
                y, x = np.nonzero(near)
                rows.append((x.min(), y.min(), x.max() + 1, y.max() + 1, SCORES[colour], label))
        rows.sort(key=lambda row: -row[4])
        table = np.array(rows, np.float64).reshape(-1, 6)
        boxes = (table[:, :4] + self.shift).astype(np.float32)
        return Found(boxes, table[:, 4].astype(np.float32), table[:, 5].astype(np.int64))

    def record(self) -> dict[str, Any]:
        return {"name": self.name, "classes": list(self.classes), "digest": f"painted:{self.name}"}


def painted(path: Path, boxes: Mapping[str, Box], size: tuple[int, int] = (120, 160), orientation: int = 1) -> Path:
    """A photo with rectangles, in pixels as stored, on grey."""
    pixels = np.full((size[1], size[0], 3), 128, np.uint8)
    for colour, (x1, y1, x2, y2) in boxes.items():
        pixels[y1:y2, x1:x2] = COLOURS[colour]
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif, **({"quality": 95} if path.suffix == ".jpg" else {}))
    return path


def use_painted(patch: pytest.MonkeyPatch, folder: Path, *detectors: PaintedDetector) -> list[Path]:
    """Folders that commands open as these detectors; they look like those that `fashret train-detector` wrote."""
    known = {}
    for detector in detectors:
        place = folder / detector.name
        place.mkdir(parents=True)
        about = {
            "format": DETECTOR.format,
            "format_version": 1,
            "digest": "",
            "settings": {DETECTOR.setting: "painted"},
        }
        (place / DETECTOR.description).write_text(json.dumps(about))
        known[place.resolve()] = detector

    def opened(path: Path, device: str = "auto") -> PaintedDetector:
        open_model(path, DETECTOR)
        if path.resolve() not in known:
            raise FashretError(f"{path}: no painted detector")
        return known[path.resolve()]

    patch.setattr(ensemble, "open_detector", opened)
    return list(known)
