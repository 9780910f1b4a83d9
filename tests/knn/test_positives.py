"""Positives of every query against loops."""

from __future__ import annotations

import numpy as np
import pytest

from fashret.knn import VectorSet
from fashret.knn.positives import ordered_positives, positive_pairs
from tests import brute
from tests.knn_case import with_ties


def side(rng: np.random.Generator, vectors: np.ndarray, share: float) -> VectorSet:
    rows = np.flatnonzero(rng.random(len(vectors)) < share)
    return VectorSet(vectors, rows, rng.integers(-1, 5, len(rows)), np.full(len(rows), -1))


@pytest.mark.parametrize("same_matrix", [True, False])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("shares", [(0.5, 0.8), (0, 1), (1, 0)])
def test_equal_those_of_loops(metric: str, same_matrix: bool, shares: tuple[float, float]) -> None:
    rng = np.random.default_rng(0)
    vectors = with_ties(rng, 60, 9)
    queries, gallery = (side(rng, vectors, share) for share in shares)
    distances = brute.distance_matrix(vectors, vectors, metric)[np.ix_(queries.rows, gallery.rows)]
    expected = [
        [
            place
            for place in range(len(gallery))
            if gallery.product[place] == queries.product[query] >= 0
            and not (same_matrix and gallery.rows[place] == queries.rows[query])
        ]
        for query in range(len(queries))
    ]
    offsets, places = positive_pairs(queries, gallery, same_matrix)
    assert offsets.tolist() == [0, *np.cumsum([len(each) for each in expected])]
    assert places.tolist() == [place for each in expected for place in each]
    again, places, held = ordered_positives(queries, gallery, metric, same_matrix)
    np.testing.assert_array_equal(again, offsets)
    for query, each in enumerate(expected):
        part = slice(offsets[query], offsets[query + 1])
        ordered = sorted(each, key=lambda place: (distances[query, place], place))
        assert places[part].tolist() == ordered
        np.testing.assert_array_equal(held[part], distances[query, ordered])


def test_rows_known_by_other_numbers() -> None:
    """A moved query is a row of another matrix, yet not its own positive."""
    gallery = VectorSet(np.eye(3, dtype=np.float32), np.arange(3), np.zeros(3, int), np.zeros(3, int))
    moved = VectorSet(np.ones((1, 3), np.float32), np.arange(1), np.zeros(1, int), np.zeros(1, int), "q", np.array([2]))
    assert positive_pairs(moved, gallery, same_matrix=True)[1].tolist() == [0, 1]
