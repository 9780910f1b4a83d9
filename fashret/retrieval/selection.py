"""Compiled selection: from a tile of approximate products to the nearest and the farthest columns of its rows.

In: a :class:`~fashret.retrieval.bounds.Tile` and the state of its rows. Out: that state, brought up to date. The
approximation only decides which pairs cannot matter; all others are settled by the definition of the distance.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fashret.retrieval.bounds import (
    Tile,
    bound_above,
    bound_below,
    lower_bound,
    rounding_of,
    score_above,
    score_below,
    settle_pairs,
    upper_bound,
)
from fashret.retrieval.instructions import CHUNK, lowest_bit, reaching

GROUP = 32  # columns of which the best is looked at first where nothing is known
DEFER_ABOVE = 1 / 12  # share of a row's columns left undecided at which a finer tile is cheaper than single pairs


class Verdict(NamedTuple):
    """What becomes of a tile's rows, indexed as the block of rows."""

    last: bool  # whether there is no finer tile to leave a row to
    waiting: NDArray[np.bool_]  # rows to look at; those with too many undecided columns stay
    settled: NDArray[np.int64]  # pairs settled by the definition are added


class Nearest(NamedTuple):
    """The k nearest so far of each row: heaps whose root is the worst. Empty places: distance ∞."""

    distances: NDArray[np.float64]  # n×k
    numbers: NDArray[np.int64]  # n×k
    same_matrix: bool  # a row does not find itself
    other_products: bool  # a row does not find its own product


class Found(NamedTuple):
    """Columns left to look at for row i of a tile, columns[offsets[i]:offsets[i + 1]], and what is known so far."""

    offsets: NDArray[np.int64]
    columns: NDArray[np.int64]
    state: Any  # a Nearest, or the largest distances


@njit(nogil=True, cache=True, error_model="numpy")
def at_least(values: NDArray, least: Any, found: NDArray) -> int:
    """Write the places of the values (int32 or float32, contiguous) ≥ ``least`` into ``found``; returns their number.

    No slower where the places are many: a branch for each value would often be guessed wrong.
    """
    count, whole = 0, values.shape[0] // CHUNK * CHUNK
    for first in range(0, whole, CHUNK):
        bits = reaching(values, first, least)
        while bits:
            found[count] = first + lowest_bit(bits)
            bits &= bits - np.uint64(1)
            count += 1
    for j in range(whole, values.shape[0]):
        found[count] = j
        count += values[j] >= least
    return count


@njit(nogil=True, cache=True, error_model="numpy")
def _comes_before(distance: float, number: int, other_distance: float, other_number: int) -> bool:
    return distance < other_distance or (distance == other_distance and number < other_number)


@njit(nogil=True, cache=True, error_model="numpy")
def _replace_worst(distances: NDArray, numbers: NDArray, distance: float, number: int) -> None:
    """Put a pair in the place of a heap's root and let it sink."""
    size, place = distances.shape[0], 0
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        other = child + 1
        if other < size and _comes_before(distances[child], numbers[child], distances[other], numbers[other]):
            child = other
        if not _comes_before(distance, number, distances[child], numbers[child]):
            break
        distances[place], numbers[place] = distances[child], numbers[child]
        place = child
    distances[place], numbers[place] = distance, number


@njit(nogil=True, cache=True, error_model="numpy")
def _drop_forbidden(tile: Tile, i: int, nearest: Nearest, found: NDArray, count: int) -> int:
    """Take columns that row ``i`` must not find out of ``found``."""
    rows, columns = tile.rows, tile.columns
    kept = 0
    for place in range(count):
        j = found[place]
        itself = nearest.same_matrix and columns.numbers[j] == rows.numbers[i]
        own = nearest.other_products and rows.product[i] >= 0 and columns.product[j] == rows.product[i]
        if not (itself or own):
            found[kept] = j
            kept += 1
    return kept


@njit(nogil=True, cache=True, error_model="numpy")
def _first_look(tile: Tile, t: int, nearest: Nearest, fallen: NDArray) -> np.float32:
    """A score that the k nearest of the tile's row ``t`` reach, from the best column of each group; −∞ if they are few.

    Leaves the lower bounds' negatives in ``fallen``.
    """
    i, groups = tile.which[t], tile.products.shape[1] // GROUP
    k = nearest.distances.shape[1] + np.int64(nearest.same_matrix)  # one group's best may be the row itself
    if nearest.other_products and tile.rows.product[i] >= 0:
        k += np.sum(tile.columns.product == tile.rows.product[i])
    if k > groups:
        return np.float32(-np.inf)
    bound_below(tile, t, fallen)
    best = np.empty(groups, np.float32)
    for group in range(groups):
        least = fallen[group * GROUP]
        for j in range(group * GROUP, (group + 1) * GROUP):
            least = fallen[j] if fallen[j] < least else least
        best[group] = least
    return np.float32(-np.partition(best, k - 1)[k - 1] - 2 * rounding_of(tile, i))


@njit(nogil=True, cache=True, error_model="numpy")
def _surest(tile: Tile, t: int, k: int, some: NDArray) -> np.float32:
    """A score that the k nearest of some columns, k or more, reach."""
    worst = np.empty(some.shape[0], np.float32)
    for place in range(some.shape[0]):
        worst[place] = -lower_bound(tile, t, some[place])
    return np.float32(-np.partition(worst, k - 1)[k - 1] - 2 * rounding_of(tile, tile.which[t]))


