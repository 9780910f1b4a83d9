"""Photos to crops: against Pillow's plain way, turned upright, and whatever bytes come in."""

from __future__ import annotations

import io
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from fashret.files.photos.cuts import by_photo, cut_crops, read_crop, same_photo, target_size
from fashret.files.photos.kinds import EXTENSIONS
from fashret.files.photos.orientation import turn_back
from fashret.files.photos.sources import MissingPhotoError, PhotoError
from tests.conftest import make_rows

NAN = np.full(4, np.nan, np.float32)


def scene(width: int, height: int, seed: int = 0) -> Image.Image:
    """A photo with edges and texture, smooth enough that JPEG and filters do not matter much."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 255, (max(2, height // 24), max(2, width // 24), 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def save(path: Path, image: Image.Image, **settings: object) -> Path:
    image.save(path, **settings)  # type: ignore[arg-type]
    return path


def plain_way(path: Path, box: tuple[float, ...] | None, size: int) -> np.ndarray:
    """Open, decode, cut, shrink with antialiasing, turn: Pillow's calls one after the other."""
    with Image.open(path) as stored:
        orientation = stored.getexif().get(0x0112, 1)
        image = stored.convert("RGB")
    if box is not None:
        image = image.crop(tuple(round(v) for v in box))
    scale = min(1.0, size / max(image.size))
    image = image.resize(
        (max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.BICUBIC
    )
    exif = image.getexif()
    exif[0x0112] = orientation
    return np.asarray(ImageOps.exif_transpose(image))


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    error = np.mean((one.astype(float) - other) ** 2)
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


BOXES = [
    None,
    (0, 0, 601, 451),
    (1, 3, 575, 450),
    (167, 55, 501, 382),
    (100, 50, 320, 210),
    (7, 5, 27, 20),
    (300, 200, 301, 201),
]


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("size", [32, 160])
@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_a_crop_is_what_pillow_makes(tmp_path: Path, name: str, box: tuple[float, ...] | None, size: int) -> None:
    path = save(tmp_path / name, scene(601, 451), quality=95)
    crop = read_crop(path, None if box is None else np.array(box, np.float32), size)
    expected = plain_way(path, box, size)
    assert crop.shape == expected.shape and crop.dtype == np.uint8
    assert psnr(crop, expected) > 33


def test_pixels_are_exact_where_nothing_is_shrunk(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", scene(200, 150))
    crop = read_crop(path, np.array([11, 22, 111, 140], np.float32), 320)
    np.testing.assert_array_equal(crop, np.asarray(Image.open(path))[22:140, 11:111])


@pytest.mark.parametrize("box", [None, (40, 10, 300, 120)])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_crops_are_turned_upright_after_cutting(
    tmp_path: Path, name: str, orientation: int, box: tuple[float, ...] | None
) -> None:
    image = scene(400, 200)
    exif = image.getexif()
    exif[0x0112] = orientation
    path = save(tmp_path / name, image, exif=exif, quality=95)
    crop = read_crop(path, None if box is None else np.array(box, np.float32), 100)
    expected = plain_way(path, box, 100)
    assert crop.shape == expected.shape
    assert psnr(crop, expected) > 33


def test_boxes_are_clamped_to_the_photo(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", scene(100, 80))
    whole = np.asarray(Image.open(path))
    crop = read_crop(path, np.array([-20, 30.4, 1e9, 50.6], np.float32), 320)
    np.testing.assert_array_equal(crop, whole[30:51])


@pytest.mark.parametrize(
    "box", [(10, 10, 10, 20), (20, 10, 10, 20), (100, 0, 120, 10), (0, -9, 5, 0), (0.2, 0, 0.4, 9)]
)
def test_a_box_without_area_in_the_photo_is_refused(tmp_path: Path, box: tuple[float, ...]) -> None:
    path = save(tmp_path / "a.png", scene(100, 80))
    with pytest.raises(PhotoError, match="has no area inside the photo of 100 x 80"):
        read_crop(path, np.array(box, np.float32), 320)


def test_a_box_that_is_no_number_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", scene(100, 80))
    with pytest.raises(PhotoError, match="not four numbers"):
        read_crop(path, np.array([0, 0, np.nan, 5], np.float32), 320)


def test_the_aspect_is_kept_and_nothing_is_enlarged() -> None:
    assert target_size((0, 0, 1000, 3), 320) == (320, 1)
    assert target_size((5, 5, 25, 45), 320) == (20, 40)


MODES = [
    ("L", "png"), ("LA", "png"), ("P", "png"), ("RGBA", "png"), ("1", "png"), ("CMYK", "jpg"), ("YCbCr", "jpg"),
    ("L", "jpg"), ("I", "tif"), ("F", "tif"),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "kind"), MODES)
def test_every_mode_of_pixels_becomes_rgb(tmp_path: Path, mode: str, kind: str) -> None:
    grey = scene(60, 40).convert("L")
    image = (grey if mode in ("I", "F", "1", "LA") else scene(60, 40)).convert(mode)
    crop = read_crop(save(tmp_path / f"a.{kind}", image), None, 320)
    expected = np.asarray(image.convert("RGB"))
    assert crop.shape == (40, 60, 3)
    assert psnr(crop, expected) > (20 if kind == "jpg" else 99)


def test_what_is_transparent_becomes_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (9, 9), (255, 0, 0, 0))
    image.putpixel((4, 4), (0, 0, 255, 255))
    crop = read_crop(save(tmp_path / "a.png", image), None, 320)
    assert crop[0, 0].tolist() == [255, 255, 255] and crop[4, 4].tolist() == [0, 0, 255]


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 65535, 64, dtype=np.uint16), (8, 1))
    crop = read_crop(save(tmp_path / "a.png", Image.fromarray(ramp)), None, 320)
    assert abs(int(crop[4, 32, 0]) - 128) < 4


