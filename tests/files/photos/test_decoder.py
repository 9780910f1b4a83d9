"""Limits of decoding: one photo, all workers, JPEGs at the size they are decoded at."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from PIL import Image

from fashret.errors import FashretError
from fashret.files.photos import jpeg, picture
from fashret.files.photos.cuts import cut_crops
from fashret.files.photos.decoder import Decoder, warn_of_scaled
from fashret.files.photos.picture import Picture
from fashret.files.photos.sources import PhotoError
from tests.files.photos.test_cuts import scene
from tests.files.photos.test_picture import encoded


def cut(data: bytes, max_pixels: int, box: tuple[int, ...] | None = None, size: int = 100) -> np.ndarray | PhotoError:
    boxes = [None if box is None else np.array(box, np.float32)]
    return cut_crops(data, boxes, size, Decoder(str(max_pixels)))[0]


def test_a_photo_of_more_pixels_is_refused_before_it_is_decoded() -> None:
    data = encoded(scene(300, 200), "PNG")
    assert cut(data, 60_000).shape == (67, 100, 3)  # type: ignore[union-attr]
    assert str(cut(data, 59_999)) == "has 300 x 200 pixels, more than --max-pixels 59,999"


def test_nothing_of_a_photo_that_is_too_large_is_read_but_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(scene(300, 200), "PNG", 6)
    monkeypatch.setattr(Image.Image, "getexif", lambda photo: pytest.fail("EXIF is read"))
    monkeypatch.setattr(picture, "_exif_of_png", lambda stream: pytest.fail("chunks are read"))
    assert "more than --max-pixels" in str(cut(data, 59_999))


@pytest.mark.parametrize("fast", [True, False])
def test_a_jpeg_counts_at_the_size_that_it_is_decoded_at(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not fast:
        monkeypatch.setattr(jpeg, "simplejpeg", None)
    data = encoded(scene(1600, 1200), "JPEG")
    assert cut(data, 30_000).shape == (75, 100, 3)  # type: ignore[union-attr]
    assert "has 1600 x 1200 pixels at 1/8, more than" in str(cut(data, 29_999))
    assert "has 1600 x 1200 pixels, more than" in str(cut(data, 30_000, size=1600))


def test_a_progressive_jpeg_counts_as_a_whole() -> None:
    data = encoded(scene(1600, 1200), "JPEG", progressive=True)
    assert jpeg.is_progressive(data) and not jpeg.is_progressive(encoded(scene(16, 12), "JPEG"))
    assert "has 1600 x 1200 pixels, more than" in str(cut(data, 30_000))
    assert cut(data, 1_920_000).shape == (75, 100, 3)  # type: ignore[union-attr]


def test_a_box_that_needs_too_many_pixels_does_not_spoil_the_others() -> None:
    data = encoded(scene(1600, 1200), "JPEG")
    boxes = [None, np.array([0, 0, 150, 150], np.float32)]
    whole, small = cut_crops(data, boxes, 100, Decoder("100000"))
    assert whole.shape == (75, 100, 3)  # type: ignore[union-attr]
    assert "has 1600 x 1200 pixels, more than" in str(small)


def test_large_photos_take_turns_and_small_ones_do_not() -> None:
    turns = threading.Lock()
    decoder = Decoder("40000", 4, turns)
    with Picture(encoded(scene(100, 100), "PNG")) as small, Picture(encoded(scene(200, 100), "PNG")) as large:
        waiting = threading.Thread(target=decoder.decode, args=(large, 1), daemon=True)
        with turns:
            assert decoder.decode(small, 1).shape == (100, 100, 3)
            waiting.start()
            waiting.join(0.2)
            assert waiting.is_alive()
        waiting.join(10)
        assert not waiting.is_alive()


def test_a_stopped_decoder_gives_up() -> None:
    decoder = Decoder()
    decoder.stop()
    assert isinstance(cut_crops(encoded(scene(30, 20), "PNG"), [None], 100, decoder)[0], PhotoError)


def test_what_was_scaled_is_said_once_with_a_count(caplog: pytest.LogCaptureFixture) -> None:
    warn_of_scaled(["16 bits", "floats of 0 to 1", "16 bits"], "shop")
    warn_of_scaled([], "none")
    found = [record.getMessage() for record in caplog.records]
    assert found == ["shop: colours were scaled to 8 bits, by what the photos hold: 16 bits: 2, floats of 0 to 1: 1"]


@pytest.mark.parametrize("text", ["0", "-1", "many", "1e9", "64MP", "", "."])
def test_limits_that_are_none(text: str) -> None:
    with pytest.raises(FashretError, match="not a number of pixels; write it like 64M"):
        Decoder(text)
