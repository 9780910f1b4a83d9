"""What a file is, by its first bytes; and what is no ordinary file is never opened."""

from __future__ import annotations

import gzip
import io
import json
import os
import socket
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashret.errors import FashretError
from fashret.files.file_kinds import ADVICE, SIGNS, check_ordinary, is_photo, what_is


def picture(form: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (4, 4)).save(stream, form)
    return stream.getvalue()


def array() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    return stream.getvalue()


def archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("a.txt", "a")
    return stream.getvalue()


CONTENTS = {
    "a.jpg": (picture("JPEG"), "is a JPEG photo; to find it in a catalogue: fashret search CATALOGUE.emb.h5 --image "),
    "a.png": (picture("PNG"), "is a PNG picture; to find it"),
    "a.webp": (picture("WEBP"), "is a WebP picture; to find it"),
    "a.tif": (picture("TIFF"), "is a TIFF picture; to find it"),
    "a.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "is a HEIF picture; to find it"),
    "photo without an ending": (picture("PNG"), "is a PNG picture"),
    "a.csv": (b"image,product\na.jpg,p1\n", "is a table in text form (CSV); fashret crop "),
    "one column.csv": (b"image\na.jpg\n", "is a table in text form (CSV)"),
    "a.txt": ("Größe: 5\n".encode() * 9, "is a text file; fashret info"),
    "a.json": (b'{"images": [], "annotations": []}', "is a JSON text"),
    "a.zip": (archive(), "is a zip archive; unpack it first"),
    "a.h5.gz": (gzip.compress(b"a" * 99), "is a gzip archive; unpack it first"),
    "a.tar": (b"a.txt".ljust(257, b"\0") + b"ustar\x0000" + b"\0" * 300, "is a tar archive; unpack it first"),
    "a.npy": (array(), "is a NumPy array; "),
    "a.parquet": (b"PAR1" + bytes(99), "is a Parquet table; fashret crop "),
    "a.safetensors": ((30).to_bytes(8, "little") + b'{"__metadata__": {}}' + b" " * 30, "is a safetensors file"),
    "download.h5": (b"<!DOCTYPE html>\n<html><body>404, not found</body></html>", "is a web page; the download went"),
    "lfs.h5": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n", "is a Git LFS pointer"),
    "empty.h5": (b"", "is an empty file; a copy or a download was interrupted"),
    "zeros.h5": (bytes(5000), "is a file that begins with nothing but zeros; a copy or a download was interrupted"),
    "bytes.h5": (bytes(range(256)) * 40, "is a file of a form that fashret does not know"),
    "damaged.h5": (b"\x89HDF\r\n\x1a\n" + b"\xff" * 90, "is a damaged HDF5 file; make or copy it again"),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_a_file_is_told_by_its_first_bytes(tmp_path: Path, name: str) -> None:
    content, said = CONTENTS[name]
    (tmp_path / name).write_bytes(content)
    found = what_is(tmp_path / name)
    assert found.startswith(said) and "\n" not in found
    check_ordinary(tmp_path / name)


def test_every_kind_has_advice() -> None:
    assert {kind for _, _, kind in SIGNS} <= set(ADVICE)
    assert json.dumps(ADVICE).count("NAME") >= 3


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing", "no such file"),
        ("file/below", "no such file"),
        ("folder", "is a folder, not a file; fashret embed .*folder -o shop.emb.h5"),
        ("pipe", "is a pipe, not a file"),
        ("socket", "is a socket, not a file"),
        ("broken", "links to a file that is not there"),
        ("loop", "cannot be opened .a link that leads to itself"),
        ("to pipe", "is a pipe"),
        ("x" * 300, "cannot be opened .File name too long"),
        ("a\0b", "cannot be opened .embedded null"),
    ],
)
def test_what_is_no_ordinary_file_is_refused_unopened(
    tmp_path: Path, name: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    Path("file").touch()
    Path("folder").mkdir()
    os.mkfifo("pipe")
    Path("broken").symlink_to("nowhere")
    Path("loop").symlink_to("loop")
    Path("to pipe").symlink_to("pipe")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket")
        with pytest.raises(FashretError, match=said) as caught:
            check_ordinary(Path(name))
    assert "\n" not in str(caught.value)
    for device in ("/dev/null", "/dev/zero"):
        with pytest.raises(FashretError, match="is a device, not a file"):
            check_ordinary(Path(device))


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"BMI,product\n1.jpg,p\n", "a table in text form (CSV)"),
        (b"BM" + b"\x36\x00\x00\x00" + bytes(4) + b"\x36\x00\x00\x00", "a BMP picture"),
        (b"\0\0\0\x20ftypavif", "an AVIF picture"),
        (b"\0\0\0\x20ftypheic", "a HEIF picture"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 picture"),
    ],
)
def test_what_begins_alike_is_told_apart(tmp_path: Path, head: bytes, found: str) -> None:
    (tmp_path / "a.csv").write_bytes(head)
    assert what_is(tmp_path / "a.csv").startswith(f"is {found};")
    assert is_photo(tmp_path / "a.csv") == ("picture" in found)
