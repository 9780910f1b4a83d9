"""Queries and gallery as one set of rows that are compared with each other.

In: a side of queries and one of gallery. Out: a :class:`Pool`, in which every row has a number and a row that is
both query and gallery exists once, and the defined distances of pairs of numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fashret.retrieval.distances import defined_distance, frozen, pair_distances, squared_norms
from fashret.retrieval.instructions import prefetch
from fashret.retrieval.neighbours import Side
from fashret.retrieval.threads import over_rows

ROWS_AT_ONCE = 1 << 12  # rows whose squares are summed in one call
CACHED = 1 << 18  # bytes of vectors that stay in a core's cache


@dataclass(frozen=True)
class Pool:
    """The N rows that are compared with each other: queries and gallery together, a row that is both only once.

    ``sides``: what is numbered 0 … N−1, in this order. ``query``, ``gallery``: Q and G int64, ascending, the
    numbers of the queries and of the gallery rows. ``own``: Q int64, each query's place in the gallery, −1 if it is
    not in it.
    """

    sides: tuple[Side, ...]
    query: NDArray[np.int64]
    gallery: NDArray[np.int64]
    own: NDArray[np.int64]

    @property
    def size(self) -> int:
        """N."""
        return sum(len(side.rows) for side in self.sides)

    @cached_property
    def _squares(self) -> list[NDArray[np.float64]]:
        return [_squares_of(side) for side in self.sides]

    def distances(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
        """Squared Euclidean distance, as defined, of each pair of numbers: P float64."""
        out = np.empty(len(first))
        if len(self.sides) == 1:
            _side_distances(self, 0, first, 0, second, out)
            return out
        border = len(self.sides[0].rows)
        kind = 2 * (first >= border) + (second >= border)
        for one in (0, 1):
            for other in (0, 1):
                chosen = np.flatnonzero(kind == 2 * one + other)
                part = np.empty(len(chosen))
                _side_distances(self, one, first[chosen] - one * border, other, second[chosen] - other * border, part)
                out[chosen] = part
        return out

    def sparse_distances(
        self, first: NDArray[np.int64], offsets: NDArray[np.int64], second: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """The same for the entries of sparse rows, E float64: row i is query ``first[i]`` with some gallery rows.

        Parameters
        ----------
        first
            n numbers of queries.
        offsets, second
            n+1, and E numbers of gallery rows, ascending for each query.
        """
        left, right = self.sides[0], self.sides[-1]
        if left.vectors.dtype != np.float32 or right.vectors.dtype != np.float32:
            return self.distances(np.repeat(first, np.diff(offsets)), second)
        out = np.empty(len(second))
        border = self.size - len(right)
        rows = max(1, CACHED // (4 * right.width))
        near = _Stored(frozen(left.vectors), left.rows[first], self._squares[0][first], 0)
        far = _Stored(frozen(right.vectors), right.rows, self._squares[-1], border)
        over_rows(_sparse_distances, len(first), near, far, offsets, second, rows, out)
        return out


class _Stored(NamedTuple):
    """Vectors, the rows of them that are meant, the squares of these rows, and the number of the first."""

    vectors: NDArray[np.float32]
    rows: NDArray[np.int64]
    squares: NDArray[np.float64]
    border: int


def pool_of(queries: Side, gallery: Side, same_matrix: bool) -> Pool:
    """Put queries and gallery together: rows of one matrix in its order, else queries before gallery."""
    count = len(queries.rows)
    if not same_matrix:
        numbers = np.arange(count + len(gallery.rows))
        return Pool((queries, gallery), numbers[:count], numbers[count:], np.full(count, -1))
    rows = np.union1d(queries.rows, gallery.rows)
    nothing = np.full(len(rows), -1, np.int64)
    both = Side(gallery.vectors, rows, nothing, nothing, gallery.name)
    own = np.searchsorted(gallery.rows, queries.rows)
    found = np.append(gallery.rows, -1)[own] == queries.rows
    return Pool(
        (both,),
        np.searchsorted(rows, queries.rows),
        np.searchsorted(rows, gallery.rows),
        np.where(found, own, -1),
    )


def _squares_of(side: Side) -> NDArray[np.float64]:
    squares = np.empty(len(side.rows))
    for start in range(0, len(squares), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        squares[part] = squared_norms(side.vectors[side.rows[part]])
    return squares


def _side_distances(
    pool: Pool,
    one: int,
    first: NDArray[np.int64],
    other: int,
    second: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    """Distances of pairs of positions in two of the pool's sides, into ``out``."""
    left, right = pool.sides[one], pool.sides[other]
    rows, other_rows = left.rows[first], right.rows[second]
    if left.vectors.dtype != np.float32 or right.vectors.dtype != np.float32:  # a chunk at a time made float32
        out[:] = pair_distances(left.vectors, rows, right.vectors, other_rows, "euclidean")
        return
    squares, other_squares = pool._squares[one][first], pool._squares[other][second]
    over_rows(
        _distances,
        len(out),
        frozen(left.vectors),
        rows,
        squares,
        frozen(right.vectors),
        other_rows,
        other_squares,
        out,
    )


@njit(nogil=True, cache=True)
def _distances(start, stop, left, rows, squares, right, other_rows, other_squares, out):
    for pair in range(start, stop):
        if pair + 1 < stop:
            prefetch(left, rows[pair + 1])
            prefetch(right, other_rows[pair + 1])
        out[pair] = defined_distance(
            False, left, rows[pair], right, other_rows[pair], squares[pair], other_squares[pair]
        )


@njit(nogil=True, cache=True)
def _sparse_distances(start, stop, near, far, offsets, second, rows, out):
    """Let the far rows go by in blocks that stay in the processor's cache while all near rows look at them."""
    place = offsets[start:stop].copy()
    for last in range(rows, len(far.rows) + rows, rows):
        for row in range(start, stop):
            entry = place[row - start]
            while entry < offsets[row + 1] and second[entry] - far.border < last:
                other = second[entry] - far.border
                out[entry] = defined_distance(
                    False,
                    near.vectors,
                    near.rows[row],
                    far.vectors,
                    far.rows[other],
                    near.squares[row],
                    far.squares[other],
                )
                entry += 1
            place[row - start] = entry
