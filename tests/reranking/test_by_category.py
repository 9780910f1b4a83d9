"""Re-ranking held to categories is one run for each, and the unconstrained one never decides a rank in a category."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fashret.knn import SearchResult, SearchSpec, VectorSet
from fashret.knn.results import categories_of
from fashret.reranking.by_category import rerank_all, rerank_categories
from fashret.reranking.k_reciprocal import KReciprocal, rerank
from tests.reranking.test_k_reciprocal import make_sides


def method(queries: VectorSet, gallery: VectorSet, spec: SearchSpec, keep: Any = None) -> SearchResult:
    return rerank(queries, gallery, spec, KReciprocal(5, 3, 0.3), keep)


ASKED = SearchSpec(k=6, same_matrix=True, positives=True)


def test_each_category_is_a_run_of_its_own() -> None:
    queries, gallery = make_sides(np.random.default_rng(1), 120, kind="normal", same_matrix=True)
    queries.category[::7] = -1
    found, positives = rerank_categories(method, queries, gallery, ASKED)
    assert positives is not None
    seen = np.flatnonzero(queries.category < 0)
    assert (found.rows[seen] == -1).all() and np.isnan(found.distances[seen]).all()
    for _, asked, of_gallery in categories_of(queries, gallery):
        alone, their = method(queries.take(asked), gallery.take(of_gallery), ASKED)
        np.testing.assert_array_equal(found.rows[asked], alone.rows)
        np.testing.assert_array_equal(found.distances[asked], alone.distances)
        for place, query in enumerate(asked):
            mine, alone_mine = (slice(*part.offsets[i : i + 2]) for part, i in ((positives, query), (their, place)))
            for name in ("rows", "ranks", "distances"):
                np.testing.assert_array_equal(getattr(positives, name)[mine], getattr(their, name)[alone_mine])
        seen = np.concatenate([seen, asked])
    assert sorted(seen) == list(range(len(queries)))


def test_the_whole_gallery_takes_ranks_in_category_from_those_runs() -> None:
    queries, gallery = make_sides(np.random.default_rng(2), 120, kind="normal", same_matrix=True)
    found, positives = rerank_all(method, queries, gallery, ASKED)
    plain, plain_positives = method(queries, gallery, ASKED)
    _, held = rerank_categories(method, queries, gallery, ASKED)
    assert positives is not None and plain_positives is not None and held is not None
    np.testing.assert_array_equal(found.rows, plain.rows)
    np.testing.assert_array_equal(positives.ranks, plain_positives.ranks)
    query, held_query = (np.repeat(np.arange(len(queries)), np.diff(part.offsets)) for part in (positives, held))
    rank = dict(zip(zip(held_query, held.rows, strict=True), held.ranks, strict=True))
    expected = [rank.get(pair, -1) for pair in zip(query, positives.rows, strict=True)]
    np.testing.assert_array_equal(positives.ranks_in_category, expected)
    assert -1 in expected and max(expected) > 0


@pytest.mark.parametrize("category", [0, -1])
def test_one_category_needs_no_second_run(category: int) -> None:
    queries, gallery = (
        replace(side, category=np.full(len(side), category))
        for side in make_sides(np.random.default_rng(3), 60, kind="normal", same_matrix=True)
    )
    runs = []

    def counted(*arguments: Any) -> tuple:
        runs.append(arguments)
        return method(*arguments)

    _, positives = rerank_all(counted, queries, gallery, ASKED)
    assert positives is not None and len(runs) == 1
    expected = positives.ranks if category == 0 else np.full(len(positives.ranks), -1)
    np.testing.assert_array_equal(positives.ranks_in_category, expected)


def test_held_to_the_category() -> None:
    queries, gallery = make_sides(np.random.default_rng(4), 80, kind="normal", same_matrix=True)
    request = replace(ASKED, within="category")
    found, positives = rerank_all(method, queries, gallery, request)
    expected, _ = rerank_categories(method, queries, gallery, ASKED)
    np.testing.assert_array_equal(found.rows, expected.rows)
    assert positives is not None
    np.testing.assert_array_equal(positives.ranks, positives.ranks_in_category)
    assert rerank_all(method, queries, gallery, replace(request, positives=False))[1] is None
