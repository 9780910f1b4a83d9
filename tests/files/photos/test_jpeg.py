"""JPEG with and without simplejpeg."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashret.files.photos import jpeg
from fashret.files.photos.cuts import read_crop
from fashret.files.photos.picture import Picture
from tests.files.photos.test_cuts import psnr, save, scene


def test_only_a_colour_jpeg_without_metadata_is_plain() -> None:
    if jpeg.simplejpeg is None:
        pytest.skip("simplejpeg is not installed")
    image = scene(60, 40)
    exif = image.getexif()
    exif[0x0112] = 6

    def encoded(picture: Image.Image, **settings: object) -> bytes:
        stream = io.BytesIO()
        picture.save(stream, "JPEG", **settings)  # type: ignore[arg-type]
        return stream.getvalue()

    assert jpeg.plain_size(encoded(image)) == (60, 40)
    assert jpeg.plain_size(encoded(image, exif=exif)) is None
    assert jpeg.plain_size(encoded(image, xmp=b'<x tiff:Orientation="6"/>')) is None
    assert jpeg.plain_size(encoded(image.convert("L"))) is None
    assert jpeg.plain_size(encoded(image.convert("CMYK"))) is None
    assert jpeg.plain_size(encoded(image)[:100]) is None


def test_both_decoders_give_nearly_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.jpg", scene(1000, 700), quality=92)
    box = np.array([11, 13, 900, 690], np.float32)
    with_it = read_crop(path, box, 320)
    monkeypatch.setattr(jpeg, "simplejpeg", None)
    without = read_crop(path, box, 320)
    assert with_it.shape == without.shape
    assert psnr(with_it, without) > 50
    decoded = np.asarray(Image.open(io.BytesIO(jpeg.encode(without, 95))))
    assert psnr(decoded, without) > 33


@pytest.mark.parametrize("divisor", [1, 2, 4, 8])
@pytest.mark.parametrize("width", [640, 641, 647])
def test_a_reduced_photo_has_the_size_that_both_decoders_agree_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, divisor: int, width: int
) -> None:
    data = save(tmp_path / "a.jpg", scene(width, 333)).read_bytes()
    expected = (math.ceil(333 / divisor), math.ceil(width / divisor), 3)
    if jpeg.simplejpeg is not None:
        fast = jpeg.decode(data, (width, 333), divisor)
        assert fast is not None and fast.shape == expected
    monkeypatch.setattr(jpeg, "simplejpeg", None)
    with Picture(data) as picture:
        assert picture.decode(divisor).shape == expected
