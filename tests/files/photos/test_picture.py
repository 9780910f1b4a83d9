"""Pictures of every container: the same pixels, upright, on white, 8 bits by what they hold."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashret.files.photos.decoder import Decoder
from fashret.files.photos.orientation import turn
from fashret.files.photos.picture import Picture, decoding_errors, picture_frame, picture_size
from fashret.files.photos.sources import PhotoError
from tests.files.photos.test_cuts import scene

CONTAINERS = [  # name, settings, whether its pixels are exact
    ("JPEG", {"quality": 95, "subsampling": 0}, False),
    ("MPO", {"quality": 95, "subsampling": 0}, False),
    ("PNG", {}, True),
    ("TIFF", {}, True),
    ("TIFF", {"compression": "tiff_lzw"}, True),
    ("TIFF", {"compression": "jpeg", "quality": 95}, False),
    ("WEBP", {"lossless": True}, True),
    ("AVIF", {"quality": 95}, False),
]
IDS = [f"{name} {settings.get('compression', '')}".strip() for name, settings, _ in CONTAINERS]


def whole_picture(data: bytes) -> np.ndarray:
    return Decoder().whole(data)


def encoded(image: Image.Image, kind: str, orientation: int = 1, **settings: object) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    image.save(stream, kind, **({"exif": exif} if orientation > 1 else {}), **settings)  # type: ignore[arg-type]
    return stream.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(
    size: tuple[int, int], depth: int, colour: int, pixels: bytes, before: bytes = b"", after: bytes = b""
) -> bytes:
    """A PNG chunk by chunk; `pixels` have the filter byte of each row."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + before + chunk(b"IDAT", zlib.compress(pixels)) + after + chunk(b"IEND", b"")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("kind", "settings", "exact"), CONTAINERS, ids=IDS)
def test_every_container_is_turned_once(kind: str, settings: dict, exact: bool, orientation: int) -> None:
    stored = scene(60, 40)
    data = encoded(stored, kind, orientation, **settings)
    upright = turn(np.asarray(stored), orientation)
    found = whole_picture(data)
    assert found.shape == upright.shape
    assert np.abs(found.astype(int) - upright).max() <= (0 if exact else 40)
    assert picture_frame(io.BytesIO(data)) == ((60, 40), orientation)
    with Picture(data) as picture:
        assert (picture.size, picture.orientation) == ((60, 40), orientation)
        assert np.abs(picture.decode().astype(int) - np.asarray(stored)).max() <= (0 if exact else 40)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "PPM", "TGA", "JPEG2000", "ICO", "PCX"])
def test_containers_without_orientation_are_read_as_they_are(kind: str) -> None:
    stored = scene(32, 32).quantize(64).convert("RGB")
    np.testing.assert_array_equal(whole_picture(encoded(stored, kind)), np.asarray(stored))


def test_exif_after_the_pixels_of_a_png_counts_and_costs_no_decoding() -> None:
    pixels = b"".join(b"\0" + bytes(range(12)) for _ in range(2))
    exif = b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x0112, 3, 1, 6) + b"\0" * 4
    data = png((4, 2), 8, 2, pixels, after=chunk(b"eXIf", exif))
    assert picture_frame(io.BytesIO(data)) == ((4, 2), 6)
    assert whole_picture(data).shape == (4, 2, 3)


@pytest.mark.parametrize("value", [0, 9, 65_535])
def test_an_orientation_that_is_none_is_as_stored(value: int) -> None:
    data = encoded(scene(60, 40), "PNG", value)
    assert picture_frame(io.BytesIO(data)) == ((60, 40), 1)


# transparency


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF", "GIF"])
def test_what_is_transparent_is_white(kind: str) -> None:
    image = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 8, 16))
    settings = {"WEBP": {"lossless": True}}.get(kind, {})
    found = whole_picture(encoded(image, kind, **settings))  # type: ignore[arg-type]
    assert found[8, 12].min() > 250 and found[8, 3].max() < 5


GREY16 = b"".join(b"\0" + struct.pack(">4H", 300, 1000, 30_000, 65_535) for _ in range(2))
RGB16 = b"".join(b"\0" + struct.pack(">6H", 300, 300, 300, 65_535, 0, 30_000) for _ in range(2))


def test_a_colour_of_16_bits_that_stands_for_nothing_is_white() -> None:
    grey = whole_picture(png((4, 2), 16, 0, GREY16, chunk(b"tRNS", struct.pack(">H", 300))))
    assert grey[0, :, 0].tolist() == [255, 4, 117, 255]
    rgb = whole_picture(png((2, 2), 16, 2, RGB16, chunk(b"tRNS", struct.pack(">3H", 300, 300, 300))))
    assert rgb[0].tolist() == [[255, 255, 255], [255, 0, 117]]


