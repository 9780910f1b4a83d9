"""Examples: the boxes are where the garment is in the picture, however it was cut, turned and mirrored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashret.detection.boxed_photos import BoxedPhotos, boxed_photos
from fashret.detection.samples import ROOM, Drawing, Sample, draw_sample, draw_window, read_picture
from fashret.errors import PhotoError
from fashret.files.columns import Rows, text_array
from fashret.files.photos.decoder import Decoder
from fashret.files.photos.outlines import outline_of
from fashret.files.photos.sources import PhotoFolder


def photo_of(folder: Path, box: tuple[int, int, int, int], orientation: int = 1, name: str = "a.png") -> BoxedPhotos:
    """A white photo of 200 × 120 with a black garment."""
    pixels = np.full((120, 200, 3), 255, np.uint8)
    x1, y1, x2, y2 = box
    pixels[y1:y2, x1:x2] = 0
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(folder / name, exif=exif)
    rows = Rows(
        text_array([name]), np.array([box], np.float32), text_array([""]), np.zeros(1, np.uint8),
        np.zeros(1, np.uint8), np.zeros(1, np.int16), ("bags",),
    )  # fmt: skip
    return boxed_photos(rows, PhotoFolder(folder), np.zeros(1, np.int64))[0]


def sample_of(photos: BoxedPhotos, folder: Path, drawing: Drawing, seed: int = 0) -> Sample:
    return draw_sample(photos, 0, PhotoFolder(folder), drawing, np.random.default_rng(seed), Decoder())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("drawing", [Drawing(400, flip=0.5, zoom=0.4), Drawing(400, 0.5, in_part=True), Drawing(80)])
def test_the_box_is_round_the_garment(tmp_path: Path, orientation: int, drawing: Drawing) -> None:
    photos = photo_of(tmp_path, (60, 30, 100, 90), orientation)
    for seed in range(6):
        sample = sample_of(photos, tmp_path, drawing, seed)
        assert max(sample.picture.shape) <= drawing.longest and sample.labels.tolist() == [0]
        y, x = np.nonzero(sample.picture[..., 0] < 128)
        seen = [x.min(), y.min(), x.max() + 1, y.max() + 1]
        assert np.abs(sample.boxes[0] - seen).max() <= 1.5, (seed, sample.boxes[0], seen)


def test_examples_differ_by_the_generator_alone(tmp_path: Path) -> None:
    photos, drawing = photo_of(tmp_path, (60, 30, 100, 90)), Drawing(400, flip=0.5, zoom=0.4)
    found = [sample_of(photos, tmp_path, drawing, seed) for seed in (1, 1, 2)]
    assert np.array_equal(found[0].picture, found[1].picture) and np.array_equal(found[0].boxes, found[1].boxes)
    assert found[0].window != found[2].window
    assert {sample_of(photos, tmp_path, drawing, seed).mirrored for seed in range(8)} == {False, True}


def test_annotated_in_part_shows_the_box_and_room_around_it() -> None:
    boxes = np.array([[80, 40, 120, 80]], np.float32)
    for seed in range(20):
        x1, y1, x2, y2 = draw_window(boxes, (400, 300), Drawing(400, in_part=True), np.random.default_rng(seed))
        for room in (80 - x1, x2 - 120, 40 - y1, y2 - 80):
            assert ROOM[0] * 40 <= room <= ROOM[1] * 40


def test_a_part_of_a_photo_shows_a_box() -> None:
    boxes = np.array([[390, 290, 400, 300]], np.float32)  # in a corner, which most parts do not show
    for seed in range(30):
        x1, y1, x2, y2 = draw_window(boxes, (400, 300), Drawing(400, zoom=0.3), np.random.default_rng(seed))
        assert min(x2, 400) - max(x1, 390) >= 0 and 0 <= x1 < x2 <= 400 and 0 <= y1 < y2 <= 300
        assert (min(x2, 400) - max(x1, 390)) * (min(y2, 300) - max(y1, 290)) >= 50


def test_a_box_that_is_hardly_seen_is_not_learned_from(tmp_path: Path) -> None:
    photos = photo_of(tmp_path, (60, 30, 100, 90))
    other = np.array([[60, 30, 100, 90], [120, 0, 200, 120]], np.float32)
    photos = BoxedPhotos(
        photos.source, photos.size, photos.orientation, np.array([0, 2]), other, np.array([0, 1]),
        np.array([False, False]), np.array([0, 1]),
    )  # fmt: skip
    rows = {tuple(sample_of(photos, tmp_path, Drawing(400, zoom=0.3), seed).row.tolist()) for seed in range(40)}
    assert rows == {(0,), (1,), (0, 1)}


def test_a_crowd_is_not_learned_from(tmp_path: Path) -> None:
    photos = photo_of(tmp_path, (60, 30, 100, 90))
    crowd = BoxedPhotos(*(getattr(photos, n) for n in ("source", "size", "orientation", "first", "box", "label")),
                        np.array([True]), photos.row)  # fmt: skip
    assert len(sample_of(crowd, tmp_path, Drawing(400, zoom=0.5)).boxes) == 0


def test_a_photo_that_cannot_be_decoded_is_an_error_of_the_photo(tmp_path: Path) -> None:
    photos = photo_of(tmp_path, (60, 30, 100, 90))
    whole = read_picture(photos, 0, PhotoFolder(tmp_path), 100, Decoder())
    assert whole.shape == (60, 100, 3)
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:200])
    with pytest.raises(PhotoError):
        sample_of(photos, tmp_path, Drawing(400))
    with pytest.raises(PhotoError):
        read_picture(photos, 0, PhotoFolder(tmp_path), 100, Decoder())


@pytest.mark.parametrize("orientation", [1, 6])
def test_the_mask_is_the_garments(tmp_path: Path, orientation: int) -> None:
    photos = photo_of(tmp_path, (60, 30, 100, 90), orientation)
    outline = np.empty(1, object)
    outline[0] = outline_of([[60, 30, 100, 30, 100, 90, 60, 90]], "a")
    for seed in range(4):
        sample = sample_of(replace(photos, outline=outline), tmp_path, Drawing(150, flip=0.5, zoom=0.5), seed)
        assert sample.masks is not None and sample.masks.shape == (1, *sample.picture.shape[:2])
        seen = sample.picture[..., 0] < 128
        assert np.count_nonzero(seen != sample.masks[0]) < 0.15 * np.count_nonzero(seen)
    assert sample_of(photos, tmp_path, Drawing(150)).masks is None
