"""Queries and gallery as one set of rows that are compared with each other.

In: a set of queries and one of gallery. Out: a :class:`Union`, in which every row has a number and a row that is both
query and gallery exists once, and the defined distances of pairs of numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fashret.knn.distance import pair_distances
from fashret.knn.vectors import VectorSet, load_blocks

ROWS_AT_ONCE = 1 << 12  # whose sums of squares are computed in one call


@dataclass(frozen=True)
class Union:
    """The N rows that are compared with each other: queries and gallery together, a row that is both only once.

    ``sets``: what is numbered 0 … N−1, in this order. ``query``, ``gallery``: Q and G int64, ascending, the numbers of
    the queries and of the gallery rows. ``own``: Q int64, each query's index in the gallery, −1 if it is not in it.
    """

    sets: tuple[VectorSet, ...]
    query: NDArray[np.int64]
    gallery: NDArray[np.int64]
    own: NDArray[np.int64]

    @classmethod
    def of(cls, queries: VectorSet, gallery: VectorSet, same_matrix: bool) -> Union:
        """Rows of one matrix in its order, else queries before gallery."""
        count = len(queries)
        if not same_matrix:
            numbers = np.arange(count + len(gallery))
            return cls((queries, gallery), numbers[:count], numbers[count:], np.full(count, -1))
        rows = np.union1d(queries.rows, gallery.rows)
        query, of_gallery = np.searchsorted(rows, queries.rows), np.searchsorted(rows, gallery.rows)
        product, category = np.full((2, len(rows)), -1, np.int64)
        category[query], category[of_gallery] = queries.category, gallery.category
        both = VectorSet(gallery.vectors, rows, product, category, gallery.name)
        own = np.searchsorted(gallery.rows, queries.rows)
        found = np.append(gallery.rows, -1)[own] == queries.rows
        return cls((both,), query, of_gallery, np.where(found, own, -1))

    def __len__(self) -> int:
        return sum(len(vectors) for vectors in self.sets)

    @cached_property
    def _squares(self) -> list[NDArray[np.float64]]:
        """Sums of squares of the rows of each set."""
        blocks = [load_blocks(vectors, ROWS_AT_ONCE, cosine=False) for vectors in self.sets]
        return [np.concatenate([np.zeros(0), *(block.data.squares for block in each)]) for each in blocks]

    def distances(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
        """Squared Euclidean distance, as defined, of each pair of numbers: P float64."""
        out = np.empty(len(first))
        border = len(self.sets[0])
        kind = 2 * (first >= border) + (second >= border)
        for one, left in enumerate(self.sets):
            for other, right in enumerate(self.sets):
                chosen = np.flatnonzero(kind == 2 * one + other)
                index, others = first[chosen] - one * border, second[chosen] - other * border
                squares = self._squares[one][index], self._squares[other][others]
                rows, other_rows = left.rows[index], right.rows[others]
                out[chosen] = pair_distances(left.vectors, rows, right.vectors, other_rows, "euclidean", squares)
        return out
