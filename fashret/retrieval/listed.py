"""Compiled settling of pairs that were listed elsewhere, on a device that chose what is undecided.

In: a :class:`~fashret.retrieval.bounds.Tile` without products, and lists of its undecided pairs. Out: the state of
its rows, brought up to date by the definition of the distance.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fashret.retrieval.bounds import Tile, rounding_of, score_above, score_below, settle_pair, settle_pairs
from fashret.retrieval.counting import Counts
from fashret.retrieval.selection import Nearest, settle_found


class Listed(NamedTuple):
    """Undecided columns of the tile's row t: ``columns[offsets[t]:offsets[t + 1]]``."""

    offsets: NDArray[np.int64]
    columns: NDArray[np.int64]


@njit(nogil=True, cache=True, error_model="numpy")
def scores_at(tile: Tile, rows: NDArray, distances: NDArray, above: bool) -> NDArray:
    """For rows of the block and distances of the same number: :func:`score_above` or :func:`score_below`, float32."""
    scores = np.empty(len(rows), np.float32)
    for place in range(len(rows)):
        i, distance = rows[place], distances[place]
        scores[place] = score_above(tile, i, distance) if above else score_below(tile, i, distance)
    return scores


@njit(nogil=True, cache=True, error_model="numpy")
def roundings(tile: Tile) -> NDArray:
    """:func:`rounding_of` of each row of the tile, float64."""
    return np.array([rounding_of(tile, i) for i in tile.which])


@njit(nogil=True, cache=True, error_model="numpy")
def settle_nearest(start: int, stop: int, tile: Tile, listed: Listed, nearest: Nearest, settled: NDArray) -> None:
    """Let listed columns into the heaps of the tile's rows ``start`` … ``stop``; ``settled`` counts them by row."""
    for t in range(start, stop):
        part = slice(listed.offsets[t], listed.offsets[t + 1])
        settled[t] = settle_found(tile, tile.which[t], nearest, listed.columns[part])


@njit(nogil=True, cache=True, error_model="numpy")
def settle_farthest(start: int, stop: int, tile: Tile, listed: Listed, farthest: NDArray) -> None:
    """Raise the largest distance of the tile's rows ``start`` … ``stop`` by listed columns."""
    for t in range(start, stop):
        i = tile.which[t]
        for distance in settle_pairs(tile, i, listed.columns[listed.offsets[t] : listed.offsets[t + 1]]):
            farthest[i] = max(farthest[i], distance)


@njit(nogil=True, cache=True, error_model="numpy")
def come_before(
    start: int, stop: int, tile: Tile, pairs: tuple[NDArray, NDArray, NDArray], counts: Counts, out: NDArray
) -> None:
    """Whether a column comes before a threshold, for pairs ``start`` … ``stop`` of (row, column, threshold)."""
    rows, columns, thresholds = pairs
    for x in range(start, stop):
        j, p = columns[x], thresholds[x]
        distance = settle_pair(tile, rows[x], j)
        tied = distance <= counts.high[p] and tile.columns.numbers[j] < counts.numbers[p]
        out[x] = tied or distance < counts.low[p]
