"""The door to exact retrieval: nearest neighbours, exact ranks of positives, neighbours of all rows, in bounded memory.

In: a :class:`VectorSet` of queries and one of gallery, and a :class:`SearchSpec`. Out: the k nearest gallery rows of
each query and the exact rank of every positive. The Q×G matrix of distances never exists.

Distances are *defined* pair by pair in float64 (:mod:`fashret.knn.distance`); a ranking is ascending distance, ties by
the smaller gallery row. It depends on neither memory budget, block sizes, number of threads, arithmetic nor device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fashret.errors import FashretError
from fashret.knn.distance import check_metric
from fashret.knn.heaps import NOWHERE
from fashret.knn.memory import largest_within, search_sizes, square_sizes
from fashret.knn.positives import ordered_positives
from fashret.knn.reductions import FarthestDistance, KNearest, RankCounters, Reduction
from fashret.knn.results import Neighbours, Positives, SearchResult, SearchSpec, by_category
from fashret.knn.scan import Checkpoint, ResumeStore, Scanner, choose_filter
from fashret.knn.square import Square
from fashret.knn.vectors import VectorSet, most_of_itself


@dataclass(frozen=True)
class Thresholds:
    """Points in the ranking of a query, to be counted up to; query i's are ``offsets[i]:offsets[i + 1]``.

    ``distances``: T float64; ``rows``: T int64 rows of the gallery's stored matrix. A gallery row comes *before* the
    threshold when its distance is smaller, or equal and its row smaller: the threshold of a positive counts its rank.
    """

    offsets: NDArray[np.int64]
    distances: NDArray[np.float64]
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class AllNeighbours:
    """Neighbours of every row among all N rows of several sets, numbered in the order of the sets and of their rows.

    ``rows``: N×k int64 in that numbering, the row itself first (its distance is 0), then ascending distance, ties
    by the smaller number; −1 where N < k. ``distances``: N×k float64, NaN where N < k. ``farthest``: N float64, the
    largest distance from the row to any of the N rows (0 where N = 1).
    """

    rows: NDArray[np.int64]
    distances: NDArray[np.float64]
    farthest: NDArray[np.float64]


MakeLists = Callable[[Sequence[VectorSet], SearchSpec], AllNeighbours]  # as `all_neighbours`


@dataclass(frozen=True)
class ExactNeighbours:
    """The exact search of one gallery, as :class:`fashret.knn.NearestNeighbours`.

    ``spec``: its metric, memory, device and arithmetic count.
    """

    gallery: VectorSet
    spec: SearchSpec = SearchSpec()

    def __len__(self) -> int:
        return len(self.gallery)

    def nearest(self, vectors: NDArray, k: int, rows: NDArray[np.int64] | None = None) -> Neighbours:
        """The k nearest gallery rows of each of Q×D vectors; of ``rows`` alone where given.

        Errors are those of :func:`search`.

        >>> gallery = ExactNeighbours(VectorSet.of(np.array([[1, 0], [0, 1], [3, 1]])))
        >>> gallery.nearest(np.array([[2, 0]]), 2).rows, gallery.nearest(np.array([[2, 0]]), 2, np.array([1, 2])).rows
        (array([[0, 2]]), array([[2, 1]]))
        """
        gallery = self.gallery if rows is None else self.gallery.take(np.flatnonzero(np.isin(self.gallery.rows, rows)))
        how = self.spec
        plain = SearchSpec(k, how.metric, memory=how.memory, device=how.device, arithmetic=how.arithmetic)
        return search(VectorSet.of(vectors, name="queries"), gallery, plain).neighbours


def search(queries: VectorSet, gallery: VectorSet, spec: SearchSpec) -> SearchResult:
    """The k nearest gallery rows of each of Q queries, and, if asked for, the exact rank of each of its positives.

    A group of gallery rows is found as one, the nearest of its rows, and ranks count groups; its
    rows are of one product and one category.
    With ``within="category"``, ``ranks`` equals ``ranks_in_category``, and positives outside the query's category are
    left out.

    Raises
    ------
    FashretError
        For vectors with NaN or without length (names the rows), sets of different width, or too little memory.

    >>> vectors = np.array([[1, 0], [0, 1], [3, 1], [1, 3]], np.float32)
    >>> product = np.array([7, 8, 7, 8])
    >>> rows = VectorSet(vectors, np.arange(4), product, np.full(4, -1))
    >>> found = search(rows, rows, SearchSpec(k=2, same_matrix=True, positives=True))
    >>> found.neighbours.rows.tolist(), found.positives.ranks.tolist()
    ([[2, 3], [3, 2], [0, 3], [1, 2]], [0, 0, 0, 0])
    """
    _check(queries, gallery, spec)
    if spec.exclude_same_product and spec.positives:
        raise FashretError("positives cannot be ranked when rows of the same product are left out")
    if spec.within == "category":
        return by_category(queries, gallery, spec, lambda asked, searched, _: _search(asked, searched, spec))
    return _search(queries, gallery, spec)


def count_before(
    queries: VectorSet, gallery: VectorSet, thresholds: Thresholds, spec: SearchSpec
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many gallery rows come before each threshold: T int64, and T int64 of the query's category alone.

    Errors are those of :func:`search`.
    """
    _check(queries, gallery, spec)
    points = thresholds.offsets, thresholds.distances, thresholds.rows
    same = most_of_itself(queries, gallery, spec.same_matrix)
    counters = RankCounters.at(*points, same=same, grouped=gallery.group is not None)
    _scan(queries, gallery, [counters], replace(spec, k=0), 16 * len(thresholds.rows))
    return counters.before, counters.before_in_category


