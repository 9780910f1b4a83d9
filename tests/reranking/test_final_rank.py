"""The final order against sorts of Python tuples, the limit of each positive against the comparison it stands for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from fashret.knn import Neighbours, Positives, VectorSet
from fashret.reranking.final_rank import (
    Found,
    PositiveCutoffs,
    count_overlapping,
    final_distance,
    overlapping,
    without_overlap,
)

Entry = tuple[float, float, int]  # final distance, distance, index in the gallery: compared in this order


def drawn(rng: np.random.Generator, queries: int, gallery: int, share: float) -> Found:
    """Some gallery rows of each query by query and index ascending; many equal distances, the same for each pair."""
    query, at = np.nonzero(rng.random((queries, gallery)) < share)
    return Found(query, rng.integers(0, 4, len(at)) / 4, (query + at) % 5 / 4, at)


def entries(found: Found, query: int) -> list[Entry]:
    chosen = found.query == query
    return list(
        zip(found.final[chosen].tolist(), found.distance[chosen].tolist(), found.at[chosen].tolist(), strict=True)
    )


@pytest.mark.parametrize("share", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("k", [1, 3, 100])
def test_best_are_the_first_of_a_sort(k: int, share: float) -> None:
    rng = np.random.default_rng(0)
    found = drawn(rng, 12, 20, share)
    mixed = Found._make(column[np.random.default_rng(1).permutation(len(found.query))] for column in found)
    best = mixed.best(k)
    assert best.query.tolist() == sorted(best.query.tolist())
    for query in range(12):
        assert entries(best, query) == sorted(entries(found, query))[:k]
    gallery = VectorSet(np.ones((60, 1), np.float32), np.arange(0, 60, 3), *np.full((2, 20), -1))
    table = found.as_neighbours(12, k, gallery)
    for query in range(12):
        first = sorted(entries(found, query))[:k]
        assert table.rows[query].tolist() == [3 * at for *_, at in first] + [-1] * (k - len(first))
        np.testing.assert_array_equal(table.distances[query, : len(first)], [final for final, *_ in first])
        assert np.isnan(table.distances[query, len(first) :]).all()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shares", [(0.5, 0.3), (0.05, 0.9), (0.0, 0.5), (0.5, 0.0)])
@pytest.mark.parametrize("k", [1, 4, 50])
def test_improved_by_rows_that_only_come_nearer(seed: int, shares: tuple[float, float], k: int) -> None:
    rng = np.random.default_rng(seed)
    mine = drawn(rng, 10, 25, shares[0])
    theirs = drawn(rng, 10, 25, shares[1])
    chosen = (theirs.query >= 3) & (theirs.query < 8)  # a range of the queries
    theirs = Found._make(column[chosen] for column in theirs)
    before = {(query, at): final for query, final, _, at in zip(*mine, strict=True)}
    known = [before.get((query, at), np.inf) for query, at in zip(theirs.query, theirs.at, strict=True)]
    theirs = theirs._replace(final=np.minimum(theirs.final, known))  # overlap only ever brings a row nearer
    found = mine.best(k).improved_by(theirs, k)
    for query in range(10):
        merged = {at: (final, distance, at) for final, distance, at in entries(mine, query)}
        merged |= {at: (final, distance, at) for final, distance, at in entries(theirs, query)}
        assert entries(found, query) == sorted(merged.values())[:k]


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_cutoffs_count_what_a_comparison_counts(weight: float) -> None:
    rng = np.random.default_rng(3)
    count, size = 6, 40
    gallery = VectorSet(np.ones((2 * size, 1), np.float32), np.arange(1, 2 * size, 2), *np.full((2, size), -1))
    distances = rng.choice([0.0, 0.25, 0.5, np.nextafter(0.5, 1), 1.0, 3.0], (count, size))
    scale = distances.max(axis=1)
    sums = np.where(rng.random((count, size)) < 0.4, rng.choice([1e-17, 0.2, 0.7, 1.0], (count, size)), 0.0)
    final = final_distance(sums, distances, scale[:, None], weight)
    query, at = np.nonzero(rng.random((count, size)) < 0.5)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(query, minlength=count))])
    positives = Positives(offsets, gallery.rows[at], at, at, distances[query, at])
    cutoffs = PositiveCutoffs.of(positives, gallery, sums[query, at], scale, weight)
    np.testing.assert_array_equal(cutoffs.final, final[query, at])
    met = sparse.csr_array(sums)
    count_overlapping(overlapping(met, distances[met.nonzero()], (0, 0), scale, weight), cutoffs)
    for p in range(len(at)):
        own = final[query[p], at[p]], distances[query[p], at[p]], at[p]
        limit = cutoffs.limit[p], cutoffs.limit_at[p]
        for j in range(size):
            mine = distances[query[p], j], j
            if not sums[query[p], j]:
                assert (mine < limit) == ((final[query[p], j], *mine) < own)
        overlaps = np.flatnonzero(sums[query[p]])
        assert cutoffs.better[p] == sum((final[query[p], j], distances[query[p], j], j) < own for j in overlaps)
        assert cutoffs.nearer[p] == sum((distances[query[p], j], j) < limit for j in overlaps)


def test_rows_without_overlap_keep_the_order_of_the_plain_search() -> None:
    gallery = VectorSet(np.ones((9, 1), np.float32), np.array([2, 5, 8]), *np.full((2, 3), -1))
    plain = Neighbours(np.array([[8, 2, -1], [-1, -1, -1]]), np.array([[0.5, 1.0, np.nan], [np.nan] * 3]))
    found = without_overlap(plain, gallery, np.array([2.0, 1.0]), 0.5)
    assert found.query.tolist() == [0, 0] and found.at.tolist() == [2, 0]
    assert found.final.tolist() == [0.5 + 0.125, 0.5 + 0.25] and found.distance.tolist() == [0.5, 1.0]
