"""Turning: against Pillow's own, boxes against pixels, and back again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from fashret.files.photos.orientation import stored_box, turn, turn_back, turn_box, upright_size

WIDTH, HEIGHT = 7, 5
STORED = np.arange(HEIGHT * WIDTH * 3, dtype=np.uint8).reshape(HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_are_turned_as_pillow_turns_them(orientation: int) -> None:
    image = Image.fromarray(STORED)
    exif = image.getexif()
    exif[0x0112] = orientation
    upright = turn(STORED, orientation)
    np.testing.assert_array_equal(upright, np.asarray(ImageOps.exif_transpose(image)))
    assert upright_size((WIDTH, HEIGHT), orientation) == upright.shape[1::-1]
    np.testing.assert_array_equal(turn_back(upright, orientation), STORED)


@pytest.mark.parametrize("orientation", range(1, 9))
@given(
    x=st.tuples(st.integers(0, WIDTH), st.integers(0, WIDTH)).map(sorted),
    y=st.tuples(st.integers(0, HEIGHT), st.integers(0, HEIGHT)).map(sorted),
)
def test_a_turned_box_holds_the_same_pixels(orientation: int, x: list[int], y: list[int]) -> None:
    (x1, x2), (y1, y2) = x, y
    u1, v1, u2, v2 = map(int, turn_box((x1, y1, x2, y2), (WIDTH, HEIGHT), orientation))
    inside = turn(STORED, orientation)[v1:v2, u1:u2]
    np.testing.assert_array_equal(inside, turn(STORED[y1:y2, x1:x2], orientation))
    assert stored_box((u1, v1, u2, v2), (WIDTH, HEIGHT), orientation) == (x1, y1, x2, y2)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_whole_photos_stay_so_and_wrong_boxes_wrong(orientation: int) -> None:
    assert np.isnan(turn_box((np.nan,) * 4, (WIDTH, HEIGHT), orientation)).all()
    x1, y1, x2, y2 = turn_box((5, 4, 2, 1), (WIDTH, HEIGHT), orientation)
    assert x1 > x2 and y1 > y2
