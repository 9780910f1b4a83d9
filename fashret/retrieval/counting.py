"""Compiled counting: from a tile of approximate products to the number of columns that come before given places.

In: a :class:`~fashret.retrieval.bounds.Tile`, and for each of its rows some places in the order of its columns. Out:
the counts, brought up to date. The approximation decides about all pairs but those that may lie on either side of a
place; these are settled by the definition of the distance.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fashret.retrieval.bounds import Tile, bound_scores, score_above, score_below, settle_pairs
from fashret.retrieval.selection import DEFER_ABOVE, Nearest, Verdict, at_least, least_near, take_nearest


class Counts(NamedTuple):
    """Thresholds of row i, offsets[i]:offsets[i + 1], and the columns counted before each so far."""

    offsets: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    numbers: NDArray[np.int64]
    before: NDArray[np.int64]
    before_in_category: NDArray[np.int64]
    same_matrix: bool  # a row does not count itself


class Edges(NamedTuple):
    """Scores at the thresholds of a row, float32: a column below ``enter`` is not before it, one above ``sure`` is."""

    enter: NDArray[np.float32]
    sure: NDArray[np.float32]


class Candidates(NamedTuple):
    """Columns that may come before some threshold of a row, and the bounds of their scores."""

    columns: NDArray[np.int64]
    lower: NDArray[np.float32]
    upper: NDArray[np.float32]
    of_category: NDArray[np.int32]  # whether they are of the row's category
    undecided: NDArray[np.int32]  # whether they are, for some threshold


@njit(nogil=True, cache=True, error_model="numpy")
def _edges(tile: Tile, i: int, counts: Counts) -> Edges:
    first, stop = counts.offsets[i], counts.offsets[i + 1]
    edges = Edges(np.empty(stop - first, np.float32), np.empty(stop - first, np.float32))
    for p in range(first, stop):
        edges.enter[p - first] = score_below(tile, i, counts.high[p])
        edges.sure[p - first] = score_above(tile, i, counts.low[p])
    return edges


@njit(nogil=True, cache=True, error_model="numpy")
def _room(size: int) -> Candidates:
    singles, numbers = np.empty((2, size), np.float32), np.empty((2, size), np.int32)
    return Candidates(np.empty(size, np.int64), singles[0], singles[1], numbers[0], numbers[1])


@njit(nogil=True, cache=True, error_model="numpy")
def _drop_below(tile: Tile, i: int, least: np.float32, every: Candidates) -> Candidates:
    """Of all columns, with their bounds, those that may reach a score: few, unless a threshold is far down."""
    columns, lower, upper, of_category, undecided = every
    count, own = at_least(upper, least, columns), tile.rows.category[i]
    for place in range(count):
        j = columns[place]  # never before its own place
        lower[place], upper[place] = lower[j], upper[j]
        of_category[place] = tile.columns.category[j] == own
        undecided[place] = 0
    return Candidates(columns[:count], lower[:count], upper[:count], of_category[:count], undecided[:count])


@njit(nogil=True, cache=True, error_model="numpy")
def _hide_itself(tile: Tile, i: int, upper: NDArray[np.float32]) -> None:
    """Let row ``i``, where it is itself a column, reach no score."""
    numbers = tile.columns.numbers
    j = np.searchsorted(numbers, tile.rows.numbers[i])
    if j < numbers.shape[0] and numbers[j] == tile.rows.numbers[i]:
        upper[j] = np.nan


@njit(nogil=True, cache=True, error_model="numpy")
def _count_sure(given: Candidates, enter: np.float32, sure: np.float32) -> tuple[int, int]:
    """Columns that surely come before a threshold, and those of them in the row's category; marks those that may."""
    certain, in_category = np.int32(0), np.int32(0)
    for j in range(given.lower.shape[0]):  # without a branch, in numbers of 32 bits: vector instructions
        before = np.int32(given.lower[j] > sure)
        given.undecided[j] |= np.int32((given.upper[j] >= enter) & (given.lower[j] <= sure))
        certain = np.int32(certain + before)
        in_category = np.int32(in_category + (before & given.of_category[j]))
    return int(certain), int(in_category)


