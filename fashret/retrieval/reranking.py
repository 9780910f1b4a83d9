"""k-reciprocal re-ranking of a whole gallery: sparse, exact, in memory that grows with the number of rows.

In: a side of queries and one of gallery (:class:`fashret.retrieval.neighbours.Side`). Out: the k best gallery rows
of each query by the re-ranked distance, and the exact rank of every positive. The result depends on the *set* of
queries, because queries are neighbours of each other too.

Zhong et al., "Re-ranking Person Re-identification with k-Reciprocal Encoding", CVPR 2017. Distances are squared
Euclidean over queries and gallery together, each row divided by its own maximum. Weights are float64 over exact
neighbour lists, ties by the smaller row; published codes use float16 or float32 weights and unstable sorts, so
their results differ in the last digits and among duplicates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashret.errors import FashretError
from fashret.retrieval import jaccard
from fashret.retrieval.final_order import Asked, Best, Marks, final_distances, limits, merge, no_best, settle
from fashret.retrieval.neighbours import (
    AllNeighbours,
    Neighbours,
    Positives,
    Side,
    Thresholds,
    all_neighbours,
    count_before,
    search,
)
from fashret.retrieval.pool import Pool, pool_of
from fashret.retrieval.reciprocal import SparseRows, expanded_sets
from fashret.retrieval.request import Request

BYTES_PER_PAIR = 64  # of one overlapping pair of rows while it is being settled
BYTES_PER_WEIGHT = 24  # of one weight in a block of the gallery: once by row, once by column


@dataclass(frozen=True)
class Reciprocal:
    """The three numbers of the method.

    ``k1``: neighbours in the reciprocal lists. ``k2``: neighbours averaged in the query expansion. ``weight``: λ,
    of the original distance; 1 leaves the plain order.
    """

    k1: int = 20
    k2: int = 6
    weight: float = 0.3

    def __post_init__(self) -> None:
        if self.k1 < 1 or self.k2 < 1:
            raise FashretError(f"re-ranking needs k1 and k2 of at least 1, not {self.k1} and {self.k2}")
        if not 0 <= self.weight <= 1:
            raise FashretError(f"re-ranking needs a lambda from 0 to 1, not {self.weight}")

    @property
    def list_length(self) -> int:
        """Length of the neighbour lists it needs, the row itself included."""
        return max(self.k1 + 1, self.k2)


@dataclass(frozen=True)
class Encoding:
    """All N rows as sparse vectors of their neighbourhoods.

    ``weights``: V, N×N with few entries. ``lists``: N×K int32, their neighbours. ``scale``: N float64, the distance
    of each row to its farthest row, 1 where that is 0. ``k2``: neighbours averaged in the query expansion.
    """

    weights: SparseRows
    lists: NDArray[np.int32]
    scale: NDArray[np.float64]
    k2: int

    def expanded(self, rows: NDArray[np.int64]) -> SparseRows:
        """The weights of some rows, each averaged over its k2 nearest."""
        return jaccard.mean_over_neighbours(self.weights, self.lists, self.k2, rows)


def rerank(queries: Side, gallery: Side, request: Request, how: Reciprocal) -> tuple[Neighbours, Positives | None]:
    """Re-rank the gallery for all queries: the k best rows of each, and, if asked for, the exact ranks of its
    positives.

    Returns
    -------
    Neighbours and Positives as :func:`fashret.retrieval.neighbours.search` gives them, with final distances, positives
    by ascending rank. Their ``ranks_in_category`` are −1: see :func:`rerank_categories`.
    """
    pool = pool_of(queries, gallery, request.same_matrix)
    plain, positives = search(
        queries,
        gallery,
        request.k,
        metric="euclidean",
        same_matrix=request.same_matrix,
        exclude_same_product=request.exclude_same_product,
        positives=request.positives,
        memory=request.memory,
        device=request.device,
    )
    everyone = all_neighbours(
        pool.sides, how.list_length, metric="euclidean", memory=request.memory, device=request.device
    )
    encoding = encode(everyone, how, pool.distances)
    del everyone
    left_out = queries.product if request.exclude_same_product else np.full(len(queries.rows), -1)
    asked = Asked(encoding.scale[pool.query], pool.own, left_out)
    marks = marks_of(pool, encoding, how, positives or _no_positives(len(queries.rows)), gallery)
    best = no_best(len(queries.rows), request.k)
    settle_overlaps(pool, encoding, how, asked, gallery.product, best, marks, request.memory)
    best = merge(best, _without_overlap(plain, gallery, asked.scale, how.weight))
    rows = np.append(gallery.rows, -1)[best.place]  # place −1 takes the −1 at the end
    neighbours = Neighbours(rows, np.where(best.place >= 0, best.final, np.nan))
    if positives is None:
        return neighbours, None
    return neighbours, _ranked(positives, marks, _all_within_limits(queries, gallery, positives, marks, request))


def encode(everyone: AllNeighbours, how: Reciprocal, pair_distances: jaccard.PairDistances) -> Encoding:
    """Reciprocal sets and weights of all rows from their neighbour lists.

    Parameters
    ----------
    everyone
        Neighbours of N rows among each other, at least ``how.list_length`` of each.
    pair_distances
        Gives the distances of pairs of rows (first rows, second rows) that are in no list.
    """
    lists = everyone.rows.astype(np.int32)
    sets = expanded_sets(lists, how.k1)
    weights = jaccard.neighbour_weights(sets, lists, everyone.distances, everyone.farthest, pair_distances)
    return Encoding(weights, lists, np.where(everyone.farthest > 0, everyone.farthest, 1.0), how.k2)


def marks_of(pool: Pool, encoding: Encoding, how: Reciprocal, positives: Positives, gallery: Side) -> Marks:
    """Final distance of every positive, and up to where rows without overlap come before it."""
    places = np.searchsorted(gallery.rows, positives.rows)
    queries = np.repeat(np.arange(len(pool.query)), np.diff(positives.offsets))
    distinct, which = np.unique(places, return_inverse=True)
    sums = jaccard.pair_min_sums(
        encoding.expanded(pool.query), queries, encoding.expanded(pool.gallery[distinct]), which
    )
    scale = encoding.scale[pool.query[queries]]
    final = final_distances(sums, positives.distances, scale, how.weight)
    limit, limit_place = limits(final, positives.distances, places, scale, how.weight)
    better, nearer = np.zeros((2, len(places)), np.int64)
    return Marks(positives.offsets, final, positives.distances, places, limit, limit_place, better, nearer)


def settle_overlaps(
    pool: Pool,
    encoding: Encoding,
    how: Reciprocal,
    asked: Asked,
    gallery_product: NDArray[np.int64],
    best: Best,
    marks: Marks,
    memory: int,
) -> None:
    """Find every gallery row that overlaps with a query and take it into ``best`` and ``marks``.

    The gallery goes by in blocks and the queries in ranges, both together as large as half of ``memory`` (bytes) lets
    them be; the result does not depend on it.
    """
    queries = encoding.expanded(pool.query)
    pairs_at_once = max(1, memory // 4 // BYTES_PER_PAIR)
    for block in _gallery_blocks(pool, encoding, memory // 4):
        numbers = pool.gallery[block]
        index = jaccard.inverted(encoding.expanded(numbers), pool.size)
        counts = jaccard.count_overlaps(queries, index, len(numbers))
        for chosen in _ranges(counts, pairs_at_once):
            sums = jaccard.min_sums(queries, index, len(numbers), chosen, counts)
            first = np.repeat(pool.query[chosen], counts[chosen])
            distances = pool.distances(first, numbers[sums.columns])
            settle(sums, distances, (chosen.start, block.start), asked, gallery_product, how.weight, best, marks)


def _gallery_blocks(pool: Pool, encoding: Encoding, memory: int) -> Iterator[slice]:
    """Ranges of the gallery whose weights, by row and by column, stay within ``memory`` bytes (one row at least)."""
    sizes = np.append(np.diff(encoding.weights.offsets), 0)  # the last for the −1 after the end of a list
    at_most = np.empty(len(pool.gallery), np.int64)
    for start in range(0, len(at_most), 1 << 16):
        numbers = pool.gallery[start : start + (1 << 16)]
        at_most[start : start + len(numbers)] = sizes[encoding.lists[numbers, : encoding.k2]].sum(axis=1)
    return _ranges(at_most, max(1, memory // BYTES_PER_WEIGHT))


def _ranges(sizes: NDArray[np.int64], limit: int) -> Iterator[slice]:
    """Cut a sequence into ranges whose sizes sum to at most ``limit``, or of one entry.

    >>> list(_ranges(np.array([2, 2, 9, 1]), 4))
    [slice(0, 2, None), slice(2, 3, None), slice(3, 4, None)]
    """
    ends = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + limit, side="right")))
        yield slice(start, stop)
        start = stop


def _without_overlap(plain: Neighbours, gallery: Side, scale: NDArray[np.float64], weight: float) -> Best:
    """The plain search's rows with the final distances that they have if they do not overlap."""
    there = plain.rows >= 0
    distances = np.where(there, plain.distances, 0.0)
    final = final_distances(np.zeros(distances.shape), distances, scale[:, None], weight)
    return Best(final, distances, np.where(there, np.searchsorted(gallery.rows, plain.rows), -1))


