"""Reductions: what is found out about each row while all pairs go by.

In: candidates. Out: the k nearest (:class:`KNearest`), the farthest (:class:`FarthestDistance`), the number of columns
before given thresholds (:class:`RankCounters`) of every row.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fashret.knn.bounds import float32_at_least, float32_at_most
from fashret.knn.candidates import LEFT_TO_FINER, Candidates, Limits
from fashret.knn.heaps import NOWHERE, comes_before, replace_in_group, replace_root
from fashret.knn.vectors import BlockData, BlockPair


class Reduction(Protocol):
    """What the scan of all pairs knows of a reduction."""

    def part(self, start: int, stop: int) -> Reduction:
        """The state of rows ``start`` … ``stop``, a view."""

    def narrow(self, limits: Limits, pair: BlockPair, which: NDArray[np.int64]) -> Limits:
        """Widen the limits to the distances that matter to the rows ``which`` of the pair, as known so far."""

    def select(self, start: int, stop: int, pair: BlockPair, candidates: Candidates) -> None:
        """Mark the candidates of rows ``start`` … ``stop`` whose distance is needed."""

    def reduce(self, start: int, stop: int, pair: BlockPair, candidates: Candidates) -> None:
        """Take in the distances of those that were marked."""


@njit(nogil=True, cache=True, error_model="numpy")
def _may_find(row: tuple[int, int], column: tuple[int, int], same: int, other_products: bool) -> bool:
    """Whether a row may find a column, from the identity and the product of both."""
    itself = same > 0 and row[0] == column[0]
    return not (itself or (other_products and row[1] >= 0 and row[1] == column[1]))


@njit(nogil=True, cache=True, error_model="numpy")
def _select_nearest(nearest: KNearest, start: int, stop: int, pair: BlockPair, candidates: Candidates) -> None:
    """Columns that may be nearer than the root; in an empty heap, than the k-th of those that surely are near."""
    rows, offsets, columns, lower, upper, undecided, _ = candidates
    roots, _, groups, same, other_products = nearest
    identity, product = pair.columns.identity, pair.columns.product
    k = roots.shape[1]
    for t in range(start, stop):
        i, first, last = rows[t], offsets[t], offsets[t + 1]
        own = (pair.rows.identity[i], pair.rows.product[i])
        near = roots[i, 0]
        if near == np.inf and not groups.shape[1]:
            worst, count = np.empty(last - first, np.float32), 0
            for entry in range(first, last):
                j = columns[entry]
                worst[count] = upper[entry]
                count += _may_find(own, (identity[j], product[j]), same, other_products)
            if count > k:
                near = np.float64(np.partition(worst[:count], k - 1)[k - 1])
        for entry in range(first, last):
            j = columns[entry]
            if lower[entry] <= near and _may_find(own, (identity[j], product[j]), same, other_products):
                undecided[entry] = True


@njit(nogil=True, cache=True, error_model="numpy")
def _reduce_nearest(nearest: KNearest, start: int, stop: int, pair: BlockPair, candidates: Candidates) -> None:
    rows, offsets, columns, _, _, _, distances = candidates
    numbers, identity, product = pair.columns.numbers, pair.columns.identity, pair.columns.product
    grouped = nearest.groups.shape[1] > 0
    for t in range(start, stop):
        i = rows[t]
        if i == LEFT_TO_FINER:
            continue
        heap, heap_numbers, heap_groups = nearest.distances[i], nearest.numbers[i], nearest.groups[i]
        own = (pair.rows.identity[i], pair.rows.product[i])
        for entry in range(offsets[t], offsets[t + 1]):
            distance, j = distances[entry], columns[entry]
            if comes_before(distance, numbers[j], heap[0], heap_numbers[0]) and _may_find(  # false where it is NaN
                own, (identity[j], product[j]), nearest.same, nearest.other_products
            ):
                if grouped:
                    replace_in_group(heap, heap_numbers, heap_groups, distance, numbers[j], pair.columns.group[j])
                else:
                    replace_root(heap, heap_numbers, distance, numbers[j])


@njit(nogil=True, cache=True, error_model="numpy")
def _select_farthest(state: FarthestDistance, start: int, stop: int, pair: BlockPair, candidates: Candidates) -> None:
    """Columns that may be farther than what is known, and than the column that is surely farthest."""
    farthest, (rows, offsets, _, lower, upper, undecided, _) = state.distances, candidates
    for t in range(start, stop):
        far = farthest[rows[t]]
        for entry in range(offsets[t], offsets[t + 1]):
            far = max(far, np.float64(lower[entry]))
        for entry in range(offsets[t], offsets[t + 1]):
            undecided[entry] |= upper[entry] >= far


@njit(nogil=True, cache=True, error_model="numpy")
def _reduce_farthest(state: FarthestDistance, start: int, stop: int, pair: BlockPair, candidates: Candidates) -> None:
    farthest, (rows, offsets, _, _, _, _, distances) = state.distances, candidates
    for t in range(start, stop):
        for entry in range(offsets[t], offsets[t + 1]):
            if rows[t] != LEFT_TO_FINER and distances[entry] > farthest[rows[t]]:
                farthest[rows[t]] = distances[entry]


@njit(nogil=True, cache=True, error_model="numpy")
def _select_counted(counters: RankCounters, start: int, stop: int, pair: BlockPair, candidates: Candidates) -> None:
    """Columns that may be on either side of a threshold."""
    for t in range(start, stop):
        i, part = candidates.rows[t], slice(candidates.offsets[t], candidates.offsets[t + 1])
        columns, undecided = candidates.columns[part], candidates.undecided[part]
        lower, upper = candidates.lower[part], candidates.upper[part]
        for p in range(counters.offsets[i], counters.offsets[i + 1]):
            at = counters.distances[p]
            for entry in range(len(columns)):
                undecided[entry] |= (lower[entry] <= at) & (upper[entry] >= at)


@njit(nogil=True, cache=True, error_model="numpy")
def _count_groups(
    counters: RankCounters,
    p: int,
    data: BlockData,
    columns: NDArray,
    upper: NDArray,
    distances: NDArray,
    counted: NDArray,
    in_category: NDArray,
) -> None:
    """Count the groups with a column before threshold p; a group's columns come one after the other."""
    at, number = counters.distances[p], counters.numbers[p]
    for entry in range(len(columns)):
        j = columns[entry]
        before = upper[entry] < at or comes_before(distances[entry], data.numbers[j], at, number)
        if before and counted[entry] and data.group[j] != counters.last[p]:
            counters.last[p] = data.group[j]
            counters.before[p] += 1
            counters.before_in_category[p] += in_category[entry]


