"""Each query alone is held against re-ranking the gallery and this one query, and against the dense form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from fashret.knn import SearchSpec, VectorSet
from fashret.reranking.k_reciprocal import KReciprocal, rerank
from fashret.reranking.single_query import rerank_single
from tests.reranking.test_k_reciprocal import check, in_groups, make_sides, side


def check_alone(queries: VectorSet, gallery: VectorSet, request: SearchSpec, how: KReciprocal) -> None:
    found, positives = rerank_single(queries, gallery, request, how)
    for place in range(len(queries)):
        one = queries.take(np.array([place]))
        alone, their = rerank(one, gallery, request, how)
        part = type(found)(found.rows[[place]], found.distances[[place]])
        mine = None
        if positives is not None and their is not None:
            at = slice(positives.offsets[place], positives.offsets[place + 1])
            columns = (positives.rows, positives.ranks, positives.ranks_in_category, positives.distances)
            mine = type(positives)(np.array([0, at.stop - at.start]), *(column[at] for column in columns))
            np.testing.assert_array_equal(np.sort(mine.rows), np.sort(their.rows))
        check(one, gallery, how, request, (part, mine))
        np.testing.assert_allclose(part.distances, alone.distances, rtol=0, atol=1e-12)


@pytest.mark.parametrize("same_matrix", [True, False])
@pytest.mark.parametrize("kind", ["normal", "integers", "duplicates", "equal", "float16"])
def test_each_query_as_if_it_were_alone(kind: str, same_matrix: bool) -> None:
    rng = np.random.default_rng(8)
    for count, how in (
        (2, KReciprocal(20, 6, 0.3)),
        (7, KReciprocal(3, 2, 0.3)),
        (60, KReciprocal(5, 3, 0.3)),
        (60, KReciprocal(20, 6, 0.1)),
    ):
        queries, gallery = make_sides(rng, count, kind=kind, same_matrix=same_matrix)
        if len(queries) and len(gallery):
            queries = queries.take(np.arange(0, len(queries), 3))
            check_alone(queries, gallery, SearchSpec(k=8, same_matrix=same_matrix, positives=True), how)


@pytest.mark.parametrize("same_matrix", [True, False])
def test_rows_of_one_identity_never_find_each_other(same_matrix: bool) -> None:
    sides = make_sides(np.random.default_rng(12), 60, kind="normal", same_matrix=same_matrix)
    request = SearchSpec(k=8, same_matrix=same_matrix, positives=True)
    check_alone(*in_groups(sides, 6), request, KReciprocal(5, 3, 0.3))


def test_the_other_queries_do_not_matter() -> None:
    queries, gallery = make_sides(np.random.default_rng(9), 120, kind="normal", same_matrix=True)
    request = SearchSpec(k=10, same_matrix=True)
    found, _ = rerank_single(queries, gallery, request, KReciprocal(6, 3, 0.3))
    some = np.arange(0, len(queries), 4)
    fewer, _ = rerank_single(queries.take(some), gallery, request, KReciprocal(6, 3, 0.3))
    np.testing.assert_array_equal(found.rows[some], fewer.rows)
    np.testing.assert_array_equal(found.distances[some], fewer.distances)
    together, _ = rerank(queries, gallery, request, KReciprocal(6, 3, 0.3))
    assert (together.rows != found.rows).any()  # and together they do


def test_a_far_query_rescales_the_gallery() -> None:
    rng = np.random.default_rng(10)
    vectors = rng.standard_normal((60, 5)).astype(np.float32)
    vectors[:3] *= 20  # queries farther from every row than any other row
    product, category = np.arange(60) % 5, np.zeros(60, int)
    queries, gallery = (side(vectors, rows, product, category) for rows in (np.arange(3), np.arange(3, 60)))
    check_alone(queries, gallery, SearchSpec(k=57, same_matrix=True, positives=True), KReciprocal(6, 3, 0.3))


@settings(max_examples=25)
@given(
    vectors=arrays(
        np.float32,
        array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=12),
        elements=st.sampled_from([0.0, 1, 2.5]),
    ),
    roles=st.lists(st.integers(1, 3), min_size=12, max_size=12),
    k1=st.integers(1, 14),
    k2=st.integers(1, 14),
)
def test_any_small_set(vectors: np.ndarray, roles: list[int], k1: int, k2: int) -> None:
    count = len(vectors)
    role, product, category = np.array(roles[:count]), np.arange(count) % 3, np.zeros(count, int)
    queries, gallery = (side(vectors, np.flatnonzero(role & bit), product, category) for bit in (1, 2))
    check_alone(queries, gallery, SearchSpec(k=5, same_matrix=True, positives=True), KReciprocal(k1, k2, 0.3))
