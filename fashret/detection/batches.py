"""Batches of examples, drawn and decoded ahead of their use by threads.

In: photos with boxes, and from which batch of which epoch on. Out: the batches, in order. What a batch holds is a
function of seed, epoch and number.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fashret.detection.samples import Batch, Drawing, Sample, draw_sample
from fashret.errors import FashretError, PhotoError
from fashret.files.photos.decoder import Decoder
from fashret.files.photos.sources import PhotoSource
from fashret.files.photos.workers import in_order
from fashret.loading.processes import Place

if TYPE_CHECKING:
    from fashret.detection.boxed_photos import BoxedPhotos

AHEAD = 3  # batches that are made ahead


@dataclass(frozen=True)
class Plan:
    """How photos become batches."""

    photos: BoxedPhotos
    source: PhotoSource
    drawing: Drawing
    size: int  # photos of a batch, of all processes
    epochs: int
    seed: int
    place: Place
    fewest: int = 1  # examples of a process, of which there may be too few: then they come again


def epoch_batches(plan: Plan, epoch: int) -> list[NDArray[np.int64]]:
    """The photos of each batch of an epoch, of all processes; those that fill no batch wait for another epoch."""
    order = np.random.default_rng([plan.seed, epoch]).permutation(len(plan.photos))
    full = len(order) // plan.size
    return [order[i * plan.size : (i + 1) * plan.size] for i in range(full)] or [order]


def load_batches(plan: Plan, epoch: int, batch: int, decoder: Decoder) -> Generator[Batch, None, None]:
    """This process's share of the batches, from one of them on.

    Raises
    ------
    FashretError
        If no photo of a batch can be decoded.
    """

    def wanted() -> Iterator[_Wanted]:
        for e in range(epoch, plan.epochs):
            batches = epoch_batches(plan, e)
            for number in range(batch if e == epoch else 0, len(batches)):
                yield _Wanted(e, number, batches[number], number == len(batches) - 1)

    def make(wanted: _Wanted) -> Batch:
        return _make(plan, wanted, decoder)

    made = in_order(make, wanted(), decoder.workers, decoder.workers + AHEAD, decoder.stop)
    try:
        yield from made
    finally:
        made.close()


@dataclass(frozen=True)
class _Wanted:
    """One batch that is to be made."""

    epoch: int
    number: int
    photos: NDArray[np.int64]  # of all processes
    last: bool  # of the epoch


def _make(plan: Plan, wanted: _Wanted, decoder: Decoder) -> Batch:
    samples: list[Sample] = []
    failed = ""
    for photo in wanted.photos[plan.place.rank :: plan.place.world].tolist():
        random = np.random.default_rng([plan.seed, wanted.epoch, photo])
        try:
            samples.append(draw_sample(plan.photos, photo, plan.source, plan.drawing, random, decoder))
        except PhotoError as error:
            failed = f"{plan.photos.source[photo]}: {error}"
    if not samples:
        raise FashretError(f"no photo of a batch can be decoded; the last: {failed}")
    samples = (samples * plan.fewest)[: max(plan.fewest, len(samples))]
    return Batch(samples, wanted.epoch, wanted.number, wanted.last, len(wanted.photos))
