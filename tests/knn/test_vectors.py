"""Vector sets from plain matrices."""

from __future__ import annotations

import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.knn.vectors import VectorSet


def test_a_matrix_is_taken_as_it_is_where_it_can_be_searched() -> None:
    for dtype in (np.float32, np.float16):
        vectors = np.ones((3, 2), dtype)
        assert VectorSet.of(vectors).vectors is vectors
    for other in (np.ones((3, 2)), np.ones((3, 2), int), [[1, 1]] * 3):
        assert VectorSet.of(other).vectors.dtype == np.float32
    assert VectorSet.of(np.ones((3, 2)), category=np.array([1, -1, 0], np.int16)).category.dtype == np.int64
    assert len(VectorSet.of(np.ones((0, 2)), product=[])) == 0


@pytest.mark.parametrize(
    ("vectors", "codes", "message"),
    [
        ([1, 2], None, "queries: should be a matrix of numbers, one row per vector, and are int64 of shape"),
        ([["a"]], None, "queries: should be a matrix of numbers"),
        ([[1], [1, 2]], None, "queries: should be a matrix of numbers, and its rows differ in length"),
        ([[1, 2]], ["bag"], "queries: product should be one whole number for each of 1 rows and is <U3"),
        ([[1, 2]], [1, 2], "queries: product should be one whole number for each of 1 rows"),
        ([[1, 2]], [0.5], "queries: product should be one whole number"),
    ],
)
def test_what_is_no_set_of_vectors_is_one_line(vectors, codes, message: str) -> None:
    with pytest.raises(FashretError, match=message):
        VectorSet.of(vectors, codes, name="queries")
