"""Jaccard distances of k-reciprocal sets through an inverted index.

In: expanded reciprocal sets (:mod:`fashret.retrieval.reciprocal`) with the distances to their members. Out: for
each query the rows that share a member with it and the sum of minima s of their weights, from which the Jaccard
distance is 1 − s/(2 − s). All other rows are at Jaccard distance 1 and are never touched. Weights are float64;
every sum runs over ascending columns, so that the same pair gives the same bits by whatever way it is summed.

Zhong et al., CVPR 2017, section 3.4.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fashret.retrieval.reciprocal import SparseRows
from fashret.retrieval.threads import over_rows

PairDistances = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]]
PAIRS_AT_ONCE = 1 << 20  # pairs of rows whose distance is asked for in one call: 24 MB of numbers


def member_distances(
    sets: SparseRows, lists: NDArray[np.int32], distances: NDArray[np.float64], pair_distances: PairDistances
) -> NDArray[np.float64]:
    """The distance of each row to each member of its set, in the order of ``sets.columns``.

    Parameters
    ----------
    sets
        Expanded sets of N rows.
    lists, distances
        N×K neighbours of the rows and their distances: members found here need no vectors.
    pair_distances
        Gives the distances of pairs of rows (first rows, second rows) that are in no list.
    """
    values = np.empty(len(sets.columns))
    over_rows(_known_distances, sets.height, sets, lists, distances, values)
    unknown = np.flatnonzero(np.isnan(values))
    for start in range(0, len(unknown), PAIRS_AT_ONCE):
        entries = unknown[start : start + PAIRS_AT_ONCE]
        rows = np.searchsorted(sets.offsets, entries, side="right") - 1
        values[entries] = pair_distances(rows, sets.columns[entries].astype(np.int64))
    return values


def neighbour_weights(
    offsets: NDArray[np.int64], distances: NDArray[np.float64], farthest: NDArray[np.float64]
) -> NDArray[np.float64]:
    """V_i: weight exp(−d(i, j) / max d(i, ·)) of each member j of row i's set, scaled to sum 1 (equations 5 and 7).

    Parameters
    ----------
    offsets, distances
        Where the members of each of N rows are, and their distances.
    farthest
        N float64, distance of each row to its farthest row; a row where it is 0 divides by 1.
    """
    weights = distances.copy()
    over_rows(_distances_to_weights, len(farthest), offsets, farthest, weights)
    return weights


def mean_over_neighbours(weights: SparseRows, lists: NDArray[np.int32], k2: int, rows: NDArray[np.int64]) -> SparseRows:
    """Query expansion: the mean of V over the k2 nearest of each of ``rows``, itself included (equation 11).

    Parameters
    ----------
    weights
        V of all N rows.
    lists
        N×K int32 neighbours, the row itself first.
    k2
        Number of neighbours averaged, ≥ 1; fewer where a list ends.
    rows
        n int64, the rows wanted.

    Returns
    -------
    n rows over N columns.
    """
    members = lists[rows, :k2]
    offsets = np.zeros(len(rows) + 1, np.int64)
    over_rows(_count_mean, len(rows), members, weights, offsets[1:])
    np.cumsum(offsets, out=offsets)
    means = SparseRows(offsets, np.empty(offsets[-1], np.int32), np.empty(offsets[-1]))
    over_rows(_fill_mean, len(rows), members, weights, means)
    return means


def inverted(weights: SparseRows, width: int) -> SparseRows:
    """The inverted index: for each of ``width`` columns the rows that have it (ascending) and their values.

    >>> index = inverted(SparseRows(np.array([0, 2, 3]), np.array([0, 1, 1], np.int32), np.array([0.5, 0.5, 1.0])), 2)
    >>> index.offsets, index.columns, index.values
    (array([0, 1, 3]), array([0, 0, 1], dtype=int32), array([0.5, 0.5, 1. ]))
    """
    offsets = np.zeros(width + 1, np.int64)
    offsets[1:] = np.cumsum(np.bincount(weights.columns, minlength=width))
    index = SparseRows(offsets, np.empty(offsets[-1], np.int32), np.empty(offsets[-1]))
    _invert(weights, offsets[:-1].copy(), index)
    return index


def count_overlaps(queries: SparseRows, index: SparseRows, size: int) -> NDArray[np.int64]:
    """How many of the ``size`` rows of an inverted index share a column with each query: Q int64."""
    counts = np.zeros(queries.height, np.int64)
    over_rows(_count_overlaps, queries.height, queries, index, size, counts)
    return counts


def min_sums(queries: SparseRows, index: SparseRows, size: int, chosen: slice, counts: NDArray[np.int64]) -> SparseRows:
    """Sums of minima with every row that shares a column, for a range of queries.

    Parameters
    ----------
    queries, index
        Weights of the Q queries, and the inverted index of the ``size`` rows to compare with.
    chosen
        The queries wanted, from start to stop.
    counts
        Q int64 from :func:`count_overlaps`.

    Returns
    -------
    One row a chosen query; columns are rows of the index, values the sums s, 0 < s ≤ 1.
    """
    offsets = np.zeros(chosen.stop - chosen.start + 1, np.int64)
    np.cumsum(counts[chosen], out=offsets[1:])
    sums = SparseRows(offsets, np.empty(offsets[-1], np.int32), np.empty(offsets[-1]))
    over_rows(_fill_overlaps, sums.height, chosen.start, queries, index, size, sums)
    return sums


def pair_min_sums(
    one: SparseRows, first: NDArray[np.int64], other: SparseRows, second: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Sum of minima of row ``first[i]`` of ``one`` and row ``second[i]`` of ``other``: P float64, 0 without overlap."""
    sums = np.zeros(len(first))
    over_rows(_pair_min_sums, len(first), one, first, other, second, sums)
    return sums


