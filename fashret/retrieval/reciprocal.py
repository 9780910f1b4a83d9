"""Who is whose neighbour both ways: k-reciprocal sets and their expansion.

In: exact neighbour lists of N rows, each row first in its own list. Out: for every row the set of rows that
describe it, as :class:`SparseRows` (N rows, memory in proportion to what is in them, never N×N).

Zhong et al., "Re-ranking Person Re-identification with k-Reciprocal Encoding", CVPR 2017, sections 3.2 and 3.3.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fashret.retrieval.threads import over_rows


class SparseRows(NamedTuple):
    """Rows of a matrix of which few entries are not zero; row i's are ``offsets[i]:offsets[i + 1]``.

    ``offsets``: N+1 int64. ``columns``: int32, ascending within a row. ``values``: float64 of the same length, or
    empty where only membership counts. (A named tuple, because compiled functions take those whole.)
    """

    offsets: NDArray[np.int64]
    columns: NDArray[np.int32]
    values: NDArray[np.float64]

    @property
    def height(self) -> int:
        """N, the number of rows."""
        return len(self.offsets) - 1


def half(k1: int) -> int:
    """Half of k1 as the published method rounds it: to the nearest, ties to the even number.

    >>> [half(k) for k in (1, 2, 3, 5, 20)]
    [0, 1, 2, 2, 10]
    """
    return round(k1 / 2)


def reciprocal_sets(lists: NDArray[np.int32], k: int) -> NDArray[np.int32]:
    """R(i, k): the k+1 nearest of i, i included, that have i among their own k+1 nearest (equation 2).

    Parameters
    ----------
    lists
        N×K int32, K ≥ min(k+1, N): neighbours of each row, the row itself first, −1 where there are no more.
    k
        Neighbours beside the row itself, ≥ 0.

    Returns
    -------
    N×(k+1) int32, each row's set ascending, then −1.

    >>> reciprocal_sets(np.array([[0, 1], [1, 2], [2, 1]], np.int32), 1)
    array([[ 0, -1],
           [ 1,  2],
           [ 1,  2]], dtype=int32)
    """
    width = min(k + 1, lists.shape[1])
    sets = np.full((len(lists), width), -1, np.int32)
    over_rows(_fill_reciprocal, len(lists), lists, width, sets)
    return sets


def expanded_sets(lists: NDArray[np.int32], k1: int) -> SparseRows:
    """R*(i, k1): R(i, k1) and, of each member, the half-sized set R(·, k1/2) of which R(i, k1) holds more than 2/3
    (equation 4).

    Parameters
    ----------
    lists
        N×K int32 as for :func:`reciprocal_sets`, K ≥ min(k1+1, N).

    Returns
    -------
    N rows without values; row i always holds i.
    """
    whole, halves = reciprocal_sets(lists, k1), reciprocal_sets(lists, half(k1))
    offsets = np.zeros(len(lists) + 1, np.int64)
    over_rows(_count_expanded, len(lists), whole, halves, offsets[1:])
    np.cumsum(offsets, out=offsets)
    columns = np.empty(offsets[-1], np.int32)
    over_rows(_fill_expanded, len(lists), whole, halves, offsets, columns)
    return SparseRows(offsets, columns, np.empty(0))


@njit(nogil=True, cache=True)
def _contains(row: NDArray[np.int32], width: int, wanted: int) -> bool:
    for place in range(width):  # noqa: SIM110 a generator does not compile
        if row[place] == wanted:
            return True
    return False


@njit(nogil=True, cache=True)
def _fill_reciprocal(start: int, stop: int, lists: NDArray[np.int32], width: int, sets: NDArray[np.int32]) -> None:
    for row in range(start, stop):
        found = 0
        for place in range(width):
            other = lists[row, place]
            if other >= 0 and _contains(lists[other], width, row):
                sets[row, found] = other
                found += 1
        sets[row, :found].sort()


@njit(nogil=True, cache=True)
def _size(members: NDArray[np.int32]) -> int:
    size = 0
    while size < len(members) and members[size] >= 0:
        size += 1
    return size


@njit(nogil=True, cache=True)
def shared_rows(one: NDArray[np.int32], other: NDArray[np.int32]) -> int:
    """Number of rows in both of two ascending sets without padding."""
    shared = place = 0
    for member in one:
        while place < len(other) and other[place] < member:
            place += 1
        if place == len(other):
            break
        if other[place] == member:
            shared += 1
    return shared


@njit(nogil=True, cache=True)
def _expand(row: int, whole: NDArray[np.int32], halves: NDArray[np.int32], buffer: NDArray[np.int32]) -> int:
    """Write the expanded set of ``row`` into ``buffer``, ascending; return its size."""
    base = whole[row, : _size(whole[row])]
    buffer[: len(base)] = base
    filled = len(base)
    for member in base:
        candidate = halves[member, : _size(halves[member])]
        if 3 * shared_rows(candidate, base) > 2 * len(candidate):
            buffer[filled : filled + len(candidate)] = candidate
            filled += len(candidate)
    buffer[:filled].sort()
    size = 0
    for place in range(filled):
        if size == 0 or buffer[place] != buffer[size - 1]:
            buffer[size] = buffer[place]
            size += 1
    return size


@njit(nogil=True, cache=True)
def _count_expanded(
    start: int, stop: int, whole: NDArray[np.int32], halves: NDArray[np.int32], sizes: NDArray[np.int64]
) -> None:
    buffer = np.empty(whole.shape[1] * (1 + halves.shape[1]), np.int32)
    for row in range(start, stop):
        sizes[row] = _expand(row, whole, halves, buffer)


@njit(nogil=True, cache=True)
def _fill_expanded(
    start: int,
    stop: int,
    whole: NDArray[np.int32],
    halves: NDArray[np.int32],
    offsets: NDArray[np.int64],
    columns: NDArray[np.int32],
) -> None:
    buffer = np.empty(whole.shape[1] * (1 + halves.shape[1]), np.int32)
    for row in range(start, stop):
        size = _expand(row, whole, halves, buffer)
        columns[offsets[row] : offsets[row + 1]] = buffer[:size]
