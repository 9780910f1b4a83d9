"""Batches of images, made ahead of their use in worker processes.

In: a dataset, and what each of its batches is asked for with. Out: the batches, in order. Files are opened in the
process that reads them, when it first reads.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, _utils, get_worker_info

from fashret.cores import cores
from fashret.errors import FashretError
from fashret.files.crops import Crops, open_crops
from fashret.files.photos.workers import GRACE


@dataclass(frozen=True)
class CropsFile:
    """A crops.h5 that is opened again in each process, and must not change meanwhile."""

    path: Path
    stamp: tuple[int, int]  # size in bytes, time of the last change in ns

    @classmethod
    def of(cls, path: Path) -> CropsFile:
        """The file as it is now."""
        status = path.stat()
        return cls(path, (status.st_size, status.st_mtime_ns))

    def check(self) -> None:
        """Raise FashretError if it is not the file that it was at the start."""
        if not self.path.exists() or CropsFile.of(self.path) != self:
            raise FashretError(f"{self.path}: changed while it was in use; start again")

    def open(self) -> Crops:
        """Open it, if it is what it was."""
        self.check()
        return open_crops(self.path)


class CropReader(Dataset):
    """Rows of a crops file, which is opened once a process."""

    def __init__(self, file: CropsFile) -> None:
        self.file = file
        self._crops: tuple[int, Crops] | None = None  # process that opened it, file

    @property
    def crops(self) -> Crops:
        """The open file; in a process that has not opened it yet, opened first."""
        if self._crops is None or self._crops[0] != os.getpid():
            self._crops = os.getpid(), self.file.open()
        return self._crops[1]

    def close(self) -> None:
        """Close the file in this process, so that processes that are forked from it begin without."""
        if self._crops is not None and self._crops[0] == os.getpid():
            self._crops[1].close()
        self._crops = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_crops": None}


def load(dataset: Dataset, requests: Iterable[Any], workers: int, device: torch.device) -> Generator[Any, None, None]:
    """Make the requested batches, in their order, ahead of their use.

    Parameters
    ----------
    requests
        What the dataset is indexed with, one a batch.
    workers
        Number of processes; 0 = in this process.

    Raises
    ------
    FashretError
        If a worker process dies, or cannot hand its batches over.
    """
    loader = DataLoader(
        _Guarded(dataset),
        batch_size=None,
        sampler=requests,
        num_workers=workers,
        collate_fn=_as_it_is,
        pin_memory=device.type == "cuda",
        prefetch_factor=4 if workers else None,
    )
    batches = iter(loader)
    try:
        for batch in batches:
            if isinstance(batch, FashretError):
                raise batch
            yield batch
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise FashretError(f"a process that decodes images died ({error}); give fewer --workers") from error
    finally:
        _end(batches, workers)


def _end(batches: Any, workers: int) -> None:
    """End the worker processes without waiting for a photo that one of them may be decoding: torch gives each 5 s."""
    if workers:
        usual, _utils.MP_STATUS_CHECK_INTERVAL = _utils.MP_STATUS_CHECK_INTERVAL, GRACE / workers
        try:
            batches._shutdown_workers()
        finally:
            _utils.MP_STATUS_CHECK_INTERVAL = usual


class _Guarded(Dataset):
    """Hands a `FashretError` over as a value: raised in a worker process it would arrive as a traceback."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __getitem__(self, request: Any) -> Any:
        try:
            batch = self.dataset[request]
            if get_worker_info() is not None:
                _share(batch)
            return batch
        except FashretError as error:
            return error


def _share(batch: Any) -> None:
    """Move a batch's tensors to shared memory, which the loader does otherwise in a thread whose errors nobody hears.

    Raises
    ------
    FashretError
        If there is no shared memory to be had.
    """
    if isinstance(batch, Tensor):
        try:
            batch.share_memory_()
        except RuntimeError as error:
            raise FashretError(
                f"a process that decodes images cannot hand them over in shared memory ({error}); "
                "make room in /dev/shm or give --workers 0"
            ) from error
    elif isinstance(batch, list | tuple):
        for value in batch:
            _share(value)
    elif dataclasses.is_dataclass(batch):
        _share([getattr(batch, field.name) for field in dataclasses.fields(batch)])


def _as_it_is(batch: Any) -> Any:
    return batch


def count_workers(asked: int) -> int:
    """Processes for `--workers`: −1 = one for each core but one, at least one, at most eight.

    Raises
    ------
    FashretError
        If it is below −1.
    """
    if asked < -1:
        raise FashretError(f"--workers {asked}: 0 or more, or -1 to choose from the cores")
    return asked if asked >= 0 else max(1, min(8, cores() - 1))


def slices(rows: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    """Rows in pieces of at most `size`.

    >>> [piece.tolist() for piece in slices(np.arange(5), 2)]
    [[0, 1], [2, 3], [4]]
    """
    return [rows[i : i + size] for i in range(0, len(rows), size)]
