"""A crop that is killed at any moment resumes, and its file equals that of a run that was not."""

from __future__ import annotations

import itertools
import os
import random
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fashret import cropping
from fashret.errors import FashretError
from fashret.files import atomic, crops
from fashret.files.record_log import RecordLog
from fashret.files.resume import log_path
from fashret.files.row_errors import errors_path
from fashret.options import CropOptions
from fashret.stages import crop
from tests.dataset_case import write
from tests.stages.test_crop import content

PHOTOS = 40
KILLS = 14

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """61 rows on 40 photos, in no order; three rows cannot be cropped."""
    generator = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for i in range(PHOTOS):
        noise = generator.integers(0, 255, (24, 32, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / f"photos/{i}.png")
    (tmp_path / "photos/7.png").write_bytes(b"no photo")
    lines = [f"photos/{i}.png,p{i % 9},{x},{x},{x + 9},{x + 9}" for i in range(PHOTOS) for x in range(1 + i % 2)]
    random.Random(3).shuffle(lines)
    lines.append("photos/5.png,p1,40,40,50,50")
    monkeypatch.setattr(crop, "BLOCK", 4)
    monkeypatch.setattr(cropping, "BATCH", 16)
    return write(tmp_path / "c.csv", "\n".join(["image,product,x1,y1,x2,y2", *lines]))


def options(**more: Any) -> CropOptions:
    return CropOptions(workers=2, max_errors=0.2, **more)


def in_a_process(action: Callable[[], Any]) -> int:
    """Do it in a fork of this process; its exit code, −9 if it was killed."""
    child = os.fork()
    if child == 0:
        try:
            action()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die_after(bytes_written: int) -> Callable[[RecordLog, bytes], None]:
    """A way of writing the log that kills its process once so many bytes are in the file, amid a block or not."""
    left = [bytes_written]

    def write_some(self: RecordLog, data: bytes) -> None:
        self.file.write(data[: left[0]])
        left[0] -= len(data)
        if left[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return write_some


def test_killed_at_random_bytes_of_the_log(manifest: Path, tmp_path: Path) -> None:
    crop.run(str(manifest), tmp_path / "whole.h5", options())
    size = sum(len(data) for data in content(tmp_path / "whole.h5")[2])
    rng = random.Random(11)
    output = tmp_path / "killed.h5"
    kept = []

    def run_and_die(at: int) -> None:
        RecordLog._write = die_after(at)  # type: ignore[method-assign]  only in the fork
        crop.run(str(manifest), output, options(resume=True))

    for at in [rng.randrange(1, size // 6) for _ in range(KILLS)]:
        assert in_a_process(partial(run_and_die, at)) == -9
        assert not output.exists()
        kept.append(log_path(output).stat().st_size)
    summary = crop.run(str(manifest), output, options(resume=True))
    assert 0 < summary.kept < 58 and kept == sorted(kept)
    assert content(output) == content(tmp_path / "whole.h5")
    assert errors(output) == errors(tmp_path / "whole.h5")
    assert not log_path(output).exists() and not atomic.partial_path(output).exists()


def test_killed_at_random_moments_while_the_output_is_written(manifest: Path, tmp_path: Path) -> None:
    crop.run(str(manifest), tmp_path / "whole.h5", options())
    output = tmp_path / "killed.h5"
    steps = ("create_crops", "append_crops")

    def run_and_die(at: int) -> None:
        calls = itertools.count(1)

        def dying(step: Callable[..., Any]) -> Callable[..., Any]:
            def call(file: Any, *rest: Any) -> None:
                step(file, *rest)
                file.flush()
                if next(calls) == at:
                    os.kill(os.getpid(), signal.SIGKILL)

            return call

        for name in steps:
            setattr(cropping, name, dying(getattr(crops, name)))
        crop.run(str(manifest), output, options(resume=True))

    for at in range(1, 6):  # once created, four batches appended
        assert in_a_process(lambda at=at: run_and_die(at)) == -9
        assert not output.exists()
    assert crop.run(str(manifest), output, options(resume=True)).kept == 58
    assert content(output) == content(tmp_path / "whole.h5")


def test_killed_from_outside_at_random_sizes(manifest: Path, tmp_path: Path) -> None:
    crop.run(str(manifest), tmp_path / "whole.h5", options())
    output = tmp_path / "killed.h5"
    rng = random.Random(5)
    log = log_path(output)
    for _ in range(4):
        child = os.fork()
        if child == 0:
            crop.run(str(manifest), output, options(resume=True))
            os._exit(0)
        target = size_of(log) + rng.randrange(1, 4000)
        while os.waitpid(child, os.WNOHANG)[0] == 0:
            if size_of(log) >= target:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                break
        if output.exists():
            break
    if not output.exists():
        crop.run(str(manifest), output, options(resume=True))
    assert content(output) == content(tmp_path / "whole.h5")


def test_append_that_is_killed_leaves_the_old_file_and_goes_on(manifest: Path, tmp_path: Path) -> None:
    whole = manifest.read_text()
    output = tmp_path / "out.h5"
    write(manifest, "\n".join(whole.splitlines()[:31]))
    crop.run(str(manifest), output, options())
    before = content(output)
    write(manifest, whole)

    def run_and_die() -> None:
        RecordLog._write = die_after(4000)  # type: ignore[method-assign]
        crop.run(str(manifest), output, options(append=True))

    assert in_a_process(run_and_die) == -9
    assert content(output) == before
    summary = crop.run(str(manifest), output, options(append=True, resume=True))
    assert (
        summary.kept > 0 and summary.unchanged == len(before[0]) and summary.added == summary.crops - summary.unchanged
    )
    crop.run(str(manifest), tmp_path / "fresh.h5", options())
    assert content(output) == content(tmp_path / "fresh.h5")


def test_resume_after_a_change_lists_it_and_restart_begins_anew(manifest: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.h5"

    def run_and_die() -> None:
        RecordLog._write = die_after(6000)  # type: ignore[method-assign]
        crop.run(str(manifest), output, options())

    assert in_a_process(run_and_die) == -9
    with pytest.raises(FashretError, match="resume it with --resume, or start over with --restart"):
        crop.run(str(manifest), output, options())
    with pytest.raises(FashretError, match="cannot be resumed: --size 320 → 64; --quality 95 → 80"):
        crop.run(str(manifest), output, options(resume=True, size=64, quality=80))
    write(manifest, manifest.read_text().replace("p1", "other"))
    with pytest.raises(FashretError, match="the manifest has another product column"):
        crop.run(str(manifest), output, options(resume=True))
    summary = crop.run(str(manifest), output, options(restart=True))
    assert summary.kept == 0
    crop.run(str(manifest), tmp_path / "fresh.h5", options())
    assert content(output) == content(tmp_path / "fresh.h5")


def test_resume_without_an_interrupted_run_is_a_run(manifest: Path, tmp_path: Path) -> None:
    assert crop.run(str(manifest), tmp_path / "out.h5", options(resume=True)).kept == 0


def size_of(path: Path) -> int:
    """Bytes of a file that another process may remove at any moment; 0 if it is not there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def errors(output: Path) -> str:
    return errors_path(output).read_text()