@njit(nogil=True, cache=True, error_model="numpy")
def _reduce_counted(counters: RankCounters, start: int, stop: int, pair: BlockPair, candidates: Candidates) -> None:
    for t in range(start, stop):
        i, part = candidates.rows[t], slice(candidates.offsets[t], candidates.offsets[t + 1])
        if i == LEFT_TO_FINER or counters.offsets[i] == counters.offsets[i + 1]:
            continue
        columns, upper, distances = candidates.columns[part], candidates.upper[part], candidates.distances[part]
        counted, in_category = np.empty(len(columns), np.int32), np.empty(len(columns), np.int32)
        for entry in range(len(columns)):
            itself = counters.same > 0 and pair.columns.identity[columns[entry]] == pair.rows.identity[i]
            counted[entry] = not itself
            in_category[entry] = pair.columns.category[columns[entry]] == pair.rows.category[i]
        for p in range(counters.offsets[i], counters.offsets[i + 1]):
            at = counters.distances[p]
            if len(counters.last):
                _count_groups(counters, p, pair.columns, columns, upper, distances, counted, in_category)
                continue
            border = np.searchsorted(pair.columns.numbers, counters.numbers[p])
            total, own_category = np.int32(0), np.int32(0)
            for entry in range(len(columns)):  # without a branch, in numbers of 32 bits: vector instructions
                tied = (distances[entry] == at) & (columns[entry] < border)  # false where the distance is NaN
                before = np.int32((upper[entry] < at) | (distances[entry] < at) | tied) & counted[entry]
                total = np.int32(total + before)
                own_category = np.int32(own_category + (before & in_category[entry]))
            counters.before[p] += total
            counters.before_in_category[p] += own_category


