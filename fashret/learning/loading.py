"""From rows to batches of images, in worker processes.

In: crops.h5 or photos, and which rows make up each batch. Out: batches, in order, ready for the network. Files are
opened in the process that reads them, when it first reads.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fashret.errors import FashretError
from fashret.files.crops import Crops, open_crops
from fashret.files.photo_folders import PhotoError, photo_path
from fashret.files.photos import read_crops, same_photo
from fashret.files.rows import Rows
from fashret.learning.augmentation import Augmentation, augment, generator_for
from fashret.models.embedder import prepare
from fashret.models.preprocessing import fit_image
from fashret.models.settings import ModelSettings


@dataclass(frozen=True)
class CropsFile:
    """A crops.h5 that is opened anew in each process, and must not change meanwhile."""

    path: Path
    stamp: tuple[int, int]  # size in bytes, time of the last change in ns

    @classmethod
    def of(cls, path: Path) -> CropsFile:
        status = path.stat()
        return cls(path, (status.st_size, status.st_mtime_ns))

    def open(self) -> Crops:
        """Open it.

        Raises
        ------
        FashretError
            If it is not the file that it was at the start.
        """
        if not self.path.exists() or CropsFile.of(self.path) != self:
            raise FashretError(f"{self.path}: changed while it was in use; start again")
        return open_crops(self.path)


class _Reader(Dataset):
    """Rows of a crops file, opened once a process."""

    def __init__(self, file: CropsFile) -> None:
        self.file = file
        self._crops: tuple[int, Crops] | None = None  # process that opened it, file

    @property
    def crops(self) -> Crops:
        if self._crops is None or self._crops[0] != os.getpid():
            self._crops = os.getpid(), self.file.open()
        return self._crops[1]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_crops": None}


class Request(NamedTuple):
    """One training batch to be made."""

    epoch: int
    index: int  # number of the batch in its epoch
    last: bool  # the epoch ends with it
    rows: NDArray[np.int64]  # B rows of the crops file, −1 = empty place
    labels: NDArray[np.int64]  # B
    positions: NDArray[np.int64]  # B, place of each image among all images of the epoch, of all processes


class Batch(NamedTuple):
    """One training batch."""

    epoch: int
    index: int
    last: bool
    images: Tensor  # B×3×H×W float32, normalised
    labels: Tensor  # B int64
    valid: Tensor  # B bool


class TrainingImages(_Reader):
    """Augmented images for training."""

    def __init__(self, file: CropsFile, settings: ModelSettings, augmentation: Augmentation, seed: int) -> None:
        super().__init__(file)
        self.settings, self.augmentation, self.seed = settings, augmentation, seed

    def __getitem__(self, request: Request) -> Batch:
        images = torch.zeros(len(request.rows), 3, self.settings.height, self.settings.width)
        for i, (row, position) in enumerate(zip(request.rows, request.positions, strict=True)):
            if row >= 0:
                fitted = fit_image(self.crops.image(int(row)), self.settings)
                generator = generator_for(self.seed, request.epoch, int(position))
                images[i] = augment(fitted, self.settings, self.augmentation, generator)
        labels = torch.from_numpy(np.where(request.rows >= 0, request.labels, 0))
        return Batch(request.epoch, request.index, request.last, images, labels, torch.from_numpy(request.rows >= 0))


class Prepared(NamedTuple):
    """Some rows, ready to be embedded."""

    rows: NDArray[np.int64]  # their numbers in the source
    images: list[Tensor]  # for each network B×H×W×3 uint8; zeros where a row failed
    failures: dict[int, str]  # position in the batch → reason


class CropImages(_Reader):
    """Images of a crops file as they are; a damaged one is an error of the file."""

    def __init__(self, file: CropsFile, settings: Sequence[ModelSettings]) -> None:
        super().__init__(file)
        self.settings = settings

    def __getitem__(self, rows: NDArray[np.int64]) -> Prepared:
        start, stop = int(rows[0]), int(rows[-1]) + 1
        if stop - start == len(rows):
            images = self.crops.images(start, stop)
        else:
            images = [self.crops.image(int(row)) for row in rows]
        fitted = [prepare(image, self.settings) for image in images]
        return Prepared(rows, [torch.from_numpy(np.stack(column)) for column in zip(*fitted, strict=True)], {})


class PhotoImages(Dataset):
    """Garments cut out of photos on the fly; a photo that cannot be read is a failure of its row."""

    def __init__(self, root: Path, rows: Rows, size: int, settings: Sequence[ModelSettings]) -> None:
        self.root, self.rows, self.size, self.settings = root, rows, size, settings

    def __getitem__(self, request: NDArray[np.int64]) -> Prepared:
        images = [torch.zeros(len(request), s.height, s.width, 3, dtype=torch.uint8) for s in self.settings]
        failures: dict[int, str] = {}
        i = 0
        for same in same_photo(self.rows, request.tolist()):
            path = photo_path(self.root, self.rows.source[same[0]])
            for crop in read_crops(path, [self.rows.box[row] for row in same], self.size):
                if isinstance(crop, PhotoError):
                    failures[i] = str(crop)
                else:
                    for tensor, fitted in zip(images, prepare(crop, self.settings), strict=True):
                        tensor[i] = torch.from_numpy(np.array(fitted))
                i += 1
        return Prepared(request, images, failures)


def load(dataset: Dataset, requests: Iterable[Any], workers: int, device: torch.device) -> Iterator[Any]:
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
        If a worker process dies.
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
    try:
        for batch in loader:
            if isinstance(batch, FashretError):
                raise batch
            yield batch
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise FashretError(f"a process that decodes images died ({error}); give fewer --workers") from error


class _Guarded(Dataset):
    """Hands a `FashretError` over as a value: raised in a worker process it would arrive as a traceback."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __getitem__(self, request: Any) -> Any:
        try:
            return self.dataset[request]
        except FashretError as error:
            return error


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
    return asked if asked >= 0 else max(1, min(8, (os.cpu_count() or 2) - 1))


def slices(rows: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    """Rows in pieces of at most `size`.

    >>> [piece.tolist() for piece in slices(np.arange(5), 2)]
    [[0, 1], [2, 3], [4]]
    """
    return [rows[i : i + size] for i in range(0, len(rows), size)]
