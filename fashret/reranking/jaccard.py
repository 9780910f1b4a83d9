"""Jaccard distances of k-reciprocal sets through an inverted index.

In: expanded reciprocal sets (:mod:`fashret.reranking.neighbour_sets`) and the distances to their members. Out: for each
query the rows that share a member with it and the sum of minima s of their weights, from which the Jaccard distance is
1 − s/(2 − s). All other rows are at Jaccard distance 1 and are never touched. Weights are float64; every sum runs over
ascending columns, so that the same pair gives the same bits by whatever way it is summed.

Zhong et al., CVPR 2017, section 3.4.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import sparse

from fashret.knn.threads import over_rows
from fashret.reranking.neighbour_sets import membership


class SparseRows(NamedTuple):
    """The arrays of a sparse matrix as compiled functions take them; row i's entries are offsets[i]:offsets[i + 1]."""

    offsets: NDArray[np.int64]
    columns: NDArray[np.int32]
    values: NDArray[np.float64]

    @classmethod
    def of(cls, matrix: sparse.csr_array | sparse.csc_array) -> SparseRows:
        """The rows of a CSR matrix, or the columns of a CSC matrix."""
        offsets, columns = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32, copy=False)
        return cls(offsets, columns, matrix.data)


def neighbour_weights(
    sets: sparse.csr_array, distances: NDArray[np.float64], farthest: NDArray[np.float64]
) -> sparse.csr_array:
    """V_i: weight exp(−d(i, j) / max d(i, ·)) of each member j of row i's set, scaled to sum 1 (equations 5 and 7).

    ``distances``: of each member of the n sets, in the order of their entries. ``farthest``: n float64, distance of
    each row to its farthest row; a row where it is 0 divides by 1.
    """
    weights = distances.copy()
    over_rows(_to_weights, len(farthest), sets.indptr.astype(np.int64), scale_of(farthest), weights)
    return sparse.csr_array((weights, sets.indices, sets.indptr), sets.shape)


def scale_of(farthest: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the distances of a row are divided by: its farthest distance, or 1 where that is 0."""
    return np.where(farthest > 0, farthest, 1.0)


def mean_over_neighbours(weights: sparse.csr_array, neighbours: NDArray[np.int32]) -> sparse.csr_array:
    """Query expansion: the mean of V over the k2 nearest of each row, itself included (equation 11): n×N.

    ``weights``: V, N×N. ``neighbours``: n×k2 int32, the nearest of the rows wanted, −1 where a list ends.
    """
    members = membership(neighbours, weights.shape[0], np.float64)
    means = members @ weights  # summed in the order of the neighbours, which a change of type would sort
    means.sort_indices()
    means.data /= np.repeat(np.diff(members.indptr), np.diff(means.indptr))
    return means


def min_sums(queries: sparse.csr_array, index: sparse.csc_array) -> sparse.csr_array:
    """Sums of minima of the weights of each query (Q×N) and of every row of an inverted index (G×N, by column) that
    shares a column with it: Q×G, entries are the sums s, 0 < s ≤ 1, columns ascending.
    """
    of_queries, of_index = SparseRows.of(queries), SparseRows.of(index)
    size = index.shape[0]
    parts = over_rows(_min_sums, queries.shape[0], of_queries, of_index, overlaps_at_most(queries, index), size)
    none = (np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0))
    counts, columns, sums = (np.concatenate(column) for column in zip(none, *parts, strict=True))
    return sparse.csr_array((sums, columns, np.concatenate([[0], np.cumsum(counts)])), (queries.shape[0], size))


def overlaps_at_most(queries: sparse.csr_array, index: sparse.csc_array) -> NDArray[np.int64]:
    """An upper bound of the entries of each row of :func:`min_sums`: Q int64."""
    sizes = np.append(np.diff(index.indptr), 0).astype(np.int64)
    ends = np.concatenate([[0], np.cumsum(sizes[queries.indices])])[queries.indptr]
    return np.minimum(np.diff(ends), index.shape[0])


def pair_min_sums(
    one: sparse.csr_array, first: NDArray[np.int64], other: sparse.csr_array, second: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Sum of minima of row ``first[i]`` of ``one`` and row ``second[i]`` of ``other``: P float64, 0 without overlap."""
    return one[first].minimum(other[second]) @ np.ones(one.shape[1])


@njit(nogil=True, cache=True, error_model="numpy")
def _to_weights(start: int, stop: int, offsets: NDArray, scale: NDArray, values: NDArray) -> None:
    for row in range(start, stop):
        total = 0.0
        for entry in range(offsets[row], offsets[row + 1]):
            values[entry] = np.exp(-values[entry] / scale[row])
            total += values[entry]
        for entry in range(offsets[row], offsets[row + 1]):
            values[entry] /= total


@njit(nogil=True, cache=True, error_model="numpy")
def _min_sums(
    start: int, stop: int, queries: SparseRows, index: SparseRows, at_most: NDArray, size: int
) -> tuple[Any, Any, Any]:
    offsets, query_columns, weights = queries
    index_offsets, index_rows, index_weights = index
    sums = np.zeros(size)  # all zero again after each query
    counts, room = np.empty(stop - start, np.int32), at_most[start:stop].sum()
    columns, values, filled = np.empty(room, np.int32), np.empty(room), 0
    for query in range(start, stop):
        first = filled
        for entry in range(offsets[query], offsets[query + 1]):
            column, weight = query_columns[entry], weights[entry]
            for other in range(index_offsets[column], index_offsets[column + 1]):
                row = index_rows[other]
                if sums[row] == 0.0:  # weights are above 0, so this is its first
                    columns[filled] = row
                    filled += 1
                sums[row] += min(weight, index_weights[other])
        columns[first:filled].sort()
        for entry in range(first, filled):
            values[entry] = sums[columns[entry]]
            sums[columns[entry]] = 0.0
        counts[query - start] = filled - first
    return counts, columns[:filled].copy(), values[:filled].copy()