def all_neighbours(
    sets: Sequence[VectorSet],
    spec: SearchSpec,
    keep: tuple[ResumeStore, str] | None = None,
    known: list[tuple[NDArray[np.int64], AllNeighbours]] | None = None,
) -> AllNeighbours:
    """Neighbours of all N rows of all ``sets`` among each other; each block of approximate distances is computed once.

    The sets share no row. ``spec.k``: entries of a list, the row itself included. ``keep``: where what is finished is
    kept, under a name, and what an interrupted run kept is taken up. ``known``: what is known of parts of the rows,
    which are not compared again: the numbers of their rows, ascending, and these rows' neighbours among each other, in
    lists of the same length; it is emptied. Errors are those of :func:`search`.
    """
    for vectors in sets:
        _check(sets[0], vectors, spec)
    total = sum(len(vectors) for vectors in sets)
    square = Square.of(sets, [numbers for numbers, _ in known or []])
    nearest = KNearest.empty(total, max(0, min(spec.k, total) - 1), same=1)
    most, start = FarthestDistance(np.zeros(total)), 0
    while known:
        numbers, among = known.pop(0)
        stop = start + len(numbers)
        nearest.part(start, stop).fill(np.append(numbers, NOWHERE)[among.rows[:, 1:]], among.distances[:, 1:])
        most.distances[start:stop] = among.farthest
        start = stop
        del among  # its memory is needed
    found = choose_filter(spec.device, spec.arithmetic, total * total * sets[0].width // 2, max(sets, key=len))
    sizes = largest_within(spec.memory, square_sizes(square.sets, total * (32 * spec.k + 8), found))
    state = {"distances": nearest.distances, "numbers": nearest.numbers, "farthest": most.distances}
    scanner = Scanner(found, spec.stats, spec.k, spec.metric == "cosine")
    scanner.scan_square(square, _wanted(nearest, most), sizes, Checkpoint(*keep, state) if keep else None)
    others = _in_order(nearest, spec.k - 1)
    rows, distances = square.by_number(others.rows), square.by_number(others.distances)
    rows, distances = np.hstack([np.arange(total)[:, None], rows]), np.hstack([np.zeros((total, 1)), distances])
    return AllNeighbours(rows, distances, square.by_number(most.distances))


def _check(queries: VectorSet, gallery: VectorSet, spec: SearchSpec) -> None:
    check_metric(spec.metric)
    if queries.width != gallery.width:
        raise FashretError(
            f"vectors of {queries.name} have {queries.width} components and those of {gallery.name} {gallery.width}; "
            "embed both with the same model"
        )


def _search(queries: VectorSet, gallery: VectorSet, spec: SearchSpec) -> SearchResult:
    same = most_of_itself(queries, gallery, spec.same_matrix)
    grouped, k = gallery.group is not None, min(spec.k, len(gallery))
    nearest = KNearest.empty(len(queries), k, same, spec.exclude_same_product, grouped)
    if not spec.positives:
        _scan(queries, gallery, _wanted(nearest), spec, 16 * len(queries) * spec.k)
        return SearchResult(_in_order(nearest, spec.k), None)
    offsets, index, distances = ordered_positives(queries, gallery, spec.metric, spec.same_matrix)
    rows = gallery.rows[index]
    counters = RankCounters.at(offsets, distances, rows, same=same, grouped=grouped)
    _scan(queries, gallery, _wanted(nearest, counters), spec, 16 * len(queries) * spec.k + 80 * len(rows))
    own = np.repeat(queries.category, np.diff(offsets))
    in_category = np.where((own >= 0) & (gallery.category[index] == own), counters.before_in_category, -1)
    return SearchResult(_in_order(nearest, spec.k), Positives(offsets, rows, counters.before, in_category, distances))


def _wanted(nearest: KNearest, *others: Reduction) -> list[Reduction]:
    """The reductions to run: no search for neighbours where none are kept."""
    return [*([nearest] if nearest.distances.shape[1] else []), *others]


def _scan(
    queries: VectorSet, gallery: VectorSet, reductions: Sequence[Reduction], spec: SearchSpec, results: int
) -> None:
    """Show every pair of rows to the reductions; ``results``: bytes that these fill."""
    if not len(queries) or not len(gallery):
        return
    found = choose_filter(spec.device, spec.arithmetic, len(queries) * len(gallery) * queries.width, gallery)
    sizes = largest_within(spec.memory, search_sizes(queries, gallery, spec.k, results, found))
    Scanner(found, spec.stats, spec.k, spec.metric == "cosine").scan(queries, gallery, reductions, sizes)


def _in_order(nearest: KNearest, k: int) -> Neighbours:
    """The heaps in ascending order, filled up to ``k``."""
    shape, found = (len(nearest.numbers), k), nearest.numbers.shape[1]
    rows, distances = np.full(shape, -1), np.full(shape, np.nan)
    order = np.lexsort((nearest.numbers, nearest.distances))
    numbers = np.take_along_axis(nearest.numbers, order, axis=1)
    there = numbers != NOWHERE
    rows[:, :found] = np.where(there, numbers, -1)
    distances[:, :found] = np.where(there, np.take_along_axis(nearest.distances, order, axis=1), np.nan)
    return Neighbours(rows, distances)
