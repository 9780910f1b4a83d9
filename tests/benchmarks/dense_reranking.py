"""k-reciprocal re-ranking as it is usually written: N×N float32 matrices, the benchmark's peer of the sparse form.

Distances by one matrix product, neighbour lists by argpartition (block by block, so that no N×N matrix of indices
is made), sets with numpy one row at a time, weights and their averages as N×N matrices, the Jaccard part one query
at a time.

In: vectors of queries and gallery. Out: final distances, Q×G float32.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROWS = 1000  # of the neighbour lists made at a time


def dense_rerank(
    queries: NDArray[np.float32], gallery: NDArray[np.float32], k1: int = 20, k2: int = 6, weight: float = 0.3
) -> NDArray[np.float32]:
    """Final distance of every query to every gallery row."""
    count, size = len(queries), len(queries) + len(gallery)
    distances = squared_distances(np.concatenate([queries, gallery]))
    distances /= distances.max(axis=1, keepdims=True)
    lists = nearest(distances, max(k1 + 1, k2))
    vectors = np.zeros((size, size), np.float32)
    for row in range(size):
        members = expanded_set(lists, row, k1)
        weights = np.exp(-distances[row, members])
        vectors[row, members] = weights / weights.sum()
    distances = distances[:count]
    if k2 > 1:
        averaged = np.empty_like(vectors)
        for row in range(size):
            averaged[row] = vectors[lists[row, :k2]].mean(axis=0)
        vectors = averaged
    holders = [np.flatnonzero(column) for column in vectors.T]
    final = np.empty((count, size), np.float32)
    for row in range(count):
        sums = np.zeros(size, np.float32)
        for column in np.flatnonzero(vectors[row]):
            held = holders[column]
            sums[held] += np.minimum(vectors[row, column], vectors[held, column])
        final[row] = (1 - weight) * (1 - sums / (2 - sums)) + weight * distances[row]
    return final[:, count:]


def squared_distances(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    squares = (vectors * vectors).sum(axis=1)
    distances = vectors @ vectors.T
    distances *= -2
    distances += squares[:, None]
    distances += squares[None, :]
    np.maximum(distances, 0, out=distances)
    np.fill_diagonal(distances, 0)
    return distances


def nearest(distances: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """The k nearest rows of each row in order."""
    lists = np.empty((len(distances), k), np.int64)
    for start in range(0, len(distances), ROWS):
        block = distances[start : start + ROWS]
        lists[start : start + ROWS] = np.argpartition(block, range(k), axis=1)[:, :k]
    return lists


def reciprocal_set(lists: NDArray[np.int64], row: int, k: int) -> NDArray[np.int64]:
    forward = lists[row, : k + 1]
    return forward[(lists[forward, : k + 1] == row).any(axis=1)]


def expanded_set(lists: NDArray[np.int64], row: int, k1: int) -> NDArray[np.int64]:
    base = reciprocal_set(lists, row, k1)
    expanded = [base]
    for member in base:
        candidate = reciprocal_set(lists, member, int(np.around(k1 / 2)))
        if len(np.intersect1d(candidate, base)) > 2 / 3 * len(candidate):
            expanded.append(candidate)
    return np.unique(np.concatenate(expanded))
