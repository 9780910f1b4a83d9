"""What is found in a photo: kept, read again, shown."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from fashret.detecting.photos import Seen, find_in_photo, shown
from fashret.detection.detectors import Found
from fashret.detection.ensemble import Ensemble, Fusion, Garments
from fashret.detection.labels import LabelMap
from fashret.errors import FashretError
from fashret.files.photos.whole import WholePhoto
from fashret.options import DetectOptions
from tests.painted_case import PaintedDetector, painted

ENSEMBLE = Ensemble([PaintedDetector()], LabelMap(), Fusion())


def found(*boxes: tuple[float, ...]) -> Found:
    count = len(boxes)
    return Found(np.array(boxes, np.float32), np.linspace(0.9, 0.6, count, dtype=np.float32), np.arange(count) % 3)


def test_what_is_kept_of_a_photo_is_the_same_again() -> None:
    photo = WholePhoto(np.zeros((80, 60, 3), np.uint8), ((160, 120), 6))
    seen = Seen.of(photo, Garments(found((0, 0, 30, 40), (10, 10, 10.2, 50)), Counter({"sleeve": 2})))
    again = Seen.unpacked(seen.packed())
    assert len(again.boxes) == 1  # the other is less than a pixel wide
    np.testing.assert_array_equal(again.boxes, [[0, 60, 80, 120]])
    assert again.frame == ((160, 120), 6) and again.left_out == {"sleeve": 2}
    assert again.scores.tolist() == seen.scores.tolist() and again.labels.tolist() == [0]


def test_the_best_of_what_was_seen() -> None:
    photo = WholePhoto(np.zeros((80, 60, 3), np.uint8), ((60, 80), 1))
    seen = Seen.of(photo, Garments(found((0, 0, 30, 40), (0, 0, 9, 9), (5, 5, 9, 9)), Counter()))
    assert seen.best(DetectOptions(min_score=0.75)).tolist() == [0, 1]
    assert seen.best(DetectOptions(max_garments=1)).tolist() == [0]
    assert seen.kept(DetectOptions(max_garments=2)).boxes.tolist() == seen.boxes[:2].tolist()
    assert seen.kept(DetectOptions(max_garments=2, evaluate=True)).scores.tolist() == seen.scores.tolist()
    assert seen.best(DetectOptions(min_score=0.9)).tolist() == [0]  # the same number as its own, not a neighbour of it


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_people_see_upright_boxes_and_files_keep_them_as_stored(tmp_path: Path, orientation: int) -> None:
    path = painted(tmp_path / "a.png", {"red": (10, 20, 60, 120)}, orientation=orientation)
    whole, seen = find_in_photo(ENSEMBLE, path, DetectOptions())
    [garment] = shown(seen, DetectOptions(), ENSEMBLE)
    assert seen.boxes.tolist() == [[10, 20, 60, 120]]
    x1, y1, x2, y2 = map(int, garment.box)
    assert (whole.pixels[y1:y2, x1:x2] == whole.pixels[y1, x1]).all() and whole.pixels[y1, x1, 0] > 200
    assert (garment.number, garment.category, garment.score) == (1, "red", 0.9)


def test_a_photo_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"nothing")
    with pytest.raises(FashretError, match="a.jpg: cannot be decoded"):
        find_in_photo(ENSEMBLE, tmp_path / "a.jpg", DetectOptions())
