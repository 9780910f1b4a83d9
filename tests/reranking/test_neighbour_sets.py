"""k-reciprocal sets and their expansion against Python sets."""

from __future__ import annotations

import numpy as np
import pytest

from fashret.reranking import neighbour_sets
from fashret.reranking.neighbour_sets import expanded_sets, half, membership, reciprocal_sets


def lists_of(seed: int, count: int, length: int) -> np.ndarray:
    """Neighbour lists of random points of which many are equal; −1 where there are no more."""
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 6, (count, 2))
    distances = ((points[:, None] - points) ** 2).sum(-1).astype(float)
    np.fill_diagonal(distances, -1)
    order = np.argsort(distances, axis=1, kind="stable")[:, :length]
    return np.hstack([order, np.full((count, max(0, length - count)), -1)]).astype(np.int32)


def reciprocal(lists: np.ndarray, row: int, k: int) -> set[int]:
    return {j for j in lists[row, : k + 1].tolist() if j >= 0 and row in lists[j, : k + 1]}


def expanded(lists: np.ndarray, row: int, k1: int) -> set[int]:
    base = reciprocal(lists, row, k1)
    halves = [reciprocal(lists, member, half(k1)) for member in base]
    return base.union(*(each for each in halves if 3 * len(each & base) > 2 * len(each)))


def members(matrix) -> list[set[int]]:
    for row in range(matrix.shape[0]):
        columns = matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]
        assert (np.diff(columns) > 0).all()
    return [set(np.flatnonzero(row).tolist()) for row in matrix.toarray()]


@pytest.mark.parametrize("count", [1, 2, 9, 80])
@pytest.mark.parametrize("k1", [1, 2, 5, 12])
def test_equal_python_sets(count: int, k1: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lists = lists_of(count, count, k1 + 1)
    whole, halves = reciprocal_sets(lists, k1), reciprocal_sets(lists, half(k1))
    assert members(whole) == [reciprocal(lists, row, k1) for row in range(count)]
    truth = [expanded(lists, row, k1) for row in range(count)]
    assert members(expanded_sets(whole, halves)) == truth
    assert all(row in each for row, each in enumerate(truth))
    monkeypatch.setattr(neighbour_sets, "ROWS_AT_ONCE", 3)
    some = np.random.default_rng(k1).permutation(count)[: count // 2 + 1]
    assert members(expanded_sets(whole, halves, some)) == [truth[row] for row in some]


def test_expansion_adds_members() -> None:
    lists = lists_of(80, 80, 13)
    plain, more = reciprocal_sets(lists, 12), expanded_sets(reciprocal_sets(lists, 12), reciprocal_sets(lists, 6))
    assert more.nnz > plain.nnz
    assert expanded_sets(plain, plain, np.zeros(0, int)).shape == (0, 80)


def test_membership_keeps_the_order_of_the_lists() -> None:
    found = membership(np.array([[2, 0, -1], [1, -1, -1]], np.int32), 4, np.float64)
    assert found.indices.tolist() == [2, 0, 1] and found.dtype == np.float64
    assert found.toarray().tolist() == [[1, 0, 1, 0], [0, 1, 0, 0]]
    assert membership(np.zeros((0, 3), np.int32), 4).shape == (0, 4)
