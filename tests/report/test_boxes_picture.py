"""Boxes drawn on a photo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageColor

from fashret.files.photos.whole import WholePhoto
from fashret.report.boxes_picture import BoxLabel, colour, draw_boxes, draw_found

PHOTO = np.full((300, 200, 3), 128, np.uint8)


def test_each_box_has_an_edge_of_its_own_colour() -> None:
    boxes = np.array([[20, 60, 90, 200], [100, 120, 190, 290]], np.float32)
    drawn = np.asarray(draw_boxes(PHOTO, boxes, [BoxLabel(1, "tops", 0.9), BoxLabel(2, "", 0.8)]))
    for (x1, y1, x2, y2), number in zip(boxes.astype(int), (1, 2), strict=True):
        ink = ImageColor.getrgb(colour(number))
        assert tuple(drawn[y2 - 1, x2 - 5]) == tuple(drawn[y2 - 5, x1]) == tuple(drawn[(y1 + y2) // 2, x2 - 1]) == ink
        assert tuple(drawn[(y1 + y2) // 2, (x1 + x2) // 2]) == (128, 128, 128)
        assert tuple(drawn[y1 - 3, x1 + 1]) == ink  # the label is above
    assert drawn.shape == PHOTO.shape and (PHOTO == 128).all()


def test_labels_stay_inside_the_photo() -> None:
    boxes = np.array([[150, 0, 260, 30], [-20, -20, 5, 5], [199, 299, 199.4, 299.4]], np.float32)
    names = ["a very long name of a garment that does not fit at all", "x", ""]
    labels = [BoxLabel(i + 1, name, 0.5) for i, name in enumerate(names)]
    assert draw_boxes(PHOTO, boxes, labels).size == (200, 300)
    assert draw_boxes(PHOTO[:8, :8], boxes[:1], labels[:1]).size == (8, 8)


def test_text_of_a_label() -> None:
    assert BoxLabel(3, "short sleeve top", 0.876).text == "3 short sleeve top 0.88"
    assert BoxLabel(3, "", 0.5).text == "3 0.50"


def test_colours_come_in_turn() -> None:
    assert colour(1) == colour(9) != colour(2)


@dataclass(frozen=True)
class Found:
    number: int
    category: str
    label: str
    score: float
    box: tuple[float, float, float, float]


def test_boxes_are_those_of_the_whole_photo(tmp_path: Path) -> None:
    photo = WholePhoto(PHOTO, ((600, 400), 6))  # upright 400 x 600, shown at half of it
    draw_found(tmp_path / "a.jpg", photo, [Found(1, "", "top", 0.5, (40, 200, 360, 500))])
    with Image.open(tmp_path / "a.jpg") as picture:
        assert picture.format == "JPEG"
        drawn = np.asarray(picture).astype(int)
    near = np.abs(drawn - ImageColor.getrgb(colour(1))).max(axis=2) < 60
    y, x = np.nonzero(near[102:])
    assert (x.min(), x.max()) == pytest.approx((20, 179), abs=1) and y.max() + 102 == pytest.approx(249, abs=1)


def test_a_photo_without_garments_is_itself(tmp_path: Path) -> None:
    draw_found(tmp_path / "a.jpg", WholePhoto(PHOTO, ((200, 300), 1)), [])
    with Image.open(tmp_path / "a.jpg") as picture:
        assert np.abs(np.asarray(picture).astype(int) - PHOTO).max() < 3
