"""Exact nearest neighbours and exact places of positives, in bounded memory.

In: a :class:`Side` of queries and one of gallery (selections of rows of stored matrices), a number of neighbours
``k``, a memory budget in bytes. Out: :class:`Neighbours` (the k nearest gallery rows of each query) and
:class:`Positives` (the exact rank of every positive of every query). The Q×G matrix of distances never exists.

Distances are *defined* pair by pair in float64 (:mod:`fashret.retrieval.distances`); a ranking is ascending
distance, ties by the smaller gallery row. It depends on neither memory budget, block sizes, number of threads,
arithmetic nor device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fashret.errors import FashretError
from fashret.retrieval.blocks import Side, plan, square_plan
from fashret.retrieval.counting import Counts
from fashret.retrieval.distances import Metric, check_metric
from fashret.retrieval.keeping import Keeping, Kept
from fashret.retrieval.positives import ordered_positives
from fashret.retrieval.scan import Job, Scanner, counting_job, farthest_job, nearest_job, tiles_for
from fashret.retrieval.selection import Nearest
from fashret.retrieval.tiles import Effort

__all__ = [
    "AllNeighbours",
    "Neighbours",
    "Positives",
    "Side",
    "Thresholds",
    "all_neighbours",
    "count_before",
    "farthest",
    "search",
]

MEMORY = 2 * 10**9
NOWHERE = np.iinfo(np.int64).max  # number of an empty place: after every row


@dataclass(frozen=True)
class Neighbours:
    """The nearest gallery rows of each query, nearest first.

    ``rows``: Q×k int64, rows of the gallery's stored matrix (−1 where there are fewer than k).
    ``distances``: Q×k float64 (NaN where there are fewer).
    """

    rows: NDArray[np.int64]
    distances: NDArray[np.float64]


@dataclass(frozen=True)
class Positives:
    """The exact place of every positive of every query; query i's are ``offsets[i]:offsets[i + 1]``, nearest first.

    ``offsets``: Q+1 int64. ``rows``: P int64, rows of the gallery's stored matrix. ``ranks``: P int64, 0 = first,
    over the whole gallery; ``ranks_in_category``: P int64, over the gallery rows of the query's category (−1: the
    positive is not in it, or the query is in no category). ``distances``: P float64.
    """

    offsets: NDArray[np.int64]
    rows: NDArray[np.int64]
    ranks: NDArray[np.int64]
    ranks_in_category: NDArray[np.int64]
    distances: NDArray[np.float64]


@dataclass(frozen=True)
class Thresholds:
    """Places in the order of a query's gallery, to be counted up to; query i's are ``offsets[i]:offsets[i + 1]``.

    ``low`` ≤ ``high``: T float64 distances; ``rows``: T int64 rows of the gallery's stored matrix. A gallery row
    comes *before* the threshold when its distance is < low, or when low ≤ distance ≤ high and its row is smaller
    than ``rows``. (low = high = distance of a positive, rows = its row: its rank. low < high: for orders that merge
    distances by rounding.)
    """

    offsets: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class AllNeighbours:
    """Neighbours of every row among all N rows of several sides, numbered in the order of the sides and of their rows.

    ``rows``: N×k int64 in that numbering, the row itself first (its distance is 0), then ascending distance, ties
    by the smaller number; −1 where N < k. ``distances``: N×k float64, NaN where N < k. ``farthest``: N float64, the
    largest distance from the row to any of the N rows (0 where N = 1).
    """

    rows: NDArray[np.int64]
    distances: NDArray[np.float64]
    farthest: NDArray[np.float64]


def search(
    queries: Side,
    gallery: Side,
    k: int,
    *,
    metric: Metric = "cosine",
    within: Literal["category"] | None = None,
    same_matrix: bool = False,
    exclude_same_product: bool = False,
    positives: bool = False,
    memory: int = MEMORY,
    device: str = "cpu",
    arithmetic: str = "auto",
    effort: Effort | None = None,
) -> tuple[Neighbours, Positives | None]:
    """The k nearest gallery rows of each query, and, if asked for, the exact rank of each of its positives.

    Parameters
    ----------
    queries, gallery
        Selections of Q and G rows of the same width.
    k
        Neighbours kept for each query.
    metric
        "cosine" or "euclidean" (squared).
    within
        "category": only gallery rows of the query's category are searched (none for a query in no category);
        ``ranks`` then equals ``ranks_in_category``, and positives outside the query's category are left out.
    same_matrix
        Both sides select from one matrix; a row then never finds itself.
    exclude_same_product
        Leave out gallery rows of the query's product (recommendations); contradicts ``positives``.
    positives
        Whether to rank the positives: gallery rows of the query's product.
    memory, device, arithmetic
        Budget in bytes; where to compute; "float32", "int8" or "auto" for what discards most pairs. None changes a
        result.
    effort
        Filled with the number of pairs that were computed in each arithmetic.

    Raises
    ------
    FashretError
        For vectors with NaN or without length (names the rows), sides of different width, or too little memory.
    """
    _check(queries, gallery, metric)
    if exclude_same_product and positives:
        raise FashretError("positives cannot be ranked when rows of the same product are left out")
    how = _How(metric, same_matrix, exclude_same_product, memory, device, arithmetic, effort or Effort())
    if within == "category":
        return _search_by_category(queries, gallery, k, positives, how)
    return _search(queries, gallery, k, positives, how)


def count_before(
    queries: Side,
    gallery: Side,
    thresholds: Thresholds,
    *,
    metric: Metric = "cosine",
    same_matrix: bool = False,
    memory: int = MEMORY,
    device: str = "cpu",
    arithmetic: str = "auto",
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many gallery rows come before each threshold.

    Returns
    -------
    T int64 over the whole gallery, and T int64 over the gallery rows of the query's category.
    Parameters and errors are those of :func:`search`.
    """
    _check(queries, gallery, metric)
    how = _How(metric, same_matrix, False, memory, device, arithmetic, Effort())
    counts = _counts(thresholds, same_matrix)
    how.scan(queries, gallery, [counting_job(counts)], 0, 16 * len(thresholds.rows))
    return counts.before, counts.before_in_category