def test_an_mpo_is_read_like_a_jpeg(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    scene(700, 500).save(path, "MPO", save_all=True, append_images=[scene(100, 80)], quality=95)
    assert Image.open(path).format == "MPO"
    assert psnr(read_crop(path, None, 100), plain_way(path, None, 100)) > 33


@pytest.mark.parametrize("divisor", [2, 4, 8])
@pytest.mark.parametrize("corner", [(0, 0), (80, 160), (83, 61), (400, 200)])
def test_a_box_that_is_a_whole_multiple_of_its_crop(tmp_path: Path, divisor: int, corner: tuple[int, int]) -> None:
    """The decoder alone makes it small enough: nothing is left to filter, but it has to be cut at its place."""
    path = save(tmp_path / "a.jpg", scene(800, 600), quality=98, subsampling=0)
    x, y = corner
    box = (x, y, x + 400, y + 400)
    crop = read_crop(path, np.array(box, np.float32), 400 // divisor)
    expected = plain_way(path, box, 400 // divisor)
    assert crop.shape == expected.shape and psnr(crop, expected) > (33 if x % divisor == y % divisor == 0 else 22)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
@pytest.mark.parametrize("box", [None, (31, 7, 262, 190)])
def test_a_picture_gives_the_same_crop_in_all_orientations(
    tmp_path: Path, name: str, box: tuple[int, ...] | None
) -> None:
    upright = np.asarray(scene(307, 211))
    given = None if box is None else np.array(box, np.float32)
    crops = []
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = Image.fromarray(np.ascontiguousarray(turn_back(upright, orientation)))
        path = save(tmp_path / name, stored, exif=exif, **({"lossless": True} if name == "a.webp" else {}))
        crops.append(read_crop(path, given, 96, upright=True))
    assert max(crops[0].shape) == 96 and all(np.array_equal(crop, crops[0]) for crop in crops)


@pytest.mark.parametrize("size", [640, 320, 224, 100])
def test_a_jpeg_gives_the_same_crop_in_all_orientations_but_for_its_own_loss(tmp_path: Path, size: int) -> None:
    """Its blocks begin at another side: what that alone changes is seen in the photos as they are decoded whole."""
    upright = np.asarray(scene(1203, 901))
    crops, loss = [], 0.0
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = Image.fromarray(np.ascontiguousarray(turn_back(upright, orientation)))
        path = save(tmp_path / "a.jpg", stored, exif=exif, quality=95)
        crops.append(read_crop(path, None, size).astype(float))
        loss = max(loss, np.abs(read_crop(path, None, 1203).astype(float) - upright).mean())
    assert max(np.abs(crop - crops[0]).mean() for crop in crops) < 2 * loss  # of both


# bad photos


def error_of(path: Path) -> PhotoError:
    with pytest.raises(PhotoError) as caught:
        read_crop(path, None, 320)
    assert "\n" not in str(caught.value)
    return caught.value


def test_bad_photos_say_why(tmp_path: Path) -> None:
    assert isinstance(error_of(tmp_path / "none.jpg"), MissingPhotoError)
    (tmp_path / "empty.jpg").touch()
    assert "empty file" in str(error_of(tmp_path / "empty.jpg"))
    (tmp_path / "page.jpg").write_text("<!DOCTYPE html><html>")
    assert "not an image of a known format" in str(error_of(tmp_path / "page.jpg"))
    save(tmp_path / "whole.jpg", scene(300, 200))
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:2000])
    assert "cannot be decoded (" in str(error_of(tmp_path / "cut.jpg"))
    (tmp_path / "folder.jpg").mkdir()
    assert "is not a file" in str(error_of(tmp_path / "folder.jpg"))


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    header = struct.pack(">4sIIBBBBB", b"IHDR", 60_000, 60_000, 1, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I4sI", 0, b"IDAT", 0))
    assert "has 60000 x 60000 pixels, more than --max-pixels 64,000,000" in str(error_of(tmp_path / "bomb.png"))


def test_one_bad_box_does_not_spoil_the_others(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", scene(100, 80))
    crops = cut_crops(path.read_bytes(), [np.array([5, 5, 5, 9]), NAN, np.array([0, 0, 10, 10])], 320)
    assert isinstance(crops[0], PhotoError)
    assert [c.shape for c in crops[1:] if not isinstance(c, PhotoError)] == [(80, 100, 3), (10, 10, 3)]


@pytest.mark.parametrize("ending", EXTENSIONS)
def test_a_photo_of_every_extension_is_decoded(tmp_path: Path, ending: str) -> None:
    Image.init()
    kind = Image.registered_extensions()[ending]
    if kind not in Image.SAVE:
        pytest.skip(f"this Pillow has no {kind}")
    scene(40, 30).save(tmp_path / f"a{ending}")
    assert read_crop(tmp_path / f"a{ending}", None, 320).shape == (30, 40, 3)


@settings(max_examples=80)
@given(data=st.data())
def test_damaged_bytes_give_a_crop_or_one_line(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"]))
    stream = io.BytesIO()
    image = scene(40, 30)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(stream, kind, **({"exif": exif} if kind in ("JPEG", "PNG", "WEBP", "TIFF") else {}))
    damaged = bytearray(stream.getvalue())
    for position, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(damaged) - 1), st.integers(0, 255)), max_size=8)
    ):
        damaged[position] = value
    crop = cut_crops(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]), [NAN], 16)[0]
    assert isinstance(crop, PhotoError | np.ndarray)
    if isinstance(crop, PhotoError):
        assert "\n" not in str(crop)
    else:
        assert crop.ndim == 3 and crop.shape[2] == 3 and max(crop.shape[:2]) <= 16


@settings(max_examples=50)
@given(st.binary(max_size=300))
def test_any_bytes_give_one_line(data: bytes) -> None:
    assert isinstance(cut_crops(data, [NAN], 16)[0], PhotoError)


# without the optional decoder


@given(st.lists(st.integers(0, 4), max_size=20))
def test_photos_are_grouped_in_the_order_of_their_first_rows(numbers: list[int]) -> None:
    rows = make_rows(len(numbers), source=np.array([f"{n}.jpg" for n in numbers], object))
    order = by_photo(rows)
    expected = [i for n in dict.fromkeys(numbers) for i, m in enumerate(numbers) if m == n]
    assert order.tolist() == expected
    assert [len(run) for run in same_photo(rows, order)] == [numbers.count(n) for n in dict.fromkeys(numbers)]