class KNearest(NamedTuple):
    """The k nearest so far of each row: heaps whose root is the worst. Empty slots: distance ∞, number NOWHERE."""

    distances: NDArray[np.float64]  # n×k
    numbers: NDArray[np.int64]  # n×k
    groups: NDArray[np.int64]  # n×k, or n×0 where each column stands for itself
    same: int  # columns at most that are the row itself, which it does not find
    other_products: bool  # a row does not find its own product

    @classmethod
    def empty(cls, rows: int, k: int, same: int, other_products: bool = False, grouped: bool = False) -> KNearest:
        """Heaps of k empty slots; ``grouped``: of a group of columns only the nearest has one."""
        numbers = np.full((rows, k), NOWHERE)
        groups = np.full((rows, k * grouped), NOWHERE)
        return cls(np.full((rows, k), np.inf), numbers, groups, int(same), other_products)

    def part(self, start: int, stop: int) -> KNearest:
        """A part of the rows, a view."""
        rows = slice(start, stop)
        return self._replace(distances=self.distances[rows], numbers=self.numbers[rows], groups=self.groups[rows])

    def fill(self, numbers: NDArray[np.int64], distances: NDArray[np.float64]) -> None:
        """Take over neighbours that are known, nearest first; NOWHERE and NaN where there are none."""
        size = self.numbers.shape[1]
        self.numbers[:] = numbers[:, :size][:, ::-1]  # descending, which is a heap
        self.distances[:] = np.nan_to_num(distances[:, :size][:, ::-1], nan=np.inf)

    def narrow(self, limits: Limits, pair: BlockPair, which: NDArray[np.int64]) -> Limits:
        """What matters to these rows, as known so far."""
        roots = float32_at_least(self.distances[which, 0])
        unknown = np.isinf(roots)
        seeds = np.full(len(which), self.distances.shape[1] + self.same)  # some may be the row itself
        if self.groups.shape[1]:  # any number of columns may be one group: all matter until a heap is full
            seeds[:] = len(pair.columns.numbers) + 1
        if self.other_products and unknown.any():
            ordered, own = np.sort(pair.columns.product), pair.rows.product[which]
            same = np.searchsorted(ordered, own, side="right") - np.searchsorted(ordered, own, side="left")
            seeds += np.where(own >= 0, same, 0)
        near = np.maximum(limits.near, np.where(unknown, -np.inf, roots)).astype(np.float32)
        return limits._replace(near=near, seeds=np.maximum(limits.seeds, np.where(unknown, seeds, 0)).astype(np.int32))

    def select(self, start: int, stop: int, pair: BlockPair, candidates: Candidates) -> None:
        """Mark what is undecided."""
        _select_nearest(self, start, stop, pair, candidates)

    def reduce(self, start: int, stop: int, pair: BlockPair, candidates: Candidates) -> None:
        """Take in what is decided."""
        _reduce_nearest(self, start, stop, pair, candidates)


class FarthestDistance(NamedTuple):
    """The largest distance so far of each row, n float64; 0 at the start."""

    distances: NDArray[np.float64]

    def part(self, start: int, stop: int) -> FarthestDistance:
        """A part of the rows, a view."""
        return FarthestDistance(self.distances[start:stop])

    def narrow(self, limits: Limits, pair: BlockPair, which: NDArray[np.int64]) -> Limits:
        """What matters to these rows, as known so far."""
        known = self.distances[which]
        far = np.where(known > 0, float32_at_most(known), np.float32(-np.inf))
        return limits._replace(far=np.minimum(limits.far, far))

    def select(self, start: int, stop: int, pair: BlockPair, candidates: Candidates) -> None:
        """Mark what is undecided."""
        _select_farthest(self, start, stop, pair, candidates)

    def reduce(self, start: int, stop: int, pair: BlockPair, candidates: Candidates) -> None:
        """Take in what is decided."""
        _reduce_farthest(self, start, stop, pair, candidates)


class RankCounters(NamedTuple):
    """Thresholds of row i, ``offsets[i]:offsets[i + 1]``, and the columns counted before each so far.

    A column is before a threshold if its distance is smaller, or equal and its number smaller than ``numbers``. A group
    of columns counts once; all columns of a group have one category.
    """

    offsets: NDArray[np.int64]  # n+1
    distances: NDArray[np.float64]  # T, as the following
    numbers: NDArray[np.int64]
    before: NDArray[np.int64]
    before_in_category: NDArray[np.int64]
    highest: NDArray[np.float64]  # n, the largest distance of each row, −∞ without thresholds
    last: NDArray[np.int64]  # T, the group counted last; empty where each column stands for itself
    same: int  # columns at most that are the row itself, which it does not count

    @classmethod
    def at(
        cls, offsets: NDArray, distances: NDArray, numbers: NDArray, *, same: int, grouped: bool = False
    ) -> RankCounters:
        """Counters of n rows, all 0."""
        highest = np.full(len(offsets) - 1, -np.inf)
        np.fmax.at(highest, np.repeat(np.arange(len(highest)), np.diff(offsets)), distances)
        before = np.zeros((2, len(numbers)), np.int64)
        last = np.full(len(numbers) * grouped, NOWHERE)
        return cls(offsets, distances, numbers, before[0], before[1], highest, last, int(same))

    def part(self, start: int, stop: int) -> RankCounters:
        """A part of the rows, a view."""
        return self._replace(offsets=self.offsets[start : stop + 1], highest=self.highest[start:stop])

    def narrow(self, limits: Limits, pair: BlockPair, which: NDArray[np.int64]) -> Limits:
        """What matters to these rows, as known so far."""
        return limits._replace(near=np.maximum(limits.near, float32_at_least(self.highest[which])))

    def select(self, start: int, stop: int, pair: BlockPair, candidates: Candidates) -> None:
        """Mark what is undecided."""
        _select_counted(self, start, stop, pair, candidates)

    def reduce(self, start: int, stop: int, pair: BlockPair, candidates: Candidates) -> None:
        """Take in what is decided."""
        _reduce_counted(self, start, stop, pair, candidates)