@njit(nogil=True, cache=True, error_model="numpy")
def _drop_decided(given: Candidates) -> Candidates:
    """The candidates that are marked."""
    columns, lower, upper, of_category, undecided = given
    kept = np.empty(columns.shape[0], np.int64)
    count = at_least(undecided, 1, kept)
    for place in range(count):
        one = kept[place]
        columns[place], lower[place], of_category[place] = columns[one], lower[one], of_category[one]
    return Candidates(columns[:count], lower[:count], upper[:count], of_category[:count], undecided[:count])


@njit(nogil=True, cache=True, error_model="numpy")
def _count_settled(
    left: Candidates, distances: NDArray[np.float64], sure: np.float32, low: float, high: float, border: int
) -> tuple[int, int]:
    """Columns, and those in the row's category, that come before a threshold but were not sure to.

    In ties those before ``border`` do.
    """
    count, in_category = np.int32(0), np.int32(0)
    for place in range(distances.shape[0]):  # as in _count_sure
        tied = (distances[place] <= high) & (left.columns[place] < border)
        before = np.int32((left.lower[place] <= sure) & (tied | (distances[place] < low)))
        count = np.int32(count + before)
        in_category = np.int32(in_category + (before & left.of_category[place]))
    return int(count), int(in_category)


@njit(nogil=True, cache=True, error_model="numpy")
def _settle(tile: Tile, i: int, left: Candidates, sure: NDArray[np.float32], counts: Counts) -> None:
    """Add the undecided columns that do come before the thresholds of row ``i``."""
    first, distances = counts.offsets[i], settle_pairs(tile, i, left.columns)
    for p in range(first, counts.offsets[i + 1]):
        border = np.searchsorted(tile.columns.numbers, counts.numbers[p])
        before, in_category = _count_settled(left, distances, sure[p - first], counts.low[p], counts.high[p], border)
        counts.before[p] += before
        counts.before_in_category[p] += in_category


@njit(nogil=True, cache=True, error_model="numpy")
def _count_row(tile: Tile, t: int, counts: Counts, every: Candidates, verdict: Verdict) -> None:
    """Add the columns, with their bounds, that come before the thresholds of the tile's row ``t``."""
    i = tile.which[t]
    first, last = counts.offsets[i], counts.offsets[i + 1]
    verdict.waiting[i] = False
    if first == last:
        return
    edges = _edges(tile, i, counts)
    if counts.same_matrix:
        _hide_itself(tile, i, every.upper)
    given = _drop_below(tile, i, edges.enter.min(), every)
    certain, in_category = np.empty(last - first, np.int64), np.empty(last - first, np.int64)
    for p in range(last - first):
        certain[p], in_category[p] = _count_sure(given, edges.enter[p], edges.sure[p])
    left = _drop_decided(given)
    verdict.waiting[i] = not verdict.last and left.columns.shape[0] > DEFER_ABOVE * every.lower.shape[0] + (
        last - first
    )
    if verdict.waiting[i]:
        return
    verdict.settled[i] += left.columns.shape[0]
    counts.before[first:last] += certain
    counts.before_in_category[first:last] += in_category
    _settle(tile, i, left, edges.sure, counts)


@njit(nogil=True, cache=True, error_model="numpy")
def add_before(start: int, stop: int, tile: Tile, counts: Counts, verdict: Verdict) -> None:
    """Add the columns of a tile that come before the thresholds of its rows ``start`` … ``stop``."""
    room = _room(tile.products.shape[1])
    for t in range(start, stop):
        if verdict.waiting[tile.which[t]]:
            bound_scores(tile, t, room.lower, room.upper)
            _count_row(tile, t, counts, room, verdict)


@njit(nogil=True, cache=True, error_model="numpy")
def keep_and_add(
    start: int, stop: int, tile: Tile, states: tuple[Nearest, Counts], verdicts: tuple[Verdict, Verdict]
) -> None:
    """Both :func:`keep_nearest` and :func:`add_before`, from the same bounds: these take longer than either does."""
    (nearest, counts), (near, before) = states, verdicts
    room, found = _room(tile.products.shape[1]), np.empty(tile.products.shape[1], np.int64)
    for t in range(start, stop):
        i = tile.which[t]
        if not (near.waiting[i] or before.waiting[i]):
            continue
        least = least_near(tile, t, nearest, room.upper)
        bound_scores(tile, t, room.lower, room.upper)
        if near.waiting[i]:
            take_nearest(tile, t, nearest, found[: at_least(room.upper, least, found)], near)
        if before.waiting[i]:
            _count_row(tile, t, counts, room, before)
