"""The estimate of a re-ranking: the least memory is enough, one byte less is not, and work is counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.knn import SearchSpec, VectorSet, all_neighbours, search
from fashret.reranking.estimate import Estimate, estimate
from fashret.reranking.union import Union
from tests.knn_case import with_ties

LENGTH = 5  # of the neighbour lists


def sides(same_matrix: bool, queries: int = 40, gallery: int = 300) -> tuple[VectorSet, VectorSet]:
    rng = np.random.default_rng(0)
    vectors = with_ties(rng, queries + gallery, 12)
    product, category = rng.integers(0, 9, len(vectors)), rng.integers(0, 3, len(vectors))
    one, other = np.split(np.arange(len(vectors)), [queries])
    if same_matrix:
        one = np.sort(np.append(one, other[: queries // 2]))
    return VectorSet(vectors, one, product[one], category[one]), VectorSet(
        vectors, other, product[other], category[other]
    )


def run(queries: VectorSet, gallery: VectorSet, spec: SearchSpec) -> None:
    """What a re-ranking looks up: the plain search, and the neighbour lists of all rows."""
    search(queries, gallery, spec)
    all_neighbours(Union.of(queries, gallery, spec.same_matrix).sets, replace(spec, k=LENGTH))


@pytest.mark.parametrize("same_matrix", [True, False])
@pytest.mark.parametrize("positives", [True, False])
@pytest.mark.parametrize("k", [1, 900])
def test_the_least_memory_is_enough_and_one_byte_less_is_not(same_matrix: bool, positives: bool, k: int) -> None:
    queries, gallery = sides(same_matrix)
    spec = SearchSpec(k=k, metric="euclidean", same_matrix=same_matrix, positives=positives)
    least = estimate(queries, gallery, spec, LENGTH).least
    run(queries, gallery, replace(spec, memory=least))
    with pytest.raises(FashretError, match=f"the least is {least:,} bytes"):
        run(queries, gallery, replace(spec, memory=least - 1))


def test_counts_the_rows_and_products_of_every_run() -> None:
    queries, gallery = sides(same_matrix=False)
    both = [sum(int((side.category == c).sum()) for side in (queries, gallery)) for c in range(3)]
    whole, held, ranked = (
        estimate(queries, gallery, spec, LENGTH)
        for spec in (SearchSpec(), SearchSpec(within="category"), SearchSpec(positives=True))
    )
    assert (whole.rows, whole.products) == (340, 340**2 * 12 // 2)
    assert (held.rows, held.products) == (max(both), sum(size**2 for size in both) * 12 // 2)
    assert (ranked.rows, ranked.products) == (340, whole.products + held.products)
    assert (
        estimate(*sides(same_matrix=True), SearchSpec(same_matrix=True), LENGTH).rows == 340
    )  # a row that is both once
    assert held.least <= whole.least and held.memory < whole.memory <= SearchSpec().memory


def test_what_must_be_held_is_never_less_than_the_estimate() -> None:
    queries, gallery = sides(same_matrix=False)
    little, much = (estimate(queries, gallery, SearchSpec(memory=memory), 200) for memory in (1, 10**9))
    assert little.least == much.least and 1 < little.memory < much.memory
    assert estimate(queries, gallery, SearchSpec(), 400).least > estimate(queries, gallery, SearchSpec(), 2).least


def test_seconds_follow_from_the_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fashret.reranking.estimate.seconds_per_product", lambda: 1e-3)
    assert Estimate(1, 2000, 1, 1).seconds == pytest.approx(3)


def test_empty_sides() -> None:
    queries, gallery = sides(same_matrix=False)
    for one, other in ((queries.take(np.zeros(0, int)), gallery), (queries, gallery.take(np.zeros(0, int)))):
        assert estimate(one, other, SearchSpec(positives=True), LENGTH).rows == len(one) + len(other)
        assert estimate(one, other, SearchSpec(within="category"), LENGTH).least >= 0
