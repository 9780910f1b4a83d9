"""Which files are photos: every format that Pillow writes is known by its first bytes, what is none is not."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from fashret.files.photos import kinds as photo_kinds
from fashret.files.photos.kinds import NEEDS_HEIF, NO_PHOTO, prepare_to_decode, reason_against
from fashret.files.photos.sources import PhotoError

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "JPEG2000", "PPM", "AVIF", "MPO")


def encoded(form: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (20, 30), "red").save(stream, form)
    return stream.getvalue()


@pytest.mark.parametrize("form", FORMATS)
def test_the_first_bytes_tell_a_photo(tmp_path: Path, form: str) -> None:
    (tmp_path / "a").write_bytes(encoded(form))
    assert reason_against(tmp_path / "a") == ""
    prepare_to_decode(encoded(form))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"BM", b"BMW, the car", b"II. Chapter", b"MM", b"P5 is not a size", b"RIFF\x10\0\0\0WAVEfmt ",
        b"\xff\xd8",
        b"\0\0\0\x18ftypmp42\0\0\0\0", b"%PDF-1.7", b"PK\x03\x04", b"<html>", b"GIF90a",
        b"\x89HDF\r\n\x1a\n", bytes(64),
    ],
)  # fmt: skip
def test_what_is_no_photo(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)
    assert reason_against(tmp_path / "a") == NO_PHOTO


def test_heic_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"\0\0\0\x1cftypheic\0\0\0\0mif1heic"
    (tmp_path / "a").write_bytes(data)
    for here, reason in ((True, ""), (False, NEEDS_HEIF)):
        monkeypatch.setattr(photo_kinds, "reads_heif", lambda here=here: here)
        assert reason_against(tmp_path / "a") == reason
    with pytest.raises(PhotoError, match="HEIC needs the extra heif"):
        prepare_to_decode(data)
