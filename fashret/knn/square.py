"""All rows with all rows: the order in which they are compared, where parts of them have been compared already.

In: vector sets, and the numbers of the rows of each part. Out: a :class:`Square`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fashret.knn.vectors import VectorSet

SMALLEST_PART = 1024  # rows of a part that is worth knowing: the rows of each are scanned in blocks of their own


@dataclass(frozen=True)
class Square:
    """N rows of several sets, numbered through in their order, and scanned part by part.

    ``sets``: what is scanned, one after the other, each with the numbers of its rows. ``numbers``: N int64, of each row
    in the order of the scan. ``known_until``: N int64, the index there at which the part of each row ends, if the rows
    of that part have been compared with each other; else 0.
    """

    sets: tuple[VectorSet, ...]
    numbers: NDArray[np.int64]
    known_until: NDArray[np.int64]

    @classmethod
    def of(cls, sets: Sequence[VectorSet], known: Sequence[NDArray[np.int64]] = ()) -> Square:
        """Known parts first; ``known``: numbers of the rows of each, ascending."""
        starts = np.cumsum([0, *(len(vectors) for vectors in sets)])
        part = np.full(starts[-1], len(known))
        for index, numbers in enumerate(known):
            part[numbers] = index
        pieces = []
        for index in range(len(known) + 1):
            for vectors, start in zip(sets, starts[:-1], strict=True):
                chosen = np.flatnonzero(part[start : start + len(vectors)] == index)
                pieces.append(replace(vectors.take(chosen), numbers=start + chosen, identity=None))
        order = np.concatenate([np.zeros(0, np.int64), *(piece.known_as for piece in pieces)])
        ends = np.cumsum(np.bincount(part, minlength=len(known) + 1))
        return cls(tuple(pieces), order, np.where(part[order] < len(known), ends[part[order]], 0))

    def __len__(self) -> int:
        return len(self.numbers)

    def pairs(self, done: int = 0) -> int:
        """Pairs to compare, a row with itself included, without those of the first ``done`` rows."""
        return int((len(self) - np.maximum(np.arange(len(self)), self.known_until))[done:].sum())

    def by_number(self, array: NDArray) -> NDArray:
        """Rows of an array in the order of the scan, ordered by their numbers."""
        return array if not self.known_until.any() else array[np.argsort(self.numbers)]
