"""Batches made ahead: in order whoever makes them, errors as one line, files opened where they are read."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from fashret.errors import FashretError
from fashret.loading import batches
from fashret.loading.batches import CropReader, CropsFile, count_workers, load, slices
from tests.conftest import make_rows, write_crops

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Made:
    """A batch, and which process made it."""

    request: int
    images: list[Tensor]
    process: int


class Maker(Dataset):
    """Makes batches; request 7 is an error, request 8 ends the process."""

    def __getitem__(self, request: int) -> Made:
        if request == 7:
            raise FashretError("row 7 cannot be read")
        if request == 8:
            os.kill(os.getpid(), signal.SIGKILL)
        return Made(request, [torch.full((2,), request)], os.getpid())


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_come_in_the_order_in_which_they_were_asked_for(workers: int) -> None:
    made = list(load(Maker(), [3, 1, 2, 0, 5], workers, CPU))
    assert [batch.request for batch in made] == [3, 1, 2, 0, 5]
    assert all(batch.images[0].tolist() == [batch.request] * 2 for batch in made)
    assert ({batch.process for batch in made} == {os.getpid()}) == (workers == 0)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_is_raised_when_its_batch_is_due(workers: int) -> None:
    batches = load(Maker(), [1, 7, 2], workers, CPU)
    assert next(batches).request == 1
    with pytest.raises(FashretError, match="^row 7 cannot be read$"):
        next(batches)


def test_a_worker_that_dies_is_one_line() -> None:
    with pytest.raises(
        FashretError, match=r"a process that decodes images died \(.*\); give fewer --workers"
    ) as caught:
        list(load(Maker(), [1, 8], 1, CPU))
    assert "\n" not in str(caught.value)


def test_other_errors_are_not_taken_for_a_dead_worker() -> None:
    class Broken(Dataset):
        def __getitem__(self, request: int) -> None:
            raise RuntimeError("a fault of the program")

    with pytest.raises(RuntimeError, match="a fault of the program"):
        list(load(Broken(), [1], 0, CPU))


def test_requests_are_taken_one_by_one_in_this_process() -> None:
    asked: list[int] = []

    def requests() -> Iterator[int]:
        for request in range(100):
            asked.append(request)
            yield request

    batches = load(Maker(), requests(), 0, CPU)
    next(batches)
    batches.close()
    assert len(asked) <= 2


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    return write_crops(tmp_path / "a.crops.h5", make_rows(4))


def test_a_file_that_changed_is_refused(crops: Path) -> None:
    file = CropsFile.of(crops)
    file.check()
    file.open().close()
    os.utime(crops, ns=(0, file.stamp[1] + 1))
    for look in (file.check, file.open):
        with pytest.raises(FashretError, match=r"a\.crops\.h5: changed while it was in use; start again"):
            look()
    crops.unlink()
    with pytest.raises(FashretError, match="changed while it was in use"):
        file.check()


def test_a_reader_opens_its_file_once_and_sends_none(crops: Path) -> None:
    reader = CropReader(CropsFile.of(crops))
    opened = reader.crops
    assert reader.crops is opened and len(opened) == 4
    again = pickle.loads(pickle.dumps(reader))  # the test's own object, not a file's content
    assert again._crops is None  # until somebody asks for it
    assert again.crops is not opened
    again.close()
    reader.close()
    assert not opened.file  # closed
    assert reader.crops is not opened  # and opened anew when it is asked for
    reader.close()


def test_a_reader_opens_its_own_file_in_another_process(crops: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = CropReader(CropsFile.of(crops))
    here = reader.crops
    monkeypatch.setattr(os, "getpid", lambda: -1)  # as after a fork
    other = reader.crops
    assert other is not here
    reader.close()
    assert here.file and not other.file
    here.close()


@pytest.mark.parametrize(("cores", "workers"), [(1, 1), (2, 1), (5, 4), (64, 8)])
def test_workers_are_chosen_from_the_cores(monkeypatch: pytest.MonkeyPatch, cores: int, workers: int) -> None:
    monkeypatch.setattr(batches, "cores", lambda: cores)
    assert count_workers(-1) == workers and count_workers(0) == 0 and count_workers(17) == 17
    with pytest.raises(FashretError, match="--workers -2: 0 or more, or -1"):
        count_workers(-2)


def test_slices_hold_every_row_once() -> None:
    rows = np.array([5, 3, 8, 1])
    assert [piece.tolist() for piece in slices(rows, 3)] == [[5, 3, 8], [1]]
    assert [piece.tolist() for piece in slices(rows, 4)] == [[5, 3, 8, 1]] and slices(rows[:0], 4) == []


class Slow(Dataset):
    """Its second batch takes 20 seconds in a decoder that does not listen."""

    def __getitem__(self, number: int) -> int:
        if number:
            ctypes.CDLL(None).usleep(20_000_000)
        return number


def test_worker_processes_that_decode_are_not_waited_for() -> None:
    batches = load(Slow(), [0, 1, 1, 1], 2, CPU)
    assert next(batches) == 0
    started = time.monotonic()
    batches.close()
    assert time.monotonic() - started < 2