def farthest(
    queries: Side, gallery: Side, *, metric: Metric = "euclidean", memory: int = MEMORY, device: str = "cpu"
) -> NDArray[np.float64]:
    """Distance of each query to its farthest gallery row, Q float64 (0 if the gallery is empty), never below 0.

    Parameters and errors are those of :func:`search`.
    """
    _check(queries, gallery, metric)
    most = np.zeros(len(queries))
    how = _How(metric, False, False, memory, device, "auto", Effort())
    how.scan(queries, gallery, [farthest_job(most)], 0, 8 * len(queries))
    return most


@dataclass(frozen=True)
class _How:
    """What :func:`search` was asked for, but for the sides and the results."""

    metric: Metric
    same_matrix: bool
    other_products: bool
    memory: int
    device: str
    arithmetic: str
    effort: Effort

    def scan(self, queries: Side, gallery: Side, jobs: list[Job], k: int, results: int) -> None:
        """Show every pair of rows to the jobs; ``results``: bytes that these fill."""
        if not len(queries) or not len(gallery):
            return
        tiles = tiles_for(self.device, self.arithmetic, len(queries) * len(gallery) * queries.width, self.effort)
        sizes = plan(queries, gallery, k, self.memory, results, tiles)
        Scanner(tiles).scan(queries, gallery, jobs, sizes, self.metric == "cosine")


def _check(queries: Side, gallery: Side, metric: str) -> None:
    check_metric(metric)
    if queries.width != gallery.width:
        raise FashretError(
            f"vectors of {queries.name} have {queries.width} components and those of {gallery.name} {gallery.width}; "
            "embed both with the same model"
        )


def _search(queries: Side, gallery: Side, k: int, positives: bool, how: _How) -> tuple[Neighbours, Positives | None]:
    nearest = _no_neighbours(len(queries), min(k, len(gallery)), how.same_matrix, how.other_products)
    jobs, found, counts = _jobs(nearest), None, None
    if positives:
        offsets, places, distances = ordered_positives(queries, gallery, how.metric, how.same_matrix)
        found = Positives(offsets, gallery.rows[places], places, places, distances)
        counts = _counts(Thresholds(offsets, distances, distances, found.rows), how.same_matrix)
        jobs.append(counting_job(counts))
    results = 16 * len(queries) * k + (0 if found is None else 80 * len(found.rows))
    how.scan(queries, gallery, jobs, k, results)
    neighbours = _sorted_neighbours(nearest, k)
    if found is None or counts is None:
        return neighbours, None
    query = np.repeat(np.arange(len(queries)), np.diff(found.offsets))
    own = queries.category[query]
    in_category = (own >= 0) & (gallery.category[places] == own)
    ranks = np.where(in_category, counts.before_in_category, -1)
    return neighbours, replace(found, ranks=counts.before, ranks_in_category=ranks)


