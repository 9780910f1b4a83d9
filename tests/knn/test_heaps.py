"""Heaps of the k nearest against full sorts."""

from __future__ import annotations

import numpy as np
import pytest

from fashret.knn.heaps import NOWHERE, comes_before, replace_in_group, replace_root


def pairs(seed: int, count: int = 60) -> list[tuple[float, int]]:
    rng = np.random.default_rng(seed)
    return [(float(rng.integers(8)), int(number)) for number in rng.permutation(count)]  # with ties


@pytest.mark.parametrize("k", [1, 2, 7, 60, 70])
@pytest.mark.parametrize("seed", range(3))
def test_a_heap_keeps_the_first_of_a_sort(k: int, seed: int) -> None:
    distances, numbers = np.full(k, np.inf), np.full(k, NOWHERE)
    for distance, number in pairs(seed):
        if comes_before(distance, number, distances[0], numbers[0]):
            replace_root(distances, numbers, distance, number)
    first = sorted(pairs(seed))[:k]
    assert sorted(zip(distances.tolist(), numbers.tolist(), strict=True))[: len(first)] == first
    assert (numbers == NOWHERE).sum() == k - len(first)


@pytest.mark.parametrize("k", [1, 2, 7, 30])
@pytest.mark.parametrize("seed", range(3))
def test_of_a_group_the_first_has_a_slot(k: int, seed: int) -> None:
    distances, numbers, groups = np.full(k, np.inf), np.full(k, NOWHERE), np.full(k, NOWHERE)
    best: dict[int, tuple[float, int]] = {}
    for distance, number in pairs(seed):
        group = number % 11
        best[group] = min(best.get(group, (distance, number)), (distance, number))
        if comes_before(distance, number, distances[0], numbers[0]):
            replace_in_group(distances, numbers, groups, distance, number, group)
    first = sorted(best.values())[:k]
    assert sorted(zip(distances.tolist(), numbers.tolist(), strict=True))[: len(first)] == first
    assert groups[numbers != NOWHERE].tolist() == [number % 11 for number in numbers[numbers != NOWHERE]]
