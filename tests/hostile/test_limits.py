"""The worst files before commands in processes of their own, whose time and memory are limited from the start."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest

from tests.conftest import make_rows, run_fashret, write_crops
from tests.hostile import files
from tests.hostile.files import Target

MEMORY = 2 << 30  # bytes of address space: what the libraries take, and little more
SECONDS = 60  # of a processor


def limit() -> None:
    """Of a new process."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def info(path: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return run_fashret("info", path, *flags, preexec_fn=limit)


def long_model(target: Target) -> None:
    """JSON whose value takes some gigabytes."""
    target.change(lambda file: file.attrs.__delitem__("options"))
    target.change(lambda file: file.__setitem__("options", "[" + "[]," * 40_000_000 + "[]]"))


def many_objects(target: Target) -> None:
    def change(file: h5py.File) -> None:
        for i in range(11_000):
            file.create_group(f"many/{i}")

    target.change(change)


def one_text_of_every_row(target: Target) -> None:
    """A name of 100 MB that takes no room on the disk, as text of fixed length."""
    target.replace(
        "product",
        lambda file, name: file.create_dataset(name, (8,), "S100000000", chunks=(1,), compression="gzip") and None,
    )


@pytest.mark.parametrize(
    "fault",
    [long_model, many_objects, one_text_of_every_row, files.endless_rows, files.rows_of_nothing,
     files.external_storage_in_a_pipe, files.pipe, files.device],
    ids=lambda fault: fault.__name__,
)  # fmt: skip
def test_info_in_bounded_room(tmp_path: Path, fault: Callable[[Target], None]) -> None:
    path = write_crops(tmp_path / "a.h5", make_rows(8))
    fault(Target(path, "crops"))
    done = info(path)
    assert done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1, done.stderr[-2000:]
    assert done.stderr.startswith("fashret: ") and str(path) in done.stderr


def test_a_process_is_limited() -> None:
    code = "bytes(3 << 30)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, preexec_fn=limit)
    assert done.returncode == 1 and "MemoryError" in done.stderr
