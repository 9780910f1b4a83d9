"""Boxes in upright pixels: turned by what the photo says, and by the size that a file says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashret.errors import FashretError
from fashret.files.columns import Rows, text_array
from fashret.files.photos.box_frames import boxes_as_stored, boxes_by_size, refuse_fractions
from fashret.files.photos.orientation import turn_box
from fashret.files.photos.sources import PhotoFolder
from tests.conftest import make_rows

SIZE = (60, 40)
BOX = (10, 5, 30, 25)  # as stored


def photo(folder: Path, name: str, orientation: int, size: tuple[int, int] = SIZE) -> str:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", size).save(folder / name, exif=exif)
    return name


def rows_of(sources: list[str], boxes: list[tuple[float, ...]]) -> Rows:
    return make_rows(len(sources), source=text_array(sources), box=np.array(boxes, np.float32))


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
def test_upright_boxes_are_turned_as_their_photo_says(tmp_path: Path, ending: str) -> None:
    sources = [photo(tmp_path, f"{o}.{ending}", o) for o in range(1, 9)]
    upright = [turn_box(BOX, SIZE, o) for o in range(1, 9)]
    found = boxes_as_stored(rows_of([*sources, "gone.jpg"], [*upright, BOX]), PhotoFolder(tmp_path))
    assert found.box.tolist() == [list(BOX)] * 9


def test_whole_photos_stay_whole(tmp_path: Path) -> None:
    rows = rows_of([photo(tmp_path, "a.jpg", 6)], [(np.nan,) * 4])
    assert np.isnan(boxes_as_stored(rows, PhotoFolder(tmp_path)).box).all()


def declared(folder: Path, orientations: list[int], upright: bool) -> tuple[Rows, dict[str, tuple[int, int]]]:
    """A file whose author saw the photos upright, or as stored."""
    sources = [photo(folder, f"{o}.jpg", o) for o in orientations]
    boxes = [turn_box(BOX, SIZE, o) if upright else BOX for o in orientations]
    sizes = {s: SIZE[::-1] if upright and o > 4 else SIZE for s, o in zip(sources, orientations, strict=True)}
    return rows_of(sources, boxes), sizes


@pytest.mark.parametrize("upright", [True, False])
@pytest.mark.parametrize("orientations", [[1, 5, 6, 7, 8], list(range(1, 9))])
def test_the_size_that_a_file_says_tells_how_its_author_saw_the_photos(
    tmp_path: Path, upright: bool, orientations: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    rows, sizes = declared(tmp_path, orientations, upright)
    assert boxes_by_size(rows, PhotoFolder(tmp_path), sizes, "coco").box.tolist() == [list(BOX)] * len(rows)
    unsure = "coco: 3 photos are turned, and the size does not tell how; boxes taken as " + (
        "upright" if upright else "stored"
    )
    assert (unsure in caplog.text) == (len(orientations) == 8)


def test_other_sizes_are_counted_and_left(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows, sizes = declared(tmp_path, [1, 6], True)
    sizes = dict.fromkeys(sizes, (640, 480))
    found = boxes_by_size(rows, PhotoFolder(tmp_path), sizes, "coco")
    np.testing.assert_array_equal(found.box, rows.box)
    assert "coco: 2 photos with boxes are of another size than it says" in caplog.text
    boxes_by_size(rows, PhotoFolder(tmp_path), {}, "coco")
    assert len(caplog.records) == 1


@pytest.mark.parametrize(("boxes", "refused"), [
    ([(0, 0, 1, 1)], True), ([(0.1, 0.2, 0.9, 1), (np.nan,) * 4], True), ([(0.1, 0.2, 0.9, 1), (0, 0, 2, 1)], False),
    ([(np.nan,) * 4], False), ([(-0.5, 0, 1, 1)], False),
])  # fmt: skip
def test_fractions_are_refused(boxes: list[tuple[float, ...]], refused: bool) -> None:
    try:
        refuse_fractions(np.array(boxes, np.float32), "a.csv")
        assert not refused
    except FashretError as error:
        assert refused and "are these fractions?" in str(error)
