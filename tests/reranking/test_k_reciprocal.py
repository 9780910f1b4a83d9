"""Re-ranking is held against the dense form: on random vectors, ties, duplicates, few rows, all budgets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from fashret.errors import FashretError
from fashret.knn import Neighbours, Positives, SearchResult, SearchSpec, VectorSet, search
from fashret.reranking import k_reciprocal
from fashret.reranking.k_reciprocal import KReciprocal, rerank
from tests.dense_reranking import dense_result

SAME = 1e-9  # distances closer than this may come in either order


def side(vectors: np.ndarray, rows: np.ndarray, product: np.ndarray, category: np.ndarray) -> VectorSet:
    return VectorSet(vectors, rows, product[rows], category[rows])


def make_sides(
    rng: np.random.Generator, count: int, *, kind: str, same_matrix: bool, width: int = 7
) -> tuple[VectorSet, VectorSet]:
    """Two sides, `count` rows together: vectors that are normal, small integers (many ties), or mostly duplicates."""
    vectors = (
        rng.standard_normal((count, width)) + 2 * rng.standard_normal((count // 4 + 1, width))[np.arange(count) // 4]
    )
    if kind == "integers":
        vectors = rng.integers(0, 3, (count, width))
    if kind == "duplicates":
        vectors = vectors[rng.integers(0, max(1, count // 5), count)]
    if kind == "equal":
        vectors = np.ones((count, width))
    vectors = vectors.astype(np.float16 if kind == "float16" else np.float32)
    product = rng.integers(-1, max(1, count // 4), count)
    category = rng.integers(0, 3, count)
    if same_matrix:
        roles = rng.integers(1, 4, count)  # query, gallery, or both
        query, gallery = np.flatnonzero((roles & 1 > 0) & (product >= 0)), np.flatnonzero(roles & 2)
        return side(vectors, query, product, category), side(vectors, gallery, product, category)
    query, gallery = np.split(np.arange(count), [count // 3])
    query, gallery = query[product[query] >= 0], gallery - len(query)
    border = count // 3
    return (
        side(vectors[:border], query, product[:border], category[:border]),
        side(vectors[border:], gallery, product[border:], category[border:]),
    )


def check(
    queries: VectorSet,
    gallery: VectorSet,
    how: KReciprocal,
    request: SearchSpec,
    found: SearchResult,
    same: float = SAME,
) -> None:
    """Compare with the dense form: distances to 1e-9, order but for rows closer than that, duplicates in row order."""
    neighbours, positives = found
    final, allowed = dense_result(queries, gallery, request.same_matrix, k1=how.k1, k2=how.k2, weight=how.weight)
    if request.exclude_same_product:
        allowed &= queries.product[:, None] != gallery.product[None, :]
    final = np.where(allowed, final, np.inf)
    for query in range(len(queries.rows)):
        check_order(gallery, final[query], neighbours.rows[query], neighbours.distances[query], same)
    if positives is not None:
        check_positives(queries, gallery, final, neighbours, positives)


def check_order(gallery: VectorSet, final: np.ndarray, rows: np.ndarray, distances: np.ndarray, same: float) -> None:
    there = min(len(rows), int(np.isfinite(final).sum()))
    assert (rows[there:] == -1).all() and np.isnan(distances[there:]).all()
    places = np.searchsorted(gallery.rows, rows[:there])
    assert (gallery.rows[places] == rows[:there]).all() and len(set(places)) == there
    np.testing.assert_allclose(distances[:there], final[places], rtol=0, atol=same)
    np.testing.assert_allclose(distances[:there], np.sort(final)[:there], rtol=0, atol=same)
    vectors = gallery.vectors[gallery.rows]
    for one, other in zip(places[:-1], places[1:], strict=True):
        if (vectors[one] == vectors[other]).all() and final[one] == final[other]:
            assert one < other


def check_positives(
    queries: VectorSet, gallery: VectorSet, final: np.ndarray, neighbours: Neighbours, positives: Positives
) -> None:
    for query in range(len(queries.rows)):
        part = slice(positives.offsets[query], positives.offsets[query + 1])
        rows, ranks, distances = positives.rows[part], positives.ranks[part], positives.distances[part]
        same = (gallery.product == queries.product[query]) & np.isfinite(final[query])
        assert sorted(rows) == list(gallery.rows[same])
        assert (np.diff(ranks) > 0).all()
        for row, rank, distance in zip(rows, ranks, distances, strict=True):
            own = final[query, np.searchsorted(gallery.rows, row)]
            assert distance == pytest.approx(own, rel=0, abs=SAME)
            assert (final[query] < own - SAME).sum() <= rank < (final[query] <= own + SAME).sum()
            if rank < neighbours.rows.shape[1]:
                assert neighbours.rows[query, rank] == row


KINDS = ("normal", "integers", "duplicates", "equal", "float16")


@pytest.mark.parametrize("same_matrix", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_dense_form(kind: str, same_matrix: bool) -> None:
    rng = np.random.default_rng(3)
    for count in (1, 2, 5, 40, 120):
        queries, gallery = make_sides(rng, count, kind=kind, same_matrix=same_matrix)
        for how in (KReciprocal(20, 6, 0.3), KReciprocal(4, 2, 0.3), KReciprocal(5, 1, 0.7)):
            request = SearchSpec(k=9, same_matrix=same_matrix, positives=True)
            check(queries, gallery, how, request, rerank(queries, gallery, request, how))


def in_groups(sides: tuple[VectorSet, VectorSet], groups: int) -> tuple[VectorSet, VectorSet]:
    """Both sides with drawn identities; a row that is on both sides has one."""
    codes = np.random.default_rng(11).integers(0, groups, 200)
    queries, gallery = (replace(one, identity=codes[one.rows]) for one in sides)
    return queries, gallery


@pytest.mark.parametrize("same_matrix", [True, False])
@pytest.mark.parametrize("kind", ["normal", "integers", "duplicates"])
def test_rows_of_one_identity_never_find_each_other(kind: str, same_matrix: bool) -> None:
    sides = make_sides(np.random.default_rng(12), 120, kind=kind, same_matrix=same_matrix)
    queries, gallery = in_groups(sides, 8)
    how, request = KReciprocal(6, 3, 0.3), SearchSpec(k=90, same_matrix=same_matrix, positives=True)
    check(queries, gallery, how, request, rerank(queries, gallery, request, how))


@pytest.mark.parametrize("weight", [0.0, 1e-3, 1.0])
@pytest.mark.parametrize("kind", ["normal", "integers", "duplicates"])
def test_all_lambdas(kind: str, weight: float) -> None:
    queries, gallery = make_sides(np.random.default_rng(4), 90, kind=kind, same_matrix=True)
    how, request = KReciprocal(6, 3, weight), SearchSpec(k=30, same_matrix=True, positives=True)
    check(queries, gallery, how, request, rerank(queries, gallery, request, how))


def test_lambda_one_is_the_plain_order() -> None:
    queries, gallery = make_sides(np.random.default_rng(4), 90, kind="integers", same_matrix=False)
    plain, _ = search(queries, gallery, SearchSpec(k=40, metric="euclidean"))
    found, _ = rerank(queries, gallery, SearchSpec(k=40), KReciprocal(20, 6, 1.0))
    assert (found.rows == plain.rows).all()


@pytest.mark.parametrize("k", [1, 200])
def test_leaves_out_the_query_product(k: int) -> None:
    queries, gallery = make_sides(np.random.default_rng(5), 100, kind="normal", same_matrix=True)
    request = SearchSpec(k=k, same_matrix=True, exclude_same_product=True)
    check(queries, gallery, KReciprocal(6, 3, 0.3), request, rerank(queries, gallery, request, KReciprocal(6, 3, 0.3)))


@pytest.mark.parametrize("kind", ["normal", "equal"])
def test_nothing_depends_on_the_size_of_blocks(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    queries, gallery = make_sides(np.random.default_rng(6), 150, kind=kind, same_matrix=True)
    spec, found = SearchSpec(k=20, same_matrix=True, positives=True), []
    for larger in (1, 10**3, 10**5):
        monkeypatch.setattr(k_reciprocal, "BYTES_PER_PAIR", 192 * larger)
        monkeypatch.setattr(k_reciprocal, "BYTES_PER_WEIGHT", 24 * 300 * larger)
        neighbours, positives = rerank(queries, gallery, spec, KReciprocal(20, 6, 0.3))
        assert positives is not None
        found.append([neighbours.rows, neighbours.distances, positives.rows, positives.ranks, positives.distances])
    for one in found[1:]:
        for array, other in zip(one, found[0], strict=True):
            np.testing.assert_array_equal(array, other)


def test_numbers_that_cannot_be() -> None:
    for numbers in ((0, 6, 0.3), (20, 0, 0.3), (20, 6, -0.1), (20, 6, 1.1), (20, 6, float("nan"))):
        with pytest.raises(FashretError, match="re-ranking needs"):
            KReciprocal(*numbers)


def test_empty_sides() -> None:
    queries, gallery = make_sides(np.random.default_rng(7), 30, kind="normal", same_matrix=True)
    nothing = side(gallery.vectors, np.zeros(0, int), np.zeros(30, int), np.zeros(30, int))
    request = SearchSpec(k=3, same_matrix=True, positives=True)
    found, positives = rerank(queries, nothing, request, KReciprocal(20, 6, 0.3))
    assert found.rows.shape == (len(queries.rows), 3) and (found.rows == -1).all()
    assert positives is not None and len(positives.rows) == 0
    found, positives = rerank(nothing, gallery, request, KReciprocal(20, 6, 0.3))
    assert found.rows.shape == (0, 3)


@settings(max_examples=40)
@given(
    vectors=arrays(
        np.float32, array_shapes(min_dims=2, max_dims=2, max_side=14), elements=st.sampled_from([0.0, 1, 2.5])
    ),
    roles=st.lists(st.integers(1, 3), min_size=14, max_size=14),
    k1=st.integers(1, 16),
    k2=st.integers(1, 16),
    weight=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_any_small_set(vectors: np.ndarray, roles: list[int], k1: int, k2: int, weight: float) -> None:
    count = len(vectors)
    role, product, category = np.array(roles[:count]), np.arange(count) % 3, np.zeros(count, int)
    queries, gallery = (side(vectors, np.flatnonzero(role & bit), product, category) for bit in (1, 2))
    how, request = KReciprocal(k1, k2, weight), SearchSpec(k=5, same_matrix=True, positives=True)
    check(queries, gallery, how, request, rerank(queries, gallery, request, how))