def test_a_palette_with_a_transparent_colour_is_on_white() -> None:
    palette = chunk(b"PLTE", b"\0\0\0\xff\0\0") + chunk(b"tRNS", b"\0\xff")
    found = whole_picture(png((8, 1), 1, 3, b"\0\x0f", palette))
    assert found[0, 0].tolist() == [255, 255, 255] and found[0, 7].tolist() == [255, 0, 0]


# more than 8 bits


RAMP = np.tile(np.linspace(0, 1, 64), (8, 1))
WIDE = [
    ((RAMP * 65_535).astype(np.uint16), "16 bits"),
    ((RAMP * 4095).astype(np.uint16), "12 of 16 bits"),
    ((RAMP * 16_383).astype(np.uint16), "14 of 16 bits"),
    ((RAMP * 255).astype(np.uint16), "8 of 16 bits"),
    ((RAMP * 1_000_000).astype(np.int32), "0 to 1e+06"),
    (RAMP.astype(np.float32), "floats of 0 to 1"),
    ((RAMP * 255).astype(np.float32), "floats of 0 to 255"),
    ((RAMP * 65_535).astype(np.float32), "floats of 0 to 65535"),
    ((RAMP * 2 - 1).astype(np.float32), "-1 to 1"),
    ((RAMP * 1e9).astype(np.float32), "0 to 1e+09"),
]


@pytest.mark.parametrize(("values", "how"), WIDE, ids=[f"{how} {values.dtype}" for values, how in WIDE])
def test_wide_numbers_are_scaled_by_what_they_hold(values: np.ndarray, how: str) -> None:
    data = encoded(Image.fromarray(values), "TIFF", 6)
    with Picture(data) as picture:
        found = picture.decode()
        assert picture.scaled == how and picture.orientation == 6
    assert np.abs(found[..., 0] - RAMP * 255).max() <= 1.5 and (found == found[..., :1]).all()


@pytest.mark.parametrize("most", [1.001, 1.2])
def test_floats_a_little_above_1_are_white_and_not_the_picture_black(most: float) -> None:
    values = np.array([[0, 0.5, 1, most]], np.float32)
    assert whole_picture(encoded(Image.fromarray(values), "TIFF"))[0, :, 0].tolist() == [0, 128, 255, 255]


def test_floats_that_are_no_numbers_are_black_and_those_beyond_white() -> None:
    values = np.array([[np.nan, 0.5, np.inf, -np.inf, 1]], np.float32)
    assert whole_picture(encoded(Image.fromarray(values), "TIFF"))[0, :, 0].tolist() == [0, 128, 255, 0, 255]
    assert not whole_picture(encoded(Image.fromarray(np.full((3, 3), np.nan, np.float32)), "TIFF")).any()


def test_colours_of_12_bits_in_16_are_not_black() -> None:
    values = (RAMP * 4095).astype(">u2")[:, :, None].repeat(3, axis=2)
    data = png((64, 8), 16, 2, b"".join(b"\0" + row.tobytes() for row in values))
    with Picture(data) as picture:
        found = picture.decode()
        assert picture.scaled == "12 of 16 bits"
    assert np.abs(found[..., 0] - RAMP * 255).max() <= 17  # the upper 8 of 16 bits: 16 steps


def test_eight_bits_are_left_alone() -> None:
    for data in (
        encoded(scene(30, 20), "PNG"),
        encoded(scene(30, 20), "JPEG"),
        encoded(scene(30, 20).convert("P"), "GIF"),
    ):
        with Picture(data) as picture:
            picture.decode()
            assert picture.scaled == ""


# what is no picture


def test_only_still_pictures_are_opened() -> None:
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    with pytest.raises(PhotoError, match="not an image of a known format"):
        whole_picture(postscript)


def test_what_cannot_be_opened_has_no_frame(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    assert picture_frame(tmp_path / "text.jpg") is picture_size(tmp_path / "gone.jpg") is picture_size(tmp_path) is None
    (tmp_path / "a.png").write_bytes(encoded(scene(30, 20), "PNG", 6))
    assert picture_size(tmp_path / "a.png") == (30, 20)


def test_whatever_a_decoder_raises_is_one_line() -> None:
    with pytest.raises(PhotoError, match=r"^cannot be decoded \(first\)$"), decoding_errors():
        raise RuntimeError("first\nsecond")
    with pytest.raises(PhotoError, match=r"^cannot be decoded \(empty file\)$"):
        whole_picture(b"")
