"""Query expansion is held against loops over whole matrices."""

from __future__ import annotations

import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.knn import SearchSpec, VectorSet
from fashret.reranking.query_expansion import Expansion, rerank_expanded
from tests.reranking.test_k_reciprocal import in_groups, make_sides


def unit(vectors: np.ndarray) -> np.ndarray:
    vectors = vectors.astype(np.float64)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def slow(queries: VectorSet, gallery: VectorSet, how: Expansion, request: SearchSpec) -> np.ndarray:
    """Q×G cosine distances of the expanded queries, ∞ where a pair does not count."""
    stored = unit(gallery.vectors[gallery.rows])
    allowed = np.ones((len(queries), len(gallery)), bool)
    if request.same_matrix:
        allowed &= queries.rows[:, None] != gallery.rows
    if gallery.identity is not None:
        allowed &= queries.itself[:, None] != gallery.identity
    if request.exclude_same_product:
        allowed &= queries.product[:, None] != gallery.product
    final = np.empty(allowed.shape)
    for i, row in enumerate(queries.rows):
        own = unit(queries.vectors[row])
        similarity = np.where(allowed[i], stored @ own, -np.inf)
        total = own.copy()
        for place in np.argsort(-similarity, kind="stable")[: how.neighbours]:
            if allowed[i, place]:
                total += max(similarity[place], 0.0) ** how.alpha * stored[place]
        final[i] = 1 - stored @ unit(unit(total).astype(np.float32))
    return np.where(allowed, final, np.inf)


@pytest.mark.parametrize("same_matrix", [True, False])
@pytest.mark.parametrize("how", [Expansion(10), Expansion(3, 3.0), Expansion(200, 1.0)])
@pytest.mark.parametrize("groups", [0, 6])
def test_equals_loops(how: Expansion, same_matrix: bool, groups: int) -> None:
    """Also where rows of one of several identities never find each other."""
    queries, gallery = make_sides(np.random.default_rng(1), 90, kind="normal", same_matrix=same_matrix)
    queries, gallery = in_groups((queries, gallery), groups) if groups else (queries, gallery)
    request = SearchSpec(k=100, same_matrix=same_matrix, positives=True)
    found, positives = rerank_expanded(queries, gallery, request, how)
    assert positives is not None
    final = slow(queries, gallery, how, request)
    order = np.argsort(final, axis=1, kind="stable")
    for i in range(len(queries)):
        there = int(np.isfinite(final[i]).sum())
        np.testing.assert_array_equal(found.rows[i, :there], gallery.rows[order[i, :there]])
        np.testing.assert_allclose(found.distances[i, :there], final[i, order[i, :there]], atol=1e-12)
        assert (found.rows[i, there:] == -1).all()
        mine = slice(positives.offsets[i], positives.offsets[i + 1])
        expected = [
            (gallery.rows[place], rank)
            for rank, place in enumerate(order[i, :there])
            if gallery.product[place] == queries.product[i]
        ]
        assert list(zip(positives.rows[mine], positives.ranks[mine], strict=True)) == expected


@pytest.mark.parametrize("k", [1, 7])
def test_leaves_out_the_query_product(k: int) -> None:
    queries, gallery = make_sides(np.random.default_rng(2), 60, kind="normal", same_matrix=True)
    request = SearchSpec(k=k, same_matrix=True, exclude_same_product=True)
    found, positives = rerank_expanded(queries, gallery, request, Expansion(4))
    assert positives is None
    order = np.argsort(slow(queries, gallery, Expansion(4), request), axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(found.rows, gallery.rows[order])


def test_few_rows() -> None:
    for count in (1, 2, 3):
        queries, gallery = make_sides(np.random.default_rng(5), count, kind="normal", same_matrix=True)
        found, _ = rerank_expanded(queries, gallery, SearchSpec(k=2, same_matrix=True), Expansion(10))
        assert found.rows.shape == (len(queries), 2)


def test_numbers_that_cannot_be() -> None:
    for numbers in ((0, 1.0), (10, -1.0), (10, float("nan")), (10, float("inf"))):
        with pytest.raises(FashretError, match="query expansion needs"):
            Expansion(*numbers)
