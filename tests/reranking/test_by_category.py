"""Re-ranking held to categories is one run for each, and the unconstrained one never decides a rank in a category."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.knn import SearchResult, SearchSpec, VectorSet, WorkStats
from fashret.knn.results import categories_of
from fashret.reranking import by_category
from fashret.reranking import estimate as estimates
from fashret.reranking.by_category import rerank_all, rerank_categories
from fashret.reranking.k_reciprocal import KReciprocal, rerank
from fashret.reranking.single_query import rerank_single
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


HOW = KReciprocal(5, 3, 0.3)
Sides = tuple[VectorSet, VectorSet]


class Store:
    """Keeps everything that it is offered."""

    def __init__(self, kept: dict[str, dict]) -> None:
        self.kept = kept

    def load(self, name: str) -> dict:
        return self.kept.get(name, {})

    def offer(self, name: str, arrays: dict) -> None:
        self.kept[name] = {key: array.copy() for key, array in arrays.items()}


def sides(same_matrix: bool) -> Sides:
    queries, gallery = make_sides(np.random.default_rng(5), 150, kind="normal", same_matrix=same_matrix)
    queries.category[::7], gallery.category[::11] = -1, -1
    if same_matrix:  # a row that is both has one category
        both = np.isin(queries.rows, gallery.rows)
        queries.category[both] = gallery.category[np.searchsorted(gallery.rows, queries.rows[both])]
    return queries, gallery


def run(method: Any, both: Sides, spec: SearchSpec) -> SearchResult:
    return rerank_all(lambda asked, searched, held, lists: method(asked, searched, held, HOW, lists), *both, spec)


@pytest.mark.parametrize("same_matrix", [True, False])
@pytest.mark.parametrize("method", [rerank, rerank_single])
def test_shared_lists_change_nothing(method: Any, same_matrix: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    both, spec = sides(same_matrix), SearchSpec(k=6, same_matrix=same_matrix, positives=True)
    expected, positives = run(method, both, spec)
    for least in (1, 40, 10**9):
        monkeypatch.setattr(by_category, "SMALLEST_PART", least)
        found, of_shared = run(method, both, spec)
        np.testing.assert_array_equal(found.rows, expected.rows)
        np.testing.assert_array_equal(found.distances, expected.distances)
        assert positives is not None and of_shared is not None
        for name in ("offsets", "rows", "ranks", "ranks_in_category", "distances"):
            np.testing.assert_array_equal(getattr(of_shared, name), getattr(positives, name))


def test_shared_lists_save_their_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    both, stats = sides(same_matrix=False), WorkStats()
    spec = SearchSpec(k=6, positives=True, arithmetic="float32")
    pairs = []
    for least in (1, 10**9):
        monkeypatch.setattr(by_category, "SMALLEST_PART", least)
        stats = WorkStats()
        run(rerank, both, replace(spec, stats=stats))
        pairs.append(stats.pairs["float32"])
    sizes = [sum(int((side.category == one).sum()) for side in both) for one in np.unique(both[0].category) if one >= 0]
    assert pairs[1] - pairs[0] == sum(size**2 for size in sizes)


@pytest.mark.parametrize("least", [1, 10**9])
def test_the_least_memory_is_enough_and_one_byte_less_is_not(least: int, monkeypatch: pytest.MonkeyPatch) -> None:
    both, spec = sides(same_matrix=False), SearchSpec(k=1, positives=True)
    for module in (by_category, estimates):
        monkeypatch.setattr(module, "SMALLEST_PART", least)
    enough = estimates.estimate(*both, spec, HOW.list_length).least
    run(rerank, both, replace(spec, memory=enough))
    with pytest.raises(FashretError, match="least is"):
        run(rerank, both, replace(spec, memory=enough - 1))


def test_lists_that_an_earlier_version_kept_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_category, "SMALLEST_PART", 1)

    both, spec, store = sides(same_matrix=False), SearchSpec(k=6, positives=True), Store({})

    def method(asked: VectorSet, searched: VectorSet, held: SearchSpec, lists: Any) -> SearchResult:
        return rerank(asked, searched, held, HOW, lists)

    expected = rerank_all(method, *both, spec, store)
    assert "gallery, from categories" in store.kept
    method(*both, spec, by_category.NeighbourLists((old := Store({}), "gallery")).make)  # without known lists
    assert set(old.kept) == {"gallery"}
    stats = WorkStats()
    found = rerank_all(method, *both, replace(spec, stats=stats, arithmetic="float32"), old)
    np.testing.assert_array_equal(found.neighbours.rows, expected.neighbours.rows)
    assert "gallery, from categories" not in old.kept


@pytest.mark.parametrize("method", [rerank, rerank_single])
def test_work_that_is_kept_changes_nothing(method: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries inside the gallery and others are two runs of `rerank_single`, the second without shared lists."""
    monkeypatch.setattr(by_category, "SMALLEST_PART", 1)
    both, spec = sides(same_matrix=True), SearchSpec(k=6, same_matrix=True, positives=True)
    inside = np.isin(both[0].rows, both[1].rows)
    assert inside.any() and not inside.all()

    def asked(queries: VectorSet, gallery: VectorSet, held: SearchSpec, lists: Any) -> SearchResult:
        return method(queries, gallery, held, HOW, lists)

    expected, store = rerank_all(asked, *both, spec), Store({})
    for _ in range(2):  # the second finds everything done
        found = rerank_all(asked, *both, spec, store)
        np.testing.assert_array_equal(found.neighbours.rows, expected.neighbours.rows)
        np.testing.assert_array_equal(found.neighbours.distances, expected.neighbours.distances)
        assert found.positives is not None and expected.positives is not None
        np.testing.assert_array_equal(found.positives.ranks, expected.positives.ranks)
