"""Outlines: the mask is where the polygon is, however the photo is turned, cut and scaled."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.files.photos.orientation import turn, turn_box, upright_size
from fashret.files.photos.outlines import Outline, draw_mask, outline_of

STORED = (40, 30)
BOX = (10, 6, 30, 16)  # of the garment, as stored
CORNERS = [[10, 6, 30, 6, 30, 16, 10, 16]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_mask_is_the_garments(orientation: int) -> None:
    pixels = np.zeros((30, 40, 3), np.uint8)
    pixels[6:16, 10:30] = 1
    seen = turn(pixels, orientation)[..., 0]
    width, height = upright_size(STORED, orientation)
    x1, y1, x2, y2 = turn_box(BOX, STORED, orientation)
    upright = [[x1, y1, x2, y1, x2, y2, x1, y2]]
    for outline in (outline_of(CORNERS, "a"), outline_of(upright, "a", upright=True)):
        assert outline is not None
        mask = draw_mask(outline, STORED, orientation, (0, 0, width, height), (width, height))
        assert mask.shape == seen.shape and np.count_nonzero(mask != seen) <= 64  # its edge
        assert mask[seen > 0].mean() == 1
        twice = draw_mask(outline, STORED, orientation, (0, 0, width, height), (2 * width, 2 * height))
        assert abs(float(twice.mean()) - float(seen.mean())) < 0.06


def test_a_part_of_the_photo() -> None:
    outline = outline_of(CORNERS, "a")
    assert outline is not None
    mask = draw_mask(outline, STORED, 1, (20, 0, 40, 30), (20, 30))
    assert mask[7:15, :9].all() and not mask[:, 12:].any() and not mask[:5].any()


@pytest.mark.parametrize("segmentation", [None, {"counts": [1], "size": [1, 1]}, [], "", [[1, 2, 3, 4]], [[]]])
def test_what_is_no_polygon_has_no_outline(segmentation: Any) -> None:
    assert outline_of(segmentation, "a") is None


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ("abc", "a.json, entry 3, segmentation: expected a list of polygons"),
        ([5], "segmentation, polygon 0: expected a list of numbers, x y x y …"),
        ([[0, 0, 1, 1, 2, 3], [0, 0, "a", 1, 2, 3]], "polygon 1: expected a list of numbers"),
        ([[0, 0, True, 1, 2, 3]], "polygon 0: expected a list of numbers"),
        ([[1, 2, 3, 4, 5, 6, 7]], "polygon 0: expected pairs of finite numbers, it has 7"),
        ([[0, 0, 1e9, 1, 2, 3]], "polygon 0: expected pairs of finite numbers, one is not below 1,000,000"),
        ([[0, 0, 10**400, 1, 2, 3]], "one is not below 1,000,000"),
        ([[0, 0, float("nan"), 1, 2, 3]], "one is not below 1,000,000"),
    ],
)
def test_polygons_without_sense_are_one_line(segmentation: Any, message: str) -> None:
    with pytest.raises(FashretError, match=re.escape(message)) as caught:
        outline_of(segmentation, "a.json, entry 3")
    assert "\n" not in str(caught.value)


def test_short_polygons_beside_others_are_left_out() -> None:
    found = outline_of([[1, 2], [0, 0, 4, 0, 4, 4]], "a")
    assert isinstance(found, Outline) and len(found.polygons) == 1


def test_the_box_is_round_all_polygons() -> None:
    found = outline_of([[3, 4, 13, 4, 13, 24], [1, 5, 2, 5, 2, 6.5]], "a")
    assert found is not None and found.box == (1, 4, 13, 24)
