"""Reductions of hand-made candidates against full sorts."""

from __future__ import annotations

import numpy as np
import pytest

from fashret.knn.bounds import float32_at_least, float32_at_most
from fashret.knn.candidates import LEFT_TO_FINER, Candidates, Limits
from fashret.knn.heaps import NOWHERE
from fashret.knn.reductions import FarthestDistance, KNearest, RankCounters, Reduction
from fashret.knn.vectors import BlockData, BlockPair
from tests import brute

ROWS, COLUMNS, FIRST = 9, 40, 3  # rows; columns; the number of the first row among those of the columns


def drawn_data(rng: np.random.Generator, numbers: np.ndarray) -> BlockData:
    size = len(numbers)
    vectors = np.zeros((size, 1), np.float32)
    codes = rng.integers(-1, 3, size), rng.integers(-1, 2, size)
    return BlockData(vectors, np.zeros(size), numbers, *codes, numbers, numbers)


class Case:
    """Distances with ties, shown tile by tile, as a scan does; bounds are exact if the seed is even."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.distances = rng.integers(1, 25, (ROWS, COLUMNS)) / 24
        self.blur = rng.random((2, ROWS, COLUMNS)) * 0.3 * (seed % 2)  # what bounds are off by
        self.rows = drawn_data(rng, FIRST + np.arange(ROWS))
        self.columns = drawn_data(rng, np.arange(COLUMNS))

    def in_groups(self, size: int) -> Case:
        """The same with ``size`` adjoining numbers for one and the same thing."""
        self.rows, self.columns = (data._replace(identity=data.numbers // size) for data in (self.rows, self.columns))
        return self

    def show(self, reduction: Reduction, *, tiles: tuple[int, ...] = (0, 11, 12, 30, COLUMNS)) -> int:
        """How many distances were needed."""
        needed = 0
        for first, last in zip(tiles[:-1], tiles[1:], strict=True):
            columns = BlockData._make(column[first:last] for column in self.columns)
            pair, which = BlockPair(self.rows, columns, False), np.arange(ROWS)
            exact = self.distances[:, first:last]
            lower = float32_at_most(exact - self.blur[0, :, first:last])
            upper = float32_at_least(exact + self.blur[1, :, first:last])
            near, far, seeds = reduction.narrow(Limits.nothing(ROWS), pair, which)
            matters = (
                (lower <= near[:, None]) | (upper >= far[:, None]) | (seeds > 0)[:, None] | np.isneginf(far)[:, None]
            )
            offsets, others = np.concatenate([[0], np.cumsum(matters.sum(axis=1))]), np.nonzero(matters)[1]
            some = Candidates.of(which, offsets, others.astype(np.int32), lower[matters], upper[matters])
            reduction.select(0, ROWS, pair, some)
            some.distances[some.undecided] = exact[matters][some.undecided]
            reduction.reduce(0, ROWS, pair, some)
            needed += int(some.undecided.sum())
        return needed


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("same", [0, 1, 4])
@pytest.mark.parametrize("other_products", [True, False])
@pytest.mark.parametrize("k", [1, 5, COLUMNS])
def test_nearest_are_the_first_of_a_sort(seed: int, same: int, other_products: bool, k: int) -> None:
    case = Case(seed).in_groups(max(same, 1))
    nearest = KNearest.empty(ROWS, k, same, other_products)
    needed = case.show(nearest)
    assert needed < ROWS * COLUMNS or k == COLUMNS
    for i in range(ROWS):
        allowed = (case.columns.identity != case.rows.identity[i]) | (not same)
        if other_products and case.rows.product[i] >= 0:
            allowed &= case.columns.product != case.rows.product[i]
        first = brute.ranking(case.distances[i], allowed)[:k]
        empty = k - len(first)
        order = np.lexsort((nearest.numbers[i], nearest.distances[i]))
        assert nearest.numbers[i, order].tolist() == [*first, *[NOWHERE] * empty]
        assert nearest.distances[i, order].tolist() == [*case.distances[i, first], *[np.inf] * empty]


@pytest.mark.parametrize("seed", range(4))
def test_farthest_is_the_largest(seed: int) -> None:
    case = Case(seed)
    most = FarthestDistance(np.zeros(ROWS))
    assert ROWS <= case.show(most) < ROWS * COLUMNS
    np.testing.assert_array_equal(most.distances, case.distances.max(axis=1))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("same", [0, 1, 4])
def test_counted_are_the_columns_before_in_a_sort(seed: int, same: int) -> None:
    case, rng = Case(seed).in_groups(max(same, 1)), np.random.default_rng(seed)
    identity = case.columns.identity
    sizes = rng.integers(0, 4, ROWS)
    offsets, count = np.concatenate([[0], np.cumsum(sizes)]), int(sizes.sum())
    at, numbers = rng.integers(0, 27, count) / 24, rng.integers(0, COLUMNS, count)
    counters = RankCounters.at(offsets, at, numbers, same=same)
    case.show(counters)
    for i in range(ROWS):
        for p in range(offsets[i], offsets[i + 1]):
            before = [
                j
                for j in range(COLUMNS)
                if (case.distances[i, j], j) < (at[p], numbers[p])
                and not (same and identity[j] == case.rows.identity[i])
            ]
            own = [j for j in before if case.columns.category[j] == case.rows.category[i]]
            assert (counters.before[p], counters.before_in_category[p]) == (len(before), len(own))


def test_a_part_is_a_view_and_a_row_left_to_finer_arithmetic_keeps_its_state() -> None:
    case = Case(0)
    nearest, most = KNearest.empty(ROWS + 5, 2, False), FarthestDistance(np.zeros(ROWS + 5))
    case.show(nearest.part(5, ROWS + 5))
    case.show(most.part(5, ROWS + 5))
    assert (nearest.numbers[:5] == NOWHERE).all() and (nearest.numbers[5:] != NOWHERE).all()
    assert not most.distances[:5].any() and (most.distances[5:] > 0).all()
    pair = BlockPair(case.rows, case.columns, False)
    zeros = np.zeros(2, np.float32)
    some = Candidates.of(np.array([0, LEFT_TO_FINER]), np.arange(3), np.arange(2, dtype=np.int32), zeros, zeros)
    some.distances[:] = [-2.0, -1.0]
    before = nearest.distances.copy()
    nearest.part(5, ROWS + 5).reduce(0, 2, pair, some)
    assert nearest.distances[5].min() == -2
    np.testing.assert_array_equal(np.delete(nearest.distances, 5, axis=0), np.delete(before, 5, axis=0))