@njit(nogil=True, cache=True, error_model="numpy")
def _drop_below(tile: Tile, t: int, least: np.float32, found: NDArray) -> int:
    """Keep the columns whose upper bounds reach a score; returns their number."""
    kept = 0
    for j in found:
        found[kept] = j
        kept += int(upper_bound(tile, t, j) >= least)
    return kept


@njit(nogil=True, cache=True, error_model="numpy")
def settle_found(tile: Tile, i: int, nearest: Nearest, found: NDArray) -> int:
    """Let the columns ``found`` into the heap of row ``i`` by their distances; returns their number."""
    distances, numbers = nearest.distances[i], nearest.numbers[i]
    for place, distance in enumerate(settle_pairs(tile, i, found)):
        number = tile.columns.numbers[found[place]]
        if _comes_before(distance, number, distances[0], numbers[0]):
            _replace_worst(distances, numbers, distance, number)
    return found.shape[0]


@njit(nogil=True, cache=True, error_model="numpy")
def take_nearest(tile: Tile, t: int, nearest: Nearest, found: NDArray, verdict: Verdict) -> None:
    """Let those of the columns ``found`` into the heap of the tile's row ``t`` that belong there."""
    i, k = tile.which[t], nearest.distances.shape[1]
    count = _drop_forbidden(tile, i, nearest, found, found.shape[0])
    if count > k:
        count = _drop_below(tile, t, _surest(tile, t, k, found[:count]), found[:count])
    verdict.waiting[i] = not verdict.last and count > DEFER_ABOVE * tile.products.shape[1] + 2 * k
    if verdict.waiting[i]:
        return
    verdict.settled[i] += settle_found(tile, i, nearest, found[:count])


@njit(nogil=True, cache=True, error_model="numpy")
def least_near(tile: Tile, t: int, nearest: Nearest, room: NDArray[np.float32]) -> np.float32:
    """A score that the k nearest of the tile's row ``t`` reach; fills ``room``, as long as the row, with anything."""
    least = score_below(tile, tile.which[t], nearest.distances[tile.which[t], 0])
    if least == -np.inf:  # fewer than k are known: most columns go by a look at the best of some
        least = _first_look(tile, t, nearest, room)
    return least


@njit(nogil=True, cache=True, error_model="numpy")
def keep_nearest(start: int, stop: int, tile: Tile, nearest: Nearest, verdict: Verdict) -> None:
    """Let the columns of a tile into the heaps of its rows ``start`` … ``stop``."""
    size = tile.products.shape[1]
    found, upper = np.empty(size, np.int64), np.empty(size, np.float32)
    for t in range(start, stop):
        if not verdict.waiting[tile.which[t]]:
            continue
        least = least_near(tile, t, nearest, upper)
        bound_above(tile, t, upper)
        take_nearest(tile, t, nearest, found[: at_least(upper, least, found)], verdict)


@njit(nogil=True, cache=True, error_model="numpy")
def keep_found_nearest(start: int, stop: int, tile: Tile, found: Found, verdict: Verdict) -> None:
    """The same where it is known which columns to look at; the tile has all rows of the block."""
    for t in range(start, stop):
        columns = found.columns[found.offsets[t] : found.offsets[t + 1]]
        if columns.shape[0]:
            take_nearest(tile, t, found.state, columns, verdict)
        else:
            verdict.waiting[t] = False


@njit(nogil=True, cache=True, error_model="numpy")
def _take_farthest(tile: Tile, t: int, farthest: NDArray, found: NDArray, verdict: Verdict) -> None:
    """Raise the largest distance of the tile's row ``t`` if one of the columns ``found`` is farther."""
    i = tile.which[t]
    most = np.float32(np.inf)
    for j in found:
        most = min(most, upper_bound(tile, t, j))
    most = np.float32(most + 2 * rounding_of(tile, i))  # the farthest column scores no more
    kept = 0
    for j in found:
        found[kept] = j
        kept += int(lower_bound(tile, t, j) <= most)
    verdict.waiting[i] = not verdict.last and kept > DEFER_ABOVE * tile.products.shape[1] + 1
    if verdict.waiting[i]:
        return
    verdict.settled[i] += kept
    for distance in settle_pairs(tile, i, found[:kept]):
        farthest[i] = max(farthest[i], distance)


@njit(nogil=True, cache=True, error_model="numpy")
def keep_farthest(start: int, stop: int, tile: Tile, farthest: NDArray, verdict: Verdict) -> None:
    """Raise the largest distance so far (n float64) of the rows ``start`` … ``stop`` of a tile."""
    size = tile.products.shape[1]
    bound, found = np.empty(size, np.float32), np.empty(size, np.int64)
    for t in range(start, stop):
        i = tile.which[t]
        if not verdict.waiting[i]:
            continue
        most = score_above(tile, i, farthest[i])
        if farthest[i] == 0:  # nothing is known: most columns go by the one that is surely far
            bound_above(tile, t, bound)
            most = min(most, np.float32(bound.min() + 2 * rounding_of(tile, i)))
        bound_below(tile, t, bound)
        _take_farthest(tile, t, farthest, found[: at_least(bound, -most, found)], verdict)


@njit(nogil=True, cache=True, error_model="numpy")
def keep_found_farthest(start: int, stop: int, tile: Tile, found: Found, verdict: Verdict) -> None:
    """The same where it is known which columns to look at; the tile has all rows of the block."""
    for t in range(start, stop):
        columns = found.columns[found.offsets[t] : found.offsets[t + 1]]
        if columns.shape[0]:
            _take_farthest(tile, t, found.state, columns, verdict)
        else:
            verdict.waiting[t] = False
