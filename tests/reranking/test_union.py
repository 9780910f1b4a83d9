"""Queries and gallery as one set: numbers against Python sets, distances against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from fashret.knn import VectorSet
from fashret.reranking import union
from fashret.reranking.union import Union
from tests import brute
from tests.knn_case import with_ties


def side(rng: np.random.Generator, vectors: np.ndarray, share: float) -> VectorSet:
    rows = np.flatnonzero(rng.random(len(vectors)) < share)
    return VectorSet(vectors, rows, *rng.integers(0, 3, (2, len(rows))))


@pytest.mark.parametrize("dtypes", [("float32", "float32"), ("float16", "float32"), ("float16", "float16")])
@pytest.mark.parametrize("shares", [(0.5, 0.7), (0, 1), (1, 0), (0, 0)])
@pytest.mark.parametrize("rows_at_once", [1 << 12, 5])
def test_two_matrices(dtypes: tuple, shares: tuple, rows_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(union, "ROWS_AT_ONCE", rows_at_once)
    rng = np.random.default_rng(0)
    sides = [
        side(rng, with_ties(rng, 30, 18).astype(dtype), share) for dtype, share in zip(dtypes, shares, strict=True)
    ]
    both = Union.of(*sides, same_matrix=False)
    assert len(both) == len(sides[0]) + len(sides[1])
    assert [*both.query, *both.gallery] == list(range(len(both))) and (both.own == -1).all()
    stored = np.concatenate([vectors.vectors[vectors.rows].astype(np.float32) for vectors in sides])
    check(both, stored)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("shares", [(0.5, 0.7), (1, 1), (0, 1), (1, 0)])
def test_one_matrix_holds_each_row_once(dtype: str, shares: tuple[float, float]) -> None:
    rng = np.random.default_rng(1)
    vectors = with_ties(rng, 40, 18).astype(dtype)
    queries, gallery = (side(rng, vectors, share) for share in shares)
    both = Union.of(queries, gallery, same_matrix=True)
    rows = sorted({*queries.rows.tolist(), *gallery.rows.tolist()})
    assert [rows[number] for number in both.query] == queries.rows.tolist()
    assert [rows[number] for number in both.gallery] == gallery.rows.tolist()
    places = {row: place for place, row in enumerate(gallery.rows.tolist())}
    assert both.own.tolist() == [places.get(row, -1) for row in queries.rows.tolist()]
    check(both, vectors[rows].astype(np.float32))


def check(both: Union, stored: np.ndarray) -> None:
    assert len(both) == len(stored)
    first, second = (each.ravel() for each in np.indices((len(stored), len(stored))))
    order = np.random.default_rng(2).permutation(len(first))
    expected = brute.distance_matrix(stored, stored, "euclidean") if len(stored) else np.zeros((0, 0))
    np.testing.assert_array_equal(both.distances(first[order], second[order]), expected.ravel()[order])