def _all_within_limits(
    queries: Side, gallery: Side, positives: Positives, marks: Marks, request: Request
) -> NDArray[np.int64]:
    """How many gallery rows of any kind are within the limit of each positive: P int64."""
    within = positives.ranks.copy()  # right where a positive is its own limit
    other = (marks.limit != marks.distance) | (marks.limit_place != marks.place)
    within[other] = 0
    counted = other & np.isfinite(marks.limit)
    if counted.any():
        ends = np.concatenate([[0], np.cumsum(counted)])[positives.offsets]
        limit, places = marks.limit[counted], marks.limit_place[counted]
        limits_of = Thresholds(ends, limit, limit, gallery.rows[places])
        within[counted], _ = count_before(
            queries,
            gallery,
            limits_of,
            metric="euclidean",
            same_matrix=request.same_matrix,
            memory=request.memory,
            device=request.device,
        )
    return within


def _ranked(positives: Positives, marks: Marks, all_within: NDArray[np.int64]) -> Positives:
    """The positives with their new ranks, each query's by ascending rank."""
    ranks = marks.better + all_within - marks.nearer
    queries = np.repeat(np.arange(len(positives.offsets) - 1), np.diff(positives.offsets))
    order = np.lexsort((ranks, queries))
    unknown = np.full(len(ranks), -1, np.int64)
    return Positives(positives.offsets, positives.rows[order], ranks[order], unknown, marks.final[order])


def _no_positives(queries: int) -> Positives:
    nothing = np.zeros(0, np.int64)
    return Positives(np.zeros(queries + 1, np.int64), nothing, nothing, nothing, np.zeros(0))