def _search_by_category(
    queries: Side, gallery: Side, k: int, positives: bool, how: _How
) -> tuple[Neighbours, Positives | None]:
    """One search for each category, put together in the order of the queries."""
    rows, distances = np.full((len(queries), k), -1), np.full((len(queries), k), np.nan)
    parts: list[tuple[NDArray[np.int64], Positives]] = []
    for category in np.unique(queries.category[queries.category >= 0]):
        asked = np.flatnonzero(queries.category == category)
        searched = gallery.take(np.flatnonzero(gallery.category == category))
        neighbours, found = _search(queries.take(asked), searched, k, positives, how)
        rows[asked], distances[asked] = neighbours.rows, neighbours.distances
        if found is not None:
            parts.append((asked, found))
    return Neighbours(rows, distances), _joined(len(queries), parts) if positives else None


def _joined(queries: int, parts: list[tuple[NDArray[np.int64], Positives]]) -> Positives:
    """Positives of disjoint sets of queries, as those of all."""
    nothing = np.zeros(0, np.int64)
    query = np.concatenate([nothing, *(np.repeat(asked, np.diff(found.offsets)) for asked, found in parts)])
    order = np.argsort(query, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(query, minlength=queries))]).astype(np.int64)

    def column(name: str) -> NDArray:
        return np.concatenate([nothing, *(getattr(found, name) for _, found in parts)])[order]

    distances = column("distances").astype(np.float64)
    return Positives(offsets, column("rows"), column("ranks"), column("ranks_in_category"), distances)


def _no_neighbours(rows: int, k: int, same_matrix: bool, other_products: bool) -> Nearest:
    return Nearest(np.full((rows, k), np.inf), np.full((rows, k), NOWHERE), same_matrix, other_products)


def _jobs(nearest: Nearest) -> list[Job]:
    """The search for neighbours, if any are to be kept."""
    return [nearest_job(nearest)] if nearest.distances.shape[1] else []


def _counts(thresholds: Thresholds, same_matrix: bool) -> Counts:
    before = np.zeros((2, len(thresholds.rows)), np.int64)
    places = (thresholds.offsets, thresholds.low, thresholds.high, thresholds.rows)
    return Counts(*places, before[0], before[1], same_matrix)


def _sorted_neighbours(nearest: Nearest, k: int) -> Neighbours:
    """The heaps in ascending order, filled up to ``k``."""
    shape, found = (len(nearest.numbers), k), nearest.numbers.shape[1]
    rows, distances = np.full(shape, -1), np.full(shape, np.nan)
    order = np.lexsort((nearest.numbers, nearest.distances))
    numbers = np.take_along_axis(nearest.numbers, order, axis=1)
    there = numbers != NOWHERE
    rows[:, :found] = np.where(there, numbers, -1)
    distances[:, :found] = np.where(there, np.take_along_axis(nearest.distances, order, axis=1), np.nan)
    return Neighbours(rows, distances)


def all_neighbours(
    sides: Sequence[Side],
    k: int,
    *,
    metric: Metric = "euclidean",
    memory: int = MEMORY,
    device: str = "cpu",
    arithmetic: str = "auto",
    effort: Effort | None = None,
    keep: tuple[Keeping, str] | None = None,
) -> AllNeighbours:
    """Neighbours of all N rows of all ``sides`` among each other; each block of approximate distances is computed once.

    Parameters
    ----------
    sides
        Selections of rows of the same width that share no row.
    k
        Entries of a list, the row itself included.
    metric, memory, device, arithmetic, effort
        As in :func:`search`.
    keep
        Where to keep, under a name, what is finished, and to take up what an interrupted run has kept there.

    Raises
    ------
    FashretError
        As :func:`search`.
    """
    for side in sides:
        _check(sides[0], side, metric)
    total = sum(len(side) for side in sides)
    nearest = _no_neighbours(total, max(0, min(k, total) - 1), True, False)
    farthest = np.zeros(total)
    tiles = tiles_for(device, arithmetic, total * total * sides[0].width // 2, effort or Effort())
    sizes = square_plan(sides, memory, total * (32 * k + 8), tiles)
    state = {"distances": nearest.distances, "numbers": nearest.numbers, "farthest": farthest}
    kept = Kept(*keep, state) if keep else None
    Scanner(tiles).scan_square(sides, sizes, [*_jobs(nearest), farthest_job(farthest)], metric == "cosine", kept)
    others = _sorted_neighbours(nearest, k - 1)
    rows = np.hstack([np.arange(total)[:, None], others.rows])
    return AllNeighbours(rows, np.hstack([np.zeros((total, 1)), others.distances]), farthest)
