"""The rows that a network is trained on, the order in which they come, and their images.

In: a crops file. Out: `TrainingRows`, from them the requests for the batches of all epochs, and for each its `Batch`.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from fashret.console import counted
from fashret.errors import FashretError
from fashret.files.columns import Role, RowFile
from fashret.files.hints import LABELS
from fashret.learning.augmentation import Augmentation, augment, generator_for
from fashret.learning.batches import Batch, Batching, epoch_batches
from fashret.loading.batches import CropReader, CropsFile
from fashret.loading.processes import Place
from fashret.models.preprocessing import fit_image
from fashret.models.settings import ModelSettings

MOST_KEPT = 512 << 20  # bytes of fitted images kept in memory; larger training sets are decoded again in each epoch


@dataclass(frozen=True)
class TrainingRows:
    """N rows with the role train and a product."""

    row: NDArray[np.int64]  # N, in the crops file
    label: NDArray[np.int64]  # N, the product's number
    products: tuple[str, ...]  # name of each label
    domain: NDArray[np.uint8]
    category: NDArray[np.int16]

    @classmethod
    def of(cls, file: RowFile) -> TrainingRows:
        """Choose them.

        Raises
        ------
        FashretError
            If there are none.
        """
        row = file.with_role(Role.TRAIN)
        row = row[file.product[row] != ""]
        if not len(row):
            raise FashretError(
                f"{file.path}: no row has the role train and a product ({counted(len(file), 'row')}); {LABELS}, "
                "with the split train"
            )
        products, label = np.unique(file.product[row].astype(str), return_inverse=True)
        names = tuple(str(product) for product in products)
        return cls(row, label.astype(np.int64), names, file.domain[row], file.category[row])

    @property
    def images_per_product(self) -> float:
        """The median."""
        return float(np.median(np.bincount(self.label)))

    def parted(self, held: NDArray[np.int64]) -> tuple[TrainingRows, TrainingRows]:
        """The rows without some of the products, whose labels are then counted anew, and the rows of these products."""
        out = np.isin(self.label, held)
        return self._chosen(~out), self._chosen(out)

    def _chosen(self, chosen: NDArray[np.bool_]) -> TrainingRows:
        left, label = np.unique(self.label[chosen], return_inverse=True)
        names = tuple(self.products[one] for one in left)
        return TrainingRows(self.row[chosen], label.astype(np.int64), names, self.domain[chosen], self.category[chosen])

    def batches(self, batching: Batching, epoch: int, place: Place) -> list[NDArray[np.int64]]:
        """The epoch's batches of this process, as positions among the N; −1 = empty place."""
        return epoch_batches(self.label, self.domain, self.category, batching, epoch, place)


class Request(NamedTuple):
    """One training batch to be made."""

    epoch: int
    number: int  # of the batch in its epoch, from 0
    last: bool  # the epoch ends with it
    rows: NDArray[np.int64]  # B rows of the crops file, −1 = empty place
    labels: NDArray[np.int64]  # B
    positions: NDArray[np.int64]  # B, place of each image among all images of the epoch, of all processes


def requests(
    rows: TrainingRows, batching: Batching, epochs: int, place: Place, epoch: int = 0, batch: int = 0
) -> Iterator[Request]:
    """What to load for every batch from (epoch, batch) to the end of the last epoch."""
    for e in range(epoch, epochs):
        batches = rows.batches(batching, e, place)
        for i, chosen in enumerate(batches):
            if e > epoch or i >= batch:
                there = chosen >= 0
                row = np.where(there, rows.row[chosen], -1)
                positions = i * len(chosen) * place.world + _places(len(chosen), batching, place)
                yield Request(e, i, i == len(batches) - 1, row, np.where(there, rows.label[chosen], 0), positions)


def _places(count: int, batching: Batching, place: Place) -> NDArray[np.int64]:
    """Positions of this process's images in the batch of all processes, which take turns product by product."""
    images = batching.images if batching.products else 1
    group, image = np.divmod(np.arange(count), images)
    return (group * place.world + place.rank) * images + image


class KeptImages:
    """Fitted images that are decoded once and then kept, shared by the processes that are forked after it was made.

    The memory is an anonymous mapping: it needs no room in /dev/shm and is gone with the last process. A process that
    was not forked begins with nothing kept.
    """

    def __init__(self, shape: tuple[int, int, int, int]) -> None:
        self.shape = shape
        memory = mmap.mmap(-1, math.prod(shape) + shape[0])
        self.images = np.frombuffer(memory, np.uint8, math.prod(shape)).reshape(shape)
        self.there = np.frombuffer(memory, np.uint8, shape[0], math.prod(shape))

    def get(self, place: int, make: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """The image of a place; made if it is the first time."""
        if not self.there[place]:
            self.images[place] = make()
            self.there[place] = 1  # after the pixels; two processes that write it at the same time write the same
        return self.images[place]

    def __reduce__(self) -> tuple[type[KeptImages], tuple[tuple[int, int, int, int]]]:
        return type(self), (self.shape,)


class TrainingImages(CropReader):
    """Augmented images for training.

    Parameters
    ----------
    kept_rows
        Rows of the crops file whose images are decoded once and kept, if they take at most `MOST_KEPT` bytes.
    """

    def __init__(
        self,
        file: CropsFile,
        settings: ModelSettings,
        augmentation: Augmentation,
        seed: int,
        kept_rows: NDArray[np.int64] | None = None,
    ) -> None:
        super().__init__(file)
        self.settings, self.augmentation, self.seed = settings, augmentation, seed
        self.kept: KeptImages | None = None
        if kept_rows is not None and len(kept_rows) * settings.height * settings.width * 3 <= MOST_KEPT:
            self.kept = KeptImages((len(kept_rows), settings.height, settings.width, 3))
            self.place = {row: place for place, row in enumerate(kept_rows.tolist())}

    def __getitem__(self, request: Request) -> Batch:
        images = torch.zeros(len(request.rows), 3, self.settings.height, self.settings.width)
        for i, (row, position) in enumerate(zip(request.rows.tolist(), request.positions.tolist(), strict=True)):
            if row >= 0:
                generator = generator_for(self.seed, request.epoch, position)
                images[i] = augment(self._fitted(row), self.settings, self.augmentation, generator)
        valid = request.rows >= 0
        labels = torch.from_numpy(np.where(valid, request.labels, 0))
        return Batch(request.epoch, request.number, request.last, images, labels, torch.from_numpy(valid))

    def _fitted(self, row: int) -> NDArray[np.uint8]:
        if self.kept is None:
            return fit_image(self.crops.image(row), self.settings)
        return self.kept.get(self.place[row], lambda: fit_image(self.crops.image(row), self.settings))
