"""Hardest examples of a batch: exact distances, anchors without a pair, ties."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fashret.learning.mining import batch_hard, distances, spread


def test_distances_are_exact_also_far_from_the_origin():
    """‖a‖² + ‖b‖² − 2ab would leave nothing of a small distance."""
    far = torch.full((3, 64), 1e4) + torch.arange(64)
    far[2, 5] += 0.5
    expected = torch.tensor([[0.0, 0.0, 0.5], [0.0, 0.0, 0.5], [0.5, 0.5, 0.0]])
    assert torch.equal(distances(far, far), expected)
    assert torch.equal(distances(far, far, squared=True), expected**2)


def test_an_anchor_without_negatives_is_not_found():
    points, everything = torch.tensor([[0.0], [1.0], [1.0]]), torch.ones(3, dtype=torch.bool)
    distance = distances(points, points)
    assert batch_hard(distance, torch.tensor([4, 4, 4]), everything).found.tolist() == [False] * 3
    assert batch_hard(distance, torch.tensor([4, 4, 5]), everything).found.tolist() == [True, True, False]
    assert batch_hard(distance, torch.tensor([4, 4, 5]), everything & (points[:, 0] < 1)).found.tolist() == [False] * 3


def test_ties_in_mining_go_to_the_first_row():
    points = torch.tensor([[0.0], [1.0], [1.0], [-1.0]])
    hardest = batch_hard(distances(points, points), torch.tensor([0, 1, 1, 2]), torch.ones(4, dtype=torch.bool))
    assert hardest.negative_row[0] == 1


@given(seed=st.integers(0, 10**6), products=st.integers(1, 4), images=st.integers(1, 4))
def test_the_hardest_of_a_batch_against_loops(seed: int, products: int, images: int) -> None:
    random = np.random.default_rng(seed)
    labels = random.permutation(np.repeat(np.arange(products), images))
    valid = random.random(len(labels)) >= 0.2
    points = torch.tensor(random.normal(size=(len(labels), 3)).round(1))  # with ties
    distance = distances(points, points)
    hardest = batch_hard(distance, torch.tensor(labels), torch.tensor(valid))
    for a in range(len(labels)):
        others = [i for i in range(len(labels)) if i != a and valid[i] and valid[a]]
        positives = [float(distance[a, i]) for i in others if labels[i] == labels[a]]
        negatives = [float(distance[a, i]) for i in others if labels[i] != labels[a]]
        assert bool(hardest.found[a]) == bool(positives and negatives)
        if hardest.found[a]:
            assert float(hardest.positive[a]) == max(positives) and float(hardest.negative[a]) == min(negatives)
            assert float(distance[a, hardest.negative_row[a]]) == min(negatives)


def test_lengths_and_distances_are_those_of_the_images_alone():
    feature = torch.tensor([[3.0, 4.0], [0.0, 0.0], [99.0, 99.0], [0.0, 5.0]], requires_grad=True)
    norm, distance = spread(feature, torch.tensor([True, True, False, True]))
    assert float(norm) == pytest.approx(10 / 3) and not norm.requires_grad
    assert float(distance) == pytest.approx((5 + math.hypot(3, 1) + 5) / 3)
    assert [float(value) for value in spread(feature, torch.tensor([True, False, False, False]))] == [0.0, 0.0]


def test_spread_is_the_mean_length_and_the_mean_distance_of_pairs() -> None:
    feature, valid = (
        torch.tensor([[3.0, 4.0], [0.0, 0.0], [9.0, 9.0], [6.0, 8.0]]),
        torch.tensor([True, True, False, True]),
    )
    norm, distance = spread(feature, valid)
    assert float(norm) == pytest.approx((5 + 0 + 10) / 3) and float(distance) == pytest.approx((5 + 5 + 10) / 3)
    assert [float(part) for part in spread(feature[:1], valid[:1])] == [0, 0]


@pytest.mark.parametrize("width", [6, 100, 2048])
def test_equal_features_of_a_large_batch_are_0_apart(width: int) -> None:
    """From 26 rows on torch would take matrix products, which leave some 4e-4 of the length."""
    for seed in range(6):
        row = torch.rand(width, generator=torch.Generator().manual_seed(seed))
        _, distance = spread(row.expand(64, width), torch.ones(64, dtype=torch.bool))
        assert float(distance) == 0
