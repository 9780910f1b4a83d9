"""fashret crop: photos to crops.h5, what is counted, what is refused, and what is left behind."""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fashret.errors import FashretError
from fashret.files.crops import open_crops
from fashret.files.photos.cuts import read_crop
from fashret.files.resume import log_path
from fashret.options import CropOptions
from fashret.stages import crop
from tests.dataset_case import photo, plain, write

Run = Callable[..., subprocess.CompletedProcess[str]]
COLOURS = ("red", "lime", "blue", "white", "black")


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Five photos with six rows; one photo holds two boxes, not one after the other."""
    lines = ["image,product,split,domain,category,x1,y1,x2,y2"]
    for i, colour in enumerate(COLOURS):
        photo(tmp_path / f"photos/{i}.png", (40 + i, 30), colour)
        domain = "street" if i % 2 else "shop"
        lines.append(f"photos/{i}.png,p{i // 2},test,{domain},tops,,,,")
    lines.append("photos/0.png,p9,train,street,bags,5,6,25,16")
    return write(tmp_path / "catalogue.csv", "\n".join(lines))


def content(path: Path) -> tuple[Any, ...]:
    """Everything in a crops.h5 that does not depend on the day."""
    with open_crops(path) as crops:
        stored = [bytes(np.ascontiguousarray(x).data) for x in crops.encoded(0, len(crops))]
        extent = crops.file["extent"][:].tolist() if "extent" in crops.file else None
        about = {k: v for k, v in crops.file.attrs.items() if k not in ("created", "inputs")}
        return plain(crops.rows), crops.crop_id.tolist(), stored, extent, about


def test_rows_and_images(manifest: Path, tmp_path: Path) -> None:
    summary = crop.run(str(manifest), tmp_path / "out.h5", CropOptions())
    assert (summary.rows, summary.crops, summary.failed, summary.lost, summary.repeats) == (6, 6, 0, 0, 0)
    assert (summary.queries, summary.queries_without_positive) == (2, 0)
    with open_crops(tmp_path / "out.h5") as crops:
        assert crops.dataset == "catalogue" and crops.size == 320 and crops.encoding == "jpeg"
        assert plain(crops.rows)[5] == ("photos/0.png", (5, 6, 25, 16), "p9", "train", "street", "bags")
        shapes = [image.shape for image in crops.images(0, 6)]
        assert shapes == [(30, 40, 3), (30, 41, 3), (30, 42, 3), (30, 43, 3), (30, 44, 3), (10, 20, 3)]
        assert np.abs(crops.image(1).astype(int) - [0, 255, 0]).max() < 4
        assert len(crops.file.attrs["inputs"]) > 10
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"photos", "catalogue.csv", "out.h5"}


def test_crops_are_jpeg_of_the_given_quality(manifest: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "photos/0.png")
    sizes = []
    for quality in (95, 30):
        crop.run(str(manifest), tmp_path / "out.h5", CropOptions(quality=quality))
        with open_crops(tmp_path / "out.h5") as crops:
            data = crops.encoded(0, 1)[0].tobytes()
            sizes.append(len(data))
    assert Image.open(io.BytesIO(data)).format == "JPEG" and sizes[0] > 2 * sizes[1]


def test_raw_crops_are_exact_and_keep_their_shapes(manifest: Path, tmp_path: Path) -> None:
    crop.run(str(manifest), tmp_path / "out.h5", CropOptions(encoding="raw", size=24))
    with open_crops(tmp_path / "out.h5") as crops:
        assert crops.file["images"].shape == (6, 24, 24, 3)
        for i in range(6):
            expected = read_crop(tmp_path / crops.source[i], crops.box[i], 24)
            np.testing.assert_array_equal(crops.image(i), expected)
        assert (crops.file["images"][0, 23] == 255).all()  # the frame outside of the crop is white


def test_a_folder_and_a_root(manifest: Path, tmp_path: Path) -> None:
    summary = crop.run(str(tmp_path / "photos"), tmp_path / "a.h5", CropOptions())
    assert (summary.crops, summary.named_in) == (5, None)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    moved = manifest.rename(elsewhere / "catalogue.csv")
    assert crop.run(str(moved), tmp_path / "b.h5", CropOptions(root=tmp_path)).crops == 6


def test_workers_do_not_change_the_result(manifest: Path, tmp_path: Path) -> None:
    for workers in (1, 3):
        crop.run(str(manifest), tmp_path / f"{workers}.h5", CropOptions(workers=workers))
    assert content(tmp_path / "1.h5") == content(tmp_path / "3.h5")


def test_repeats_are_counted(manifest: Path, tmp_path: Path) -> None:
    write(manifest, manifest.read_text() + "\nphotos/0.png,p9,train,street,bags,5,6,25,16")
    assert crop.run(str(manifest), tmp_path / "out.h5", CropOptions()).repeats == 1


# bad photos and bad options


def test_bad_rows_are_skipped_named_and_counted(manifest: Path, tmp_path: Path) -> None:
    (tmp_path / "photos/1.png").write_bytes(b"")
    (tmp_path / "photos/2.png").unlink()
    write(manifest, manifest.read_text() + "\nphotos/3.png,p1,train,street,,90,90,99,99")
    summary = crop.run(str(manifest), tmp_path / "out.h5", CropOptions(max_errors=0.5))
    assert (summary.rows, summary.crops, summary.failed, summary.lost) == (7, 4, 3, 0)
    assert summary.named_in == tmp_path / "out.h5.errors.jsonl"
    lines = [json.loads(line) for line in (tmp_path / "out.h5.errors.jsonl").read_text().splitlines()]
    assert [(line["row"], line["source"], line["status"]) for line in lines] == [
        (1, "photos/1.png", "failed"),
        (2, "photos/2.png", "failed"),
        (6, "photos/3.png", "failed"),
    ]
    assert lines[0]["reason"] == "cannot be decoded (empty file)"
    assert lines[1]["reason"] == "no such photo"
    assert lines[2]["reason"] == "box 90,90,99,99 has no area inside the photo of 43 x 30"
    assert lines[2]["box"] == [90, 90, 99, 99]
    with open_crops(tmp_path / "out.h5") as crops:
        assert crops.source.tolist() == ["photos/0.png", "photos/3.png", "photos/4.png", "photos/0.png"]
    crop.run(str(tmp_path / "photos"), tmp_path / "out.h5", CropOptions(max_errors=0.5))
    assert len((tmp_path / "out.h5.errors.jsonl").read_text().splitlines()) == 1
    (tmp_path / "photos/1.png").unlink()
    crop.run(str(tmp_path / "photos"), tmp_path / "out.h5", CropOptions())
    assert not (tmp_path / "out.h5.errors.jsonl").exists()


def test_a_few_bad_photos_stop_nothing_but_all_do(manifest: Path, tmp_path: Path) -> None:
    for i in range(4):
        (tmp_path / f"photos/{i}.png").write_text("<html>")
    summary = crop.run(str(manifest), tmp_path / "out.h5", CropOptions())
    assert (summary.crops, summary.failed) == (1, 5)
    (tmp_path / "photos/4.png").write_text("<html>")
    with pytest.raises(FashretError, match=r"none of its 5 photos could be used; the first: photos/0.png: cannot be"):
        crop.run(str(manifest), tmp_path / "out.h5", CropOptions())


def test_too_many_errors_stop_with_the_first_reason(manifest: Path, tmp_path: Path) -> None:
    (tmp_path / "photos/1.png").write_text("<html>")
    with pytest.raises(FashretError, match=r"1 of 6 crops.*--max-errors 0\.01.*photos/1\.png: cannot be decoded"):
        crop.run(str(manifest), tmp_path / "out.h5", CropOptions(max_errors=0.01))
    assert not (tmp_path / "out.h5").exists()
    assert "not an image" in (tmp_path / "out.h5.errors.jsonl").read_text()
    photo(tmp_path / "photos/1.png")  # mended: what was made before is kept
    assert crop.run(str(manifest), tmp_path / "out.h5", CropOptions(resume=True)).crops == 6
    assert not (tmp_path / "out.h5.errors.jsonl").exists()


def test_a_missing_photo_of_a_public_dataset_is_lost_and_does_not_stop(tmp_path: Path) -> None:
    write(tmp_path / "list.txt", "1/a.png u\n1/b.png u\n2/c.png u\n")
    photo(tmp_path / "1/a.png")
    photo(tmp_path / "2/c.png")
    summary = crop.run("darn", tmp_path / "out.h5", CropOptions(root=tmp_path))
    assert (summary.crops, summary.lost, summary.failed) == (2, 1, 0)
    assert (summary.queries, summary.queries_lost, summary.queries_without_positive) == (3, 1, 2)
    assert json.loads((tmp_path / "out.h5.errors.jsonl").read_text())["status"] == "lost"


def test_no_photo_at_all_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "list.txt", "1/a.png u\n")
    with pytest.raises(FashretError, match="its only photo was not found; is --root right"):
        crop.run("darn", tmp_path / "out.h5", CropOptions(root=tmp_path))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": -1}, "--size -1"),
        ({"quality": 101}, "--quality 101"),
        ({"max_errors": 1.5}, "--max-errors 1.5"),
        ({"encoding": "png"}, "--encoding png"),
        ({"workers": -1}, "--workers -1"),
        ({"resume": True, "restart": True}, "exclude each other"),
    ],
)
def test_wrong_options_are_refused(manifest: Path, tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(FashretError, match=message):
        crop.run(str(manifest), tmp_path / "out.h5", CropOptions(**options))
    assert not (tmp_path / "out.h5").exists()


def test_an_output_that_cannot_be_written_is_said_first(manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(FashretError, match="does not exist"):
        crop.run(str(manifest), tmp_path / "none/out.h5", CropOptions())
    with pytest.raises(FashretError, match="is a folder"):
        crop.run(str(manifest), tmp_path / "photos", CropOptions())


def test_a_replaced_output_is_whole_until_the_new_one_is(manifest: Path, tmp_path: Path) -> None:
    crop.run(str(manifest), tmp_path / "out.h5", CropOptions())
    before = (tmp_path / "out.h5").read_bytes()
    (tmp_path / "photos/1.png").write_text("<html>")
    with pytest.raises(FashretError):
        crop.run(str(manifest), tmp_path / "out.h5", CropOptions(max_errors=0))
    assert (tmp_path / "out.h5").read_bytes() == before


# append


def grow(manifest: Path) -> None:
    """Two more rows, one of them of a photo that was there; one row less; one row of another role."""
    photo(manifest.parent / "photos/5.png", (50, 20), "purple")
    lines = manifest.read_text().splitlines()
    lines[4] = lines[4].replace("test", "val")
    lines[1:2] = ["photos/5.png,p5,test,shop,hats,,,,", "photos/3.png,p5,test,shop,hats,1,1,9,9"]
    write(manifest, "\n".join(lines))


@pytest.mark.parametrize("encoding", ["jpeg", "raw"])
def test_append_equals_a_fresh_run(manifest: Path, tmp_path: Path, encoding: str) -> None:
    options = {"encoding": encoding, "size": 32}
    crop.run(str(manifest), tmp_path / "out.h5", CropOptions(**options))
    grow(manifest)
    summary = crop.run(str(manifest), tmp_path / "out.h5", CropOptions(append=True, **options))
    assert (summary.added, summary.unchanged, summary.vanished, summary.crops) == (2, 5, 1, 7)
    crop.run(str(manifest), tmp_path / "fresh.h5", CropOptions(**options))
    assert content(tmp_path / "out.h5") == content(tmp_path / "fresh.h5")


def test_append_counts_a_photo_that_is_gone_as_vanished(manifest: Path, tmp_path: Path) -> None:
    crop.run(str(manifest), tmp_path / "out.h5", CropOptions())
    (tmp_path / "photos/4.png").unlink()
    summary = crop.run(str(manifest), tmp_path / "out.h5", CropOptions(append=True, max_errors=0.5))
    assert (summary.added, summary.unchanged, summary.vanished, summary.failed) == (0, 5, 1, 1)


def test_append_decodes_only_what_is_new(manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crop.run(str(manifest), tmp_path / "out.h5", CropOptions())
    grow(manifest)
    asked: list[int] = []

    def watched(photos: Any, rows: Any, size: int, *, order: Any, **more: Any) -> Any:
        asked.extend(rows.source[order])
        return stream(photos, rows, size, order=order, **more)

    stream = crop.stream_crops
    monkeypatch.setattr(crop, "stream_crops", watched)
    crop.run(str(manifest), tmp_path / "out.h5", CropOptions(append=True))
    assert asked == ["photos/5.png", "photos/3.png"]


def test_append_with_other_options_lists_them(manifest: Path, tmp_path: Path) -> None:
    crop.run(str(manifest), tmp_path / "out.h5", CropOptions())
    with pytest.raises(FashretError, match="--size 320 → 64; --quality 95 → 80"):
        crop.run(str(manifest), tmp_path / "out.h5", CropOptions(append=True, size=64, quality=80))
    with pytest.raises(FashretError, match="no such file"):
        crop.run(str(manifest), tmp_path / "none.h5", CropOptions(append=True))


# the command line: interruptions, a full disk


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """1,000 photos, in truth two."""
    folder = tmp_path / "many"
    for i in range(2):
        photo(folder / f"{i}.jpg", (600, 600 + i))
    for i in range(2, 1000):
        (folder / f"{i}.jpg").symlink_to(folder / f"{i % 2}.jpg")
    return folder


SIZE = ("--size", "700")  # nothing is shrunk, so that torch need not be imported: these tests start many processes


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, -9, marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_command_leaves_no_final_name_and_resumes(
    many: Path, tmp_path: Path, fashret: Run, number: int, code: int
) -> None:
    output = tmp_path / "out.h5"
    command = [sys.executable, "-m", "fashret", "crop", str(many), "-o", str(output), "--workers", "1", *SIZE]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)}
    # nice: on a busy machine it must not end before this process looks again
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=environment, preexec_fn=lambda: os.nice(10)
    ) as process:
        while not (
            log_path(output).exists() and log_path(output).stat().st_size > 500_000
        ):  # a whole block of 64 crops is there
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
        process.send_signal(number)
        _, messages = process.communicate()
    assert process.returncode == code
    assert not output.exists()
    if number != signal.SIGKILL:
        assert "crops are kept in" in messages and "--resume" in messages
        assert "Traceback" not in messages
        return
    done = fashret("crop", many, "-o", output, *SIZE)
    assert done.returncode == 1 and "resume it with --resume, or start over with --restart" in done.stderr
    done = fashret("crop", many, "-o", output, "--resume", "--json", *SIZE)
    assert done.returncode == 0
    summary = json.loads(done.stdout)
    assert summary["crops"] == 1000 and 64 <= summary["kept"] < 1000
    assert not log_path(output).exists()


@pytest.mark.parametrize("limit", [300, 20_000])
def test_a_full_disk_is_one_line_and_leaves_no_final_name(
    manifest: Path, tmp_path: Path, limit: int, fashret: Run
) -> None:
    for i in range(60):  # crops of some 20 kB together
        photo(tmp_path / f"photos/more{i}.png", (20, 20))

    def few_bytes() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    done = fashret("crop", tmp_path / "photos", "-o", tmp_path / "out.h5", preexec_fn=few_bytes)
    assert done.returncode == 1
    assert "the disk is full" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out.h5").exists()
