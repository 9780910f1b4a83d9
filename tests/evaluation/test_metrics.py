"""Scores from ranks against scikit-learn and loops over whole rankings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from fashret.evaluation.metrics import (
    NEVER,
    average_precision,
    first_product_ranks,
    first_ranks,
    hits_at,
    only_ranked,
)


def rankings(rng: np.random.Generator, queries: int, gallery: int, shuffle: bool) -> tuple:
    """Q×G: whether the image at a rank is a positive; offsets and ranks of the positives."""
    right = rng.random((queries, gallery)) < rng.random((queries, 1)) ** 3
    ranks = [np.flatnonzero(row) for row in right]
    if shuffle:
        ranks = [rng.permutation(row) for row in ranks]
    return right, np.cumsum([0, *map(len, ranks)]), np.concatenate([*ranks, np.zeros(0, int)]).astype(np.int64)


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), queries=st.integers(0, 8), gallery=st.integers(1, 40), shuffle=st.booleans())
def test_average_precision_is_scikit_learn_s(seed: int, queries: int, gallery: int, shuffle: bool) -> None:
    right, offsets, ranks = rankings(np.random.default_rng(seed), queries, gallery, shuffle)
    found = average_precision(offsets, ranks)
    for row, value in zip(right, found, strict=True):
        if row.any():
            assert value == pytest.approx(average_precision_score(row, -np.arange(gallery)), rel=1e-12)
        else:
            assert np.isnan(value)


def test_average_precision_is_not_interpolated() -> None:
    # hits at ranks 1 and 4 of 1, 2, …: (1/1 + 2/4) / 2; the trapezoid form would give 0.719
    assert average_precision(np.array([0, 2]), np.array([0, 3])).tolist() == [0.75]


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), ks=st.lists(st.integers(1, 50), min_size=1, max_size=4))
def test_hits_are_those_of_a_loop(seed: int, ks: list[int]) -> None:
    right, offsets, ranks = rankings(np.random.default_rng(seed), 6, 30, True)
    found = hits_at(first_ranks(offsets, ranks), ks)
    for row, hits in zip(right, found, strict=True):
        expected = [row[:k].any() for k in ks] if row.any() else [np.nan] * len(ks)
        np.testing.assert_array_equal(hits, np.array(expected, float))


def test_positives_of_another_category_are_left_out() -> None:
    offsets, ranks = only_ranked(np.array([0, 3, 3, 5]), np.array([-1, 4, 0, -1, -1]))
    assert offsets.tolist() == [0, 2, 2, 2]
    assert ranks.tolist() == [4, 0]
    np.testing.assert_array_equal(first_ranks(offsets, ranks), [0, NEVER, NEVER])


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), kept=st.integers(1, 12))
def test_products_are_collapsed_as_in_a_loop(seed: int, kept: int) -> None:
    rng = np.random.default_rng(seed)
    ranked = rng.integers(-1, 5, (7, 12))
    own, first = rng.integers(0, 6, 7), np.full(7, NEVER)
    expected = []
    for i, (row, product) in enumerate(zip(ranked, own, strict=True)):
        if product in row:
            first[i] = list(row).index(product)
        before, seen = 0, set()
        for other in row[: min(int(first[i]), kept)]:
            before += other < 0 or other not in seen
            seen.add(other)
        expected.append(before if product in row else NEVER)
    found = first_product_ranks(ranked[:, :kept], own, first, np.full(7, kept))
    assert found.tolist() == expected
