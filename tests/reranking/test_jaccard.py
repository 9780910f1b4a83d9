"""Weights of neighbourhoods and their overlap against dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from fashret.reranking.jaccard import (
    mean_over_neighbours,
    min_sums,
    neighbour_weights,
    overlaps_at_most,
    pair_min_sums,
    scale_of,
)


def drawn(rng: np.random.Generator, rows: int, columns: int, share: float = 0.2) -> np.ndarray:
    """Weights with many ties; rows that sum to 1, or empty."""
    dense = rng.integers(1, 4, (rows, columns)) * (rng.random((rows, columns)) < share)
    return dense / np.maximum(dense.sum(axis=1, keepdims=True), 1)


@pytest.mark.parametrize("count", [1, 40])
def test_weights_sum_to_one_and_fall_with_the_distance(count: int) -> None:
    rng = np.random.default_rng(0)
    sets = sparse.csr_array((rng.random((count, count)) < 0.3) | np.eye(count, dtype=bool))
    distances, farthest = rng.integers(0, 5, sets.nnz).astype(float), rng.integers(0, 9, count).astype(float)
    given = distances.copy()
    found = neighbour_weights(sets, distances, farthest)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-14)
    np.testing.assert_array_equal(distances, given)
    for row in range(count):
        part = slice(sets.indptr[row], sets.indptr[row + 1])
        expected = np.exp(-distances[part] / (farthest[row] or 1))
        np.testing.assert_allclose(found.data[part], expected / expected.sum(), rtol=1e-14)
    assert scale_of(np.array([0.0, 2.0])).tolist() == [1, 2]


def test_mean_over_the_neighbours_that_there_are() -> None:
    rng = np.random.default_rng(1)
    dense = drawn(rng, 30, 30)
    lists = np.array([rng.permutation(30)[:4] for _ in range(12)], np.int32)
    lists[3, 1:], lists[5, 3:] = -1, -1
    found = mean_over_neighbours(sparse.csr_array(dense), lists)
    np.testing.assert_allclose(found.toarray(), [dense[row[row >= 0]].mean(axis=0) for row in lists], rtol=1e-14)
    assert all(
        (np.diff(found.indices[a:b]) > 0).all() for a, b in zip(found.indptr[:-1], found.indptr[1:], strict=True)
    )


@pytest.mark.parametrize("shape", [(20, 35, 50), (1, 1, 3), (0, 5, 4), (5, 0, 4), (7, 7, 1)])
@pytest.mark.parametrize("share", [0.0, 0.15, 1.0])
def test_sums_of_minima_equal_those_of_dense_rows(shape: tuple[int, int, int], share: float) -> None:
    rng = np.random.default_rng(2)
    queries, rows = drawn(rng, shape[0], shape[2], share), drawn(rng, shape[1], shape[2], share)
    dense = np.minimum(queries[:, None], rows[None]).sum(axis=-1)
    one, index = sparse.csr_array(queries), sparse.csr_array(rows).tocsc()
    found = min_sums(one, index)
    np.testing.assert_allclose(found.toarray(), dense, rtol=1e-14)
    assert found.nnz == (dense > 0).sum() and (found.data > 0).all()
    assert all(
        (np.diff(found.indices[a:b]) > 0).all() for a, b in zip(found.indptr[:-1], found.indptr[1:], strict=True)
    )
    most = overlaps_at_most(one, index)
    assert (np.diff(found.indptr) <= most).all() and (most <= shape[1]).all()
    first, second = (each.ravel() for each in np.indices(dense.shape))
    again = pair_min_sums(one, first, sparse.csr_array(rows), second)
    np.testing.assert_array_equal(again, found.toarray().ravel())  # the same bits either way
