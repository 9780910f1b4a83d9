"""Hostile and odd pictures through the commands that open them: time, memory and the right pixels."""

from __future__ import annotations

import csv
import ctypes
import json
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fashret.files.crops import open_crops
from fashret.files.photos import jpeg
from fashret.files.photos.cuts import read_crop
from fashret.files.photos.orientation import turn, turn_box
from tests.catalogue_case import write_catalogue
from tests.conftest import invoke
from tests.files.photos.test_cuts import scene
from tests.files.photos.test_picture import chunk, encoded, png
from tests.training_case import add_tiny_backbone

SMALL = ["--backbone", "small", "--weights", "none", "--input", "32x32", "--device", "cpu", "--precision", "float32"]

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # about odd metadata


@pytest.fixture(autouse=True)
def tiny() -> None:
    add_tiny_backbone()


# bombs: a few bytes that claim gigabytes


def zeros(count: int) -> bytes:
    """That many zero bytes, deflated: a block that stands by itself, again and again."""
    packer = zlib.compressobj(9, wbits=-15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    end = packer.compress(bytes(count & (1 << 20) - 1)) + packer.flush()
    return b"\x78\xda" + block * (count >> 20) + end + struct.pack(">HH", count % 65521, 1)  # Adler-32 of zeros


def test_what_is_deflated_is_zeros() -> None:
    for count in (0, 5, 1 << 20, (1 << 22) + 7):
        assert zlib.decompress(zeros(count)) == bytes(count)


def png_bomb(before: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + before + chunk(b"IDAT", zeros(1 << 26)) + chunk(b"IEND", b"")


def patched(kind: str, *places: tuple[int, str]) -> bytes:
    """A small picture whose header claims 16,383 pixels a side."""
    data = bytearray(encoded(scene(32, 32), kind, **({"lossless": True} if kind == "WEBP" else {})))
    for offset, form in places:
        data[offset : offset + struct.calcsize(form)] = struct.pack(form, 16_383)
    return bytes(data)


def tiff_bomb() -> bytes:
    tags = [(256, 60_000), (257, 60_000), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 60_000), (279, 100)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


EXIF_BOMB = b"II*\0" + struct.pack("<IH", 8, 500) + b"".join(
    struct.pack("<HHII", 40_000 + i, 7, 2_000_000, 8) for i in range(500)
) + bytes(2_100_000)  # fmt: skip

BOMBS = {
    "png.png": png_bomb,
    "exif.png": lambda: png_bomb(chunk(b"eXIf", EXIF_BOMB)),
    "text.png": lambda: png_bomb(chunk(b"zTXt", b"Raw profile type exif\0\0" + zeros(1 << 29))),
    "webp.webp": lambda: b"RIFF" + struct.pack("<I", 30) + b"WEBPVP8X" + struct.pack("<II", 10, 0) + b"\xff\x3f\0" * 2,
    "gif.gif": lambda: patched("GIF", (6, "<H"), (8, "<H")),
    "bmp.bmp": lambda: patched("BMP", (18, "<i"), (22, "<i")),
    "tga.tga": lambda: patched("TGA", (12, "<H"), (14, "<H")),
    "ppm.ppm": lambda: b"P6 60000 60000 255 ",
    "tiff.tif": tiff_bomb,
}

MEASURED = """
import resource, sys, time
from pathlib import Path
from fashret.files.photos.cuts import cut_crops
before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
for path in sorted(Path(sys.argv[1]).iterdir()):
    print(path.name, cut_crops(path.read_bytes(), [None], 320)[0])
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print("took", time.process_time() - started, "s and", (after - before) // 1024, "MiB", file=sys.stderr)
"""


def test_bombs_are_refused_by_their_header(tmp_path: Path) -> None:
    for name, make in BOMBS.items():
        (tmp_path / name).write_bytes(make())
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MEASURED, str(tmp_path)], capture_output=True, text=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == len(BOMBS), done.stderr
    for line in lines:
        assert " pixels, more than --max-pixels 64,000,000" in line or "cannot be decoded" in line, line
    assert sum("more than --max-pixels" in line for line in lines) >= len(BOMBS) - 2, done.stdout
    seconds, mebibytes = float(done.stderr.split()[1]), int(done.stderr.split()[4])
    assert seconds < 5 and mebibytes < 200, done.stderr


def test_an_exif_that_claims_more_than_it_holds_costs_nothing() -> None:
    from fashret.files.photos.cuts import cut_crops

    started = time.process_time()
    crop = cut_crops(png((2, 2), 8, 0, b"\0\1\1\0\1\1", chunk(b"eXIf", EXIF_BOMB)), [None], 320)[0]
    assert crop.shape == (2, 2, 3) and time.process_time() - started < 2  # type: ignore[union-attr]


# memory of all workers together

STREAMED = """
import os, resource, sys, threading
from pathlib import Path
import numpy as np, torch
from fashret.files.columns import text_array
from fashret.files.photos.decoder import Decoder
from fashret.files.photos.sources import PhotoFolder
from fashret.files.photos.cuts import read_crop
from fashret.files.photos import streams
from tests.conftest import make_rows
streams.TASK = 1  # each photo may be another worker's
root, names = Path(sys.argv[1]), sorted(os.listdir(sys.argv[1]))
read_crop(root / names[0], np.array([0, 0, 40, 40], np.float32), 32)  # what is loaded once
rows = make_rows(len(names), source=text_array(names), box=np.tile(np.float32([0, 0, 300, 300]), (len(names), 1)))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = list(streams.stream_crops(PhotoFolder(root), rows, 320, decoder=Decoder(sys.argv[2], int(sys.argv[3]))))
assert all(crop.shape == (300, 300, 3) for _, crop in found), found
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_the_memory_of_all_workers_together_is_bounded(tmp_path: Path) -> None:
    """Six workers, photos of four million pixels, 7 bytes each while they are decoded: 160 MB without a limit."""
    Image.new("RGBA", (2000, 2000), (200, 30, 30, 128)).save(tmp_path / "00.png", compress_level=1)
    for i in range(1, 7):
        os.link(tmp_path / "00.png", tmp_path / f"{i:02}.png")
    command = [sys.executable, "-c", STREAMED, str(tmp_path), "4M", "6"]
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "1000000"}  # what is freed is given back: no worker keeps any
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], env=environment)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 60  # MiB: one photo at a time


# Ctrl-C while a decoder is in a photo that takes long


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return write_catalogue(tmp_path)


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A decoder that sends Ctrl-C when it is first called, and comes back after 20 seconds; when it was called."""
    process = os.getpid()
    sent: list[float] = []
    sleep = ctypes.CDLL(None).usleep  # which no signal to another thread interrupts

    def decode(*arguments: Any) -> None:
        sent.append(time.monotonic())
        if len(sent) == 1:
            os.kill(process, signal.SIGINT)
        sleep(20_000_000)

    monkeypatch.setattr(jpeg, "plain_size", lambda data: None)
    monkeypatch.setattr(jpeg, "decode", decode)
    return sent


def test_ctrl_c_does_not_wait_for_a_photo(tmp_path: Path, shop: Path, endless: list[float]) -> None:
    (tmp_path / "photos").mkdir()
    for i in range(3):
        scene(40, 30).save(tmp_path / f"photos/{i}.jpg")
    commands = [
        ["crop", tmp_path / "photos", "-o", tmp_path / "a.h5", "--workers", "2"],
        ["embed", tmp_path / "photos", "-o", tmp_path / "a.emb.h5", "--workers", "0", *SMALL],
        ["search", shop, "--image", tmp_path / "photos/0.jpg", "--device", "cpu"],
    ]
    for command in commands:
        done = invoke(*command)
        assert done.returncode == 130, done.stderr
        assert time.monotonic() - endless[0] < 1.5, command[0]
        endless.clear()
        assert not (tmp_path / "a.h5").exists() and not (tmp_path / "a.emb.h5").exists()


# the right pixels, whatever the entry


def test_the_same_photo_is_the_same_crop_by_every_entry(tmp_path: Path, shop: Path) -> None:
    """A photo on the disk, in a folder, in a crops.h5 of other software, searched for: turned, on white, scaled."""
    wide = np.tile(np.linspace(0, 4095, 24).astype(np.uint16), (20, 1))
    clear = Image.open(tmp_path / "2.png").convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    for name, image in {"clear": clear, "wide": Image.fromarray(wide)}.items():
        for kind in ("PNG", "TIFF"):
            data = encoded(image, kind, 6)
            folder = tmp_path / f"{name}{kind}"
            folder.mkdir()
            (folder / "photo.jpg").write_bytes(data)
            expected = read_crop(folder / "photo.jpg", None, 320)
            assert expected.shape[:2] == image.size  # 90° turned
            done = invoke("crop", folder, "-o", folder / "a.h5", "--encoding", "raw")
            assert done.returncode == 0 and ("scaled to 8 bits" in done.stderr) == (name == "wide"), done.stderr
            with open_crops(folder / "a.h5") as file:
                np.testing.assert_array_equal(file.image(0), expected)
            done = invoke("search", shop, "--image", folder / "photo.jpg", "--json", "--device", "cpu")
            assert done.returncode == 0 and ("12 of 16 bits: 1" in done.stderr) == (name == "wide"), done.stderr


@pytest.mark.parametrize("frame", ["stored", "upright"])
def test_boxes_of_a_table_are_stored_or_upright_as_said(tmp_path: Path, frame: str) -> None:
    stored, box = scene(60, 40), (10, 5, 30, 25)
    with (tmp_path / "a.csv").open("w", newline="") as stream:
        lines = csv.writer(stream)
        lines.writerow(["image", "product", "xmin", "ymin", "xmax", "ymax"])
        for o in range(1, 9):
            (tmp_path / f"{o}.tif").write_bytes(encoded(stored, "TIFF", o))
            lines.writerow([f"{o}.tif", "p", *(box if frame == "stored" else turn_box(box, stored.size, o))])
    done = invoke("crop", tmp_path / "a.csv", "-o", tmp_path / "a.h5", "--encoding", "raw", "--boxes", frame)
    assert done.returncode == 0, done.stderr
    inside = np.asarray(stored)[5:25, 10:30]
    with open_crops(tmp_path / "a.h5") as file:
        assert file.box.tolist() == [list(box)] * 8  # files hold boxes as stored
        for o in range(1, 9):
            np.testing.assert_array_equal(file.image(o - 1), turn(inside, o))


def test_fractions_are_refused_by_every_command(tmp_path: Path) -> None:
    scene(60, 40).save(tmp_path / "a.png")
    (tmp_path / "a.csv").write_text('image,product,bbox\na.png,p,"[0.1, 0.1, 0.5, 0.9]"\n')
    for command in (["crop"], ["crop", "--check"], ["embed", *SMALL]):
        done = invoke(*command, tmp_path / "a.csv", "-o", tmp_path / "a.h5")
        assert done.returncode == 1 and "are these fractions? give pixels" in done.stderr
    assert not (tmp_path / "a.h5").exists()


def test_one_hostile_photo_among_good_ones_is_named(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for i in range(4):
        scene(40, 30).save(tmp_path / f"photos/{i}.jpg")
    (tmp_path / "photos/bomb.png").write_bytes(png_bomb())
    for command in (["crop"], ["embed", *SMALL]):
        output = tmp_path / f"{command[0]}.h5"
        done = invoke(*command, tmp_path / "photos", "-o", output, "--max-errors", "0.5")
        assert done.returncode == 0, done.stderr
        errors = [json.loads(line) for line in Path(f"{output}.errors.jsonl").read_text().splitlines()]
        assert [error["source"] for error in errors] == ["bomb.png"]
        assert "has 30000 x 30000 pixels" in errors[0]["reason"]


def test_real_photos_are_the_same_in_every_container(tmp_path: Path, real_photos: Path) -> None:
    for path in sorted((real_photos / "photos").iterdir())[:12]:
        with Image.open(path) as photo:
            stored = photo.convert("RGB")
        for kind in ("PNG", "TIFF", "WEBP"):
            for o in (3, 6):
                settings = {"lossless": True, "method": 0} if kind == "WEBP" else {}
                (tmp_path / "a").write_bytes(encoded(stored, kind, o, **settings))
                np.testing.assert_array_equal(read_crop(tmp_path / "a", None, 4000), turn(np.asarray(stored), o))
