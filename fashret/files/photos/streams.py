"""Many crops: photos read, decoded and cut by several workers, returned in order, in bounded memory.

In: rows and where their photos are. Out: for each row its crop, or why there is none.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TypeVar

from fashret.cores import cores
from fashret.errors import FashretError
from fashret.files.columns import Rows
from fashret.files.photos.cuts import Pixels, cut_crops, same_photo
from fashret.files.photos.decoder import Decoder
from fashret.files.photos.sources import PhotoError, PhotoSource
from fashret.files.photos.workers import in_order

TASK = 8  # photos that a worker takes at a time; one by one the threads wake each other too often
TASKS = 4  # per worker

T = TypeVar("T")


def worker_count(workers: int) -> int:
    """Number of workers that an option asks for; 0 = one per core that this process may use."""
    if workers < 0:
        raise FashretError(f"--workers {workers}: must be 0 or more")
    return workers or cores()


def stream_crops(
    photos: PhotoSource,
    rows: Rows,
    size: int,
    *,
    order: Iterable[int] | None = None,
    then: Callable[[Pixels], T] = lambda crop: crop,  # type: ignore[assignment,return-value]
    decoder: Decoder | None = None,
) -> Generator[tuple[int, T | PhotoError], None, None]:
    """Read the crops of rows, several photos at a time, and return them in order.

    Threads are enough: decoding, filtering and encoding all run outside of the interpreter's lock.

    Parameters
    ----------
    photos
        Where the photos are, `Listing.photos`.
    order
        Positions of the rows to read; default all. Rows of one photo that follow each other share its decoding.
    then
        What a worker does with each crop, an H×W×3 uint8 array, before it is returned.
    decoder
        What they decode with, and how many work at a time. It cannot be used again after the generator is closed.

    Yields
    ------
    Position of the row, and what `then` made of its crop, or why there is none. Memory is bounded: no more than
    `TASK` × `TASKS` photos per worker are under way or waiting, and those that are decoded have the decoder's limits.
    """
    decoder = decoder or Decoder()

    def read(task: list[list[int]]) -> list[tuple[int, T | PhotoError]]:
        done: list[tuple[int, T | PhotoError]] = []
        for indices in task:
            if decoder.stopped:
                break
            try:
                crops = cut_crops(photos.read(rows.source[indices[0]]), [rows.box[i] for i in indices], size, decoder)
            except PhotoError as error:
                crops = [error] * len(indices)
            done += [(i, c if isinstance(c, PhotoError) else then(c)) for i, c in zip(indices, crops, strict=True)]
        return done

    def tasks() -> Iterator[list[list[int]]]:
        runs = same_photo(rows, range(len(rows)) if order is None else order)
        while task := list(itertools.islice(runs, TASK)):
            yield task

    results = in_order(read, tasks(), decoder.workers, TASKS * decoder.workers, decoder.stop)
    try:
        for done in results:
            yield from done
    finally:
        results.close()
