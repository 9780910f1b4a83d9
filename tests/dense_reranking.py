"""k-reciprocal re-ranking written plainly from the paper, float64 and N×N: what the sparse one is held against."""

from __future__ import annotations

import numpy as np

from fashret.knn import VectorSet


def squared_distances(vectors: np.ndarray) -> np.ndarray:
    """N×N float64; equal rows give equal bits, because every entry is summed alike."""
    x = vectors.astype(np.float64)
    squares = (x * x).sum(axis=1)
    dots = np.array([(x * row).sum(axis=1) for row in x]).reshape(len(x), len(x))
    return (squares[:, None] + squares[None, :]) - 2 * dots


def neighbour_order(distances: np.ndarray) -> np.ndarray:
    """Every row's rows, itself first, then ascending distance, ties by the smaller row."""
    first = distances.copy()
    np.fill_diagonal(first, -np.inf)
    return np.argsort(first, axis=1, kind="stable")


def dense_rerank(distances: np.ndarray, k1: int = 20, k2: int = 6, weight: float = 0.3) -> np.ndarray:
    """Final distance of all N rows to all N rows, N×N float64."""
    farthest = distances.max(axis=1)
    distances = distances / np.where(farthest > 0, farthest, 1)[:, None]
    order = neighbour_order(distances)
    count = len(distances)

    def reciprocal(row: int, k: int) -> np.ndarray:
        forward = order[row, : k + 1]
        return np.array([other for other in forward if row in order[other, : k + 1]], int)

    vectors = np.zeros((count, count))
    for row in range(count):
        base = reciprocal(row, k1)
        expanded = set(base)
        for member in base:
            candidate = reciprocal(member, int(np.around(k1 / 2)))
            if len(np.intersect1d(candidate, base)) > 2 / 3 * len(candidate):
                expanded |= set(candidate)
        members = sorted(expanded)
        weights = np.exp(-distances[row, members])
        vectors[row, members] = weights / weights.sum()
    vectors = np.array([vectors[order[row, :k2]].mean(axis=0) for row in range(count)])
    sums = np.array([np.minimum(vectors, row).sum(axis=1) for row in vectors])
    return (1 - weight) * (1 - sums / (2 - sums)) + weight * distances


def dense_result(
    queries: VectorSet, gallery: VectorSet, same_matrix: bool, **numbers: float
) -> tuple[np.ndarray, np.ndarray]:
    """Final distances of queries to the gallery, Q×G, and which pairs count (no row finds itself)."""
    if same_matrix:
        rows = np.union1d(queries.rows, gallery.rows)
        vectors = gallery.vectors[rows]
        query, column = np.searchsorted(rows, queries.rows), np.searchsorted(rows, gallery.rows)
        allowed = queries.rows[:, None] != gallery.rows[None, :]
    else:
        vectors = np.concatenate([queries.vectors[queries.rows], gallery.vectors[gallery.rows]])
        query, column = np.split(np.arange(len(vectors)), [len(queries.rows)])
        allowed = np.ones((len(query), len(column)), bool)
    if gallery.identity is not None:
        allowed &= queries.itself[:, None] != gallery.identity[None, :]
    return dense_rerank(squared_distances(vectors), **numbers)[np.ix_(query, column)], allowed
