"""Whole photos, upright, and boxes in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fashret.errors import PhotoError
from fashret.files.photos.decoder import Decoder
from fashret.files.photos.sources import PhotoFolder
from fashret.files.photos.whole import WholePhoto, boxes_upright, read_whole, stream_whole
from tests.painted_case import PaintedDetector, painted

BOX = (10, 20, 60, 120)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_what_is_found_in_an_upright_photo_is_where_it_is_stored(tmp_path: Path, orientation: int, ending: str) -> None:
    path = painted(tmp_path / f"a.{ending}", {"red": BOX}, orientation=orientation)
    photo = read_whole(path.read_bytes(), 1000, Decoder())
    [found] = PaintedDetector().find([photo.pixels])
    np.testing.assert_allclose(photo.boxes_as_stored(found.boxes), [BOX], atol=1)
    assert photo.frame == ((120, 160), orientation)
    assert photo.pixels.shape[:2] == ((160, 120) if orientation < 5 else (120, 160))
    np.testing.assert_allclose(boxes_upright(photo.boxes_as_stored(found.boxes), photo.frame), found.boxes, atol=1e-4)


def test_a_photo_is_shrunk_and_boxes_grow_again(tmp_path: Path) -> None:
    path = painted(tmp_path / "a.jpg", {"red": (100, 200, 600, 1200)}, size=(1200, 1601), orientation=6)
    photo = read_whole(path.read_bytes(), 400, Decoder())
    assert photo.pixels.shape[:2] == (300, 400)
    [found] = PaintedDetector().find([photo.pixels])
    np.testing.assert_allclose(photo.boxes_as_stored(found.boxes), [[100, 200, 600, 1200]], atol=8)


def test_boxes_end_at_the_photo() -> None:
    photo = WholePhoto(np.zeros((50, 100, 3), np.uint8), ((200, 100), 1))
    boxes = photo.boxes_as_stored(np.array([[-5, -5, 105, 60], [10, 10, 20, 20]], np.float32))
    assert boxes.tolist() == [[0, 0, 200, 100], [20, 20, 40, 40]]
    assert photo.boxes_as_stored(np.empty((0, 4), np.float32)).shape == (0, 4)


def test_photos_come_in_order_and_errors_in_their_place(tmp_path: Path) -> None:
    sources = [painted(tmp_path / f"{i}.png", {"red": (i, i, 30 + i, 40)}).name for i in range(7)]
    (tmp_path / "3.png").write_bytes(b"no photo")
    got = list(stream_whole(PhotoFolder(tmp_path), [*sources, "gone.png"], 500, range(1, 8), Decoder(workers=3)))
    assert [i for i, _ in got] == list(range(1, 8))
    assert [i for i, photo in got if isinstance(photo, PhotoError)] == [3, 7]
    assert all(photo.pixels[35, i, 0] > 200 for i, photo in got if isinstance(photo, WholePhoto))
