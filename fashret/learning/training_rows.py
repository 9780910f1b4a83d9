"""The rows that a network is trained on, the order in which they come, and their images.

In: a crops file. Out: `TrainingRows`, from them the requests for the batches of all epochs, and for each its `Batch`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fashret.errors import FashretError
from fashret.files.rows import Role, RowFile
from fashret.learning.augmentation import Augmentation, augment, generator_for
from fashret.learning.batches import Batching, epoch_batches
from fashret.learning.loading import CropReader, CropsFile
from fashret.learning.processes import Place
from fashret.models.preprocessing import fit_image
from fashret.models.settings import ModelSettings


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
            raise FashretError(f"{file.path}: none of its {len(file):,} rows has the role train and a product")
        products, label = np.unique(file.product[row].astype(str), return_inverse=True)
        names = tuple(str(product) for product in products)
        return cls(row, label.astype(np.int64), names, file.domain[row], file.category[row])

    def batches(self, batching: Batching, epoch: int, place: Place) -> list[NDArray[np.int64]]:
        """The epoch's batches of this process, as positions among the N; −1 = empty place."""
        return epoch_batches(self.label, self.domain, self.category, batching, epoch, place.rank, place.world)


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
    """Where this process's images lie in the batch of all processes, which take turns product by product."""
    images = batching.images if batching.products else 1
    group, image = np.divmod(np.arange(count), images)
    return (group * place.world + place.rank) * images + image


class Batch(NamedTuple):
    """One training batch."""

    epoch: int
    number: int  # in its epoch, from 0
    last: bool  # the epoch ends with it
    images: Tensor  # B×3×H×W float32, normalised
    labels: Tensor  # B int64
    valid: Tensor  # B bool


class TrainingImages(CropReader):
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
        return Batch(request.epoch, request.number, request.last, images, labels, torch.from_numpy(request.rows >= 0))
