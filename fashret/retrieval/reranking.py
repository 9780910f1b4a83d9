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
from fashret.retrieval.threads import ranges

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
    plain, positives = plain_search(queries, gallery, request)
    pool = pool_of(queries, gallery, request.same_matrix)
    everyone = all_neighbours(
        pool.sides,
        how.list_length,
        metric="euclidean",
        memory=request.memory,
        device=request.device,
        keep=request.keep,
    )
    encoding = encode(everyone, how, pool.distances)
    del everyone
    asked = asked_of(queries, pool, encoding.scale[pool.query], request)
    marks = marks_of(positives, gallery, positive_sums(pool, encoding, positives, gallery), asked.scale, how.weight)
    best = no_best(len(queries), request.k)
    settle_overlaps(pool, encoding, how, asked, gallery.product, best, marks, request.memory)
    best = merge(best, without_overlap(plain, gallery, asked.scale, how.weight))
    return results(queries, gallery, request, best, positives, marks)


def plain_search(queries: Side, gallery: Side, request: Request) -> tuple[Neighbours, Positives]:
    """The search that is re-ranked; no positives if none are asked for."""
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
    nothing = np.zeros(0, np.int64)
    return plain, positives or Positives(np.zeros(len(queries) + 1, np.int64), nothing, nothing, nothing, np.zeros(0))


def asked_of(queries: Side, pool: Pool, scale: NDArray[np.float64], request: Request) -> Asked:
    """What each query asks, its farthest distance being ``scale``."""
    left_out = queries.product if request.exclude_same_product else np.full(len(queries), -1)
    return Asked(scale, pool.own, left_out)


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
    distances = jaccard.member_distances(sets, lists, everyone.distances, pair_distances)
    weights = jaccard.neighbour_weights(sets.offsets, distances, everyone.farthest)
    return Encoding(sets._replace(values=weights), lists, scale_of(everyone.farthest), how.k2)


def scale_of(farthest: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the distances of a row are divided by: its farthest distance, or 1 where that is 0."""
    return np.where(farthest > 0, farthest, 1.0)


def positive_sums(pool: Pool, encoding: Encoding, positives: Positives, gallery: Side) -> NDArray[np.float64]:
    """Sum of minima of each positive with its query: P float64."""
    queries = np.repeat(np.arange(len(pool.query)), np.diff(positives.offsets))
    distinct, which = np.unique(np.searchsorted(gallery.rows, positives.rows), return_inverse=True)
    return jaccard.pair_min_sums(
        encoding.expanded(pool.query), queries, encoding.expanded(pool.gallery[distinct]), which
    )


def marks_of(
    positives: Positives,
    gallery: Side,
    sums: NDArray[np.float64],
    scale: NDArray[np.float64],
    weight: float,
) -> Marks:
    """Final distance of every positive, and up to where rows without overlap come before it.

    Parameters
    ----------
    sums
        P float64, sum of minima of each positive with its query.
    scale
        Q float64, farthest distance of each query.
    weight
        λ.
    """
    places = np.searchsorted(gallery.rows, positives.rows)
    scale = np.repeat(scale, np.diff(positives.offsets))
    final = final_distances(sums, positives.distances, scale, weight)
    limit, limit_place = limits(final, positives.distances, places, scale, weight)
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
        for chosen in ranges(counts, pairs_at_once):
            sums = jaccard.min_sums(queries, index, len(numbers), chosen, counts)
            distances = pool.sparse_distances(pool.query[chosen], sums.offsets, numbers[sums.columns])
            settle(sums, distances, (chosen.start, block.start), asked, gallery_product, how.weight, best, marks)


def _gallery_blocks(pool: Pool, encoding: Encoding, memory: int) -> Iterator[slice]:
    """Ranges of the gallery whose weights, by row and by column, stay within ``memory`` bytes (one row at least)."""
    sizes = np.append(np.diff(encoding.weights.offsets), 0)  # the last for the −1 after the end of a list
    at_most = np.empty(len(pool.gallery), np.int64)
    for start in range(0, len(at_most), 1 << 16):
        numbers = pool.gallery[start : start + (1 << 16)]
        at_most[start : start + len(numbers)] = sizes[encoding.lists[numbers, : encoding.k2]].sum(axis=1)
    return ranges(at_most, max(1, memory // BYTES_PER_WEIGHT))


def without_overlap(plain: Neighbours, gallery: Side, scale: NDArray[np.float64], weight: float) -> Best:
    """The plain search's rows with the final distances that they have if they do not overlap."""
    there = plain.rows >= 0
    distances = np.where(there, plain.distances, 0.0)
    final = final_distances(np.zeros(distances.shape), distances, scale[:, None], weight)
    return Best(final, distances, np.where(there, np.searchsorted(gallery.rows, plain.rows), -1))


def results(
    queries: Side, gallery: Side, request: Request, best: Best, positives: Positives, marks: Marks
) -> tuple[Neighbours, Positives | None]:
    """The best rows and the positives by ascending rank, as rows of the gallery's matrix."""
    rows = np.append(gallery.rows, -1)[best.place]  # place −1 takes the −1 at the end
    neighbours = Neighbours(rows, np.where(best.place >= 0, best.final, np.nan))
    if not request.positives:
        return neighbours, None
    ranks = marks.better + _all_within_limits(queries, gallery, positives, marks, request) - marks.nearer
    query = np.repeat(np.arange(len(queries)), np.diff(positives.offsets))
    order = np.lexsort((ranks, query))
    unknown = np.full(len(ranks), -1, np.int64)
    return neighbours, Positives(positives.offsets, positives.rows[order], ranks[order], unknown, marks.final[order])


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
        within[counted], _ = count_before(
            queries,
            gallery,
            Thresholds(ends, limit, limit, gallery.rows[places]),
            metric="euclidean",
            same_matrix=request.same_matrix,
            memory=request.memory,
            device=request.device,
        )
    return within