@njit(nogil=True, cache=True)
def _known_distances(start, stop, sets, lists, distances, values):
    for row in range(start, stop):
        for entry in range(sets.offsets[row], sets.offsets[row + 1]):
            values[entry] = np.nan
            for place in range(lists.shape[1]):
                if lists[row, place] == sets.columns[entry]:
                    values[entry] = distances[row, place]
                    break


@njit(nogil=True, cache=True)
def _distances_to_weights(start, stop, offsets, farthest, values):
    for row in range(start, stop):
        scale = farthest[row] if farthest[row] > 0 else 1.0
        total = 0.0
        for entry in range(offsets[row], offsets[row + 1]):
            values[entry] = np.exp(-values[entry] / scale)
            total += values[entry]
        for entry in range(offsets[row], offsets[row + 1]):
            values[entry] /= total


@njit(nogil=True, cache=True)
def _count_mean(start, stop, members, weights, counts):
    seen = np.full(len(weights.offsets) - 1, -1, np.int64)
    for row in range(start, stop):
        for member in members[row]:
            if member < 0:
                break
            for entry in range(weights.offsets[member], weights.offsets[member + 1]):
                column = weights.columns[entry]
                if seen[column] != row:
                    seen[column] = row
                    counts[row] += 1


@njit(nogil=True, cache=True)
def _fill_mean(start, stop, members, weights, means):
    sums = np.zeros(len(weights.offsets) - 1)  # all zero again after each row
    for row in range(start, stop):
        first, filled, averaged = means.offsets[row], means.offsets[row], 0
        for member in members[row]:
            if member < 0:
                break
            averaged += 1
            for entry in range(weights.offsets[member], weights.offsets[member + 1]):
                column = weights.columns[entry]
                if sums[column] == 0.0:  # weights are above 0, so this is its first
                    means.columns[filled] = column
                    filled += 1
                sums[column] += weights.values[entry]
        means.columns[first:filled].sort()
        for entry in range(first, filled):
            column = means.columns[entry]
            means.values[entry] = sums[column] / averaged
            sums[column] = 0.0


@njit(nogil=True, cache=True)
def _invert(weights, next_place, index):
    for row in range(len(weights.offsets) - 1):
        for entry in range(weights.offsets[row], weights.offsets[row + 1]):
            place = next_place[weights.columns[entry]]
            index.columns[place] = row
            index.values[place] = weights.values[entry]
            next_place[weights.columns[entry]] = place + 1


@njit(nogil=True, cache=True)
def _count_overlaps(start, stop, queries, index, size, counts):
    seen = np.full(size, -1, np.int64)
    for query in range(start, stop):
        for entry in range(queries.offsets[query], queries.offsets[query + 1]):
            column = queries.columns[entry]
            for place in range(index.offsets[column], index.offsets[column + 1]):
                other = index.columns[place]
                if seen[other] != query:
                    seen[other] = query
                    counts[query] += 1


@njit(nogil=True, cache=True)
def _fill_overlaps(start, stop, first_query, queries, index, size, out):
    sums = np.zeros(size)  # all zero again after each query
    for row in range(start, stop):
        query = first_query + row
        first, filled = out.offsets[row], out.offsets[row]
        for entry in range(queries.offsets[query], queries.offsets[query + 1]):
            column, weight = queries.columns[entry], queries.values[entry]
            for place in range(index.offsets[column], index.offsets[column + 1]):
                other = index.columns[place]
                if sums[other] == 0.0:  # weights are above 0, so this is its first
                    out.columns[filled] = other
                    filled += 1
                sums[other] += min(weight, index.values[place])
        out.columns[first:filled].sort()
        for entry in range(first, filled):
            other = out.columns[entry]
            out.values[entry] = sums[other]
            sums[other] = 0.0


@njit(nogil=True, cache=True)
def _pair_min_sums(start, stop, one, first, other, second, sums):
    for pair in range(start, stop):
        place, end = other.offsets[second[pair]], other.offsets[second[pair] + 1]
        for entry in range(one.offsets[first[pair]], one.offsets[first[pair] + 1]):
            while place < end and other.columns[place] < one.columns[entry]:
                place += 1
            if place == end:
                break
            if other.columns[place] == one.columns[entry]:
                sums[pair] += min(one.values[entry], other.values[place])
