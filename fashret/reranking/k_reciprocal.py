"""k-reciprocal re-ranking of a whole gallery: sparse, exact, in memory that grows with the number of rows.

In: a set of queries and one of gallery (:class:`fashret.knn.VectorSet`). Out: the k best gallery rows of each query by
the re-ranked distance, and the exact rank of every positive. The result depends on the *set* of queries, because
queries are neighbours of each other too.

Zhong et al., "Re-ranking Person Re-identification with k-Reciprocal Encoding", CVPR 2017. Distances are squared
Euclidean over queries and gallery together, each row divided by its own maximum. Weights are float64 over exact
neighbour lists, ties by the smaller row; published codes use float16 or float32 weights and unstable sorts, so
their results differ in the last digits and among duplicates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fashret import knn
from fashret.errors import FashretError
from fashret.knn import AllNeighbours, MakeLists, Positives, SearchResult, SearchSpec, Thresholds, VectorSet
from fashret.knn.threads import ranges
from fashret.reranking import jaccard
from fashret.reranking.final_rank import Found, PositiveCutoffs, count_overlapping, overlapping, without_overlap
from fashret.reranking.jaccard import scale_of
from fashret.reranking.neighbour_sets import expanded_sets, half, reciprocal_sets
from fashret.reranking.union import Union

BYTES_PER_PAIR = 192  # of one overlapping pair of rows while it is being settled
BYTES_PER_WEIGHT = 24  # of one weight in a block of the gallery: once by row, once by column

PairDistances = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]]


@dataclass(frozen=True)
class KReciprocal:
    """The three numbers of the method.

    ``k1``: neighbours in the reciprocal lists. ``k2``: neighbours averaged in the query expansion. ``weight``: λ,
    of the original distance; 1 leaves the plain order.
    """

    k1: int
    k2: int
    weight: float

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

    ``weights``: V, N×N. ``nearest``: N×k2 int32, the neighbours that are averaged. ``scale``: N float64, distance of
    each row to its farthest row, 1 where that is 0.
    """

    weights: sparse.csr_array
    nearest: NDArray[np.int32]
    scale: NDArray[np.float64]

    @classmethod
    def of(cls, everyone: AllNeighbours, how: KReciprocal, pair_distances: PairDistances) -> Encoding:
        """Reciprocal sets and weights of all rows from their neighbour lists, at least ``how.list_length`` long."""
        lists = everyone.rows.astype(np.int32)
        sets = expanded_sets(reciprocal_sets(lists, how.k1), reciprocal_sets(lists, half(how.k1)))
        distances = np.empty(sets.nnz)
        for start in range(0, len(distances), 1 << 20):
            part = slice(start, start + (1 << 20))
            rows = np.searchsorted(sets.indptr, np.arange(start, min(part.stop, sets.nnz)), side="right") - 1
            distances[part] = pair_distances(rows, sets.indices[part].astype(np.int64))
        weights = jaccard.neighbour_weights(sets, distances, everyone.farthest)
        return cls(weights, lists[:, : how.k2].copy(), scale_of(everyone.farthest))

    def averaged(self, rows: NDArray[np.int64]) -> sparse.csr_array:
        """The weights of some rows, each averaged over its k2 nearest."""
        return jaccard.mean_over_neighbours(self.weights, self.nearest[rows])


def rerank(
    queries: VectorSet, gallery: VectorSet, spec: SearchSpec, how: KReciprocal, lists: MakeLists | None = None
) -> SearchResult:
    """Re-rank the gallery for all queries: the k best rows of each, and, if asked for, the ranks of its positives.

    As :func:`fashret.knn.search`, with final distances, positives by ascending rank. Distances are euclidean; the whole
    gallery is searched whatever ``within`` says, and ``ranks_in_category`` are −1: see
    :mod:`fashret.reranking.by_category`. ``lists``: makes the neighbour lists.
    """
    spec = euclidean(spec)
    plain, positives = knn.search(queries, gallery, spec)
    union = Union.of(queries, gallery, spec.same_matrix)
    everyone = (lists or knn.all_neighbours)(union.sets, replace(spec, k=how.list_length))
    encoding = Encoding.of(everyone, how, union.distances)
    del everyone
    scale = encoding.scale[union.query]
    found = without_overlap(plain, gallery, scale, how.weight).best(spec.k)
    positives = positives or Positives.none(len(queries))
    sums = _positive_sums(union, encoding, positives, gallery)
    cutoffs = PositiveCutoffs.of(positives, gallery, sums, scale, how.weight)
    for some in overlaps(union, encoding, how.weight, spec.memory):
        allowed = may_find(some, queries, gallery, union.own, spec)
        count_overlapping(allowed, cutoffs)
        found = found.improved_by(allowed, spec.k)
    neighbours = found.as_neighbours(len(queries), spec.k, gallery)
    return SearchResult(neighbours, final_ranks(queries, gallery, spec, positives, cutoffs))


def euclidean(spec: SearchSpec) -> SearchSpec:
    """What is asked for, over the whole gallery by Euclidean distance."""
    return replace(spec, metric="euclidean", within=None)


def overlaps(union: Union, encoding: Encoding, weight: float, memory: int) -> Iterator[Found]:
    """Every gallery row that overlaps with a query, with its final distance.

    The gallery goes by in blocks and the queries in ranges that together fill half of ``memory`` (bytes).
    """
    queries, scale = encoding.averaged(union.query), encoding.scale[union.query]
    for block in _gallery_blocks(union, encoding, memory // 4):
        numbers = union.gallery[block]
        index = encoding.averaged(numbers).tocsc()
        for chosen in ranges(jaccard.overlaps_at_most(queries, index), max(1, memory // 4 // BYTES_PER_PAIR)):
            sums = jaccard.min_sums(queries[chosen], index)
            first = np.repeat(union.query[chosen], np.diff(sums.indptr))
            distances = union.distances(first, numbers[sums.indices])
            yield overlapping(sums, distances, (chosen.start, block.start), scale, weight)


def may_find(found: Found, queries: VectorSet, gallery: VectorSet, own: NDArray[np.int64], spec: SearchSpec) -> Found:
    """Without the query itself (``own``: its index in the gallery) and without what the search leaves out."""
    allowed = found.at != own[found.query]
    if gallery.identity is not None:
        allowed &= gallery.identity[found.at] != queries.itself[found.query]
    if spec.exclude_same_product:
        product = queries.product[found.query]
        allowed &= (product < 0) | (gallery.product[found.at] != product)
    return Found._make(column[allowed] for column in found)


def _gallery_blocks(union: Union, encoding: Encoding, memory: int) -> Iterator[slice]:
    """Ranges of the gallery whose weights, by row and by column, stay within ``memory`` bytes (one row at least)."""
    sizes = np.append(np.diff(encoding.weights.indptr), 0)  # the last for the −1 after the end of a list
    at_most = np.empty(len(union.gallery), np.int64)
    for start in range(0, len(at_most), 1 << 16):
        numbers = union.gallery[start : start + (1 << 16)]
        at_most[start : start + len(numbers)] = sizes[encoding.nearest[numbers]].sum(axis=1)
    return ranges(at_most, max(1, memory // BYTES_PER_WEIGHT))


def _positive_sums(union: Union, encoding: Encoding, positives: Positives, gallery: VectorSet) -> NDArray[np.float64]:
    """Sum of minima of each positive with its query: P float64."""
    distinct, which = np.unique(np.searchsorted(gallery.rows, positives.rows), return_inverse=True)
    queries, others = encoding.averaged(union.query), encoding.averaged(union.gallery[distinct])
    return jaccard.pair_min_sums(queries, positives.query, others, which)


def final_ranks(
    queries: VectorSet, gallery: VectorSet, spec: SearchSpec, positives: Positives, cutoffs: PositiveCutoffs
) -> Positives | None:
    """The positives by ascending rank, if they are asked for."""
    if not spec.positives:
        return None
    ranks = cutoffs.better + _all_within_limits(queries, gallery, positives, cutoffs, spec) - cutoffs.nearer
    order = np.lexsort((ranks, positives.query))
    unknown = np.full(len(ranks), -1, np.int64)
    return Positives(positives.offsets, positives.rows[order], ranks[order], unknown, cutoffs.final[order])


def _all_within_limits(
    queries: VectorSet, gallery: VectorSet, positives: Positives, cutoffs: PositiveCutoffs, spec: SearchSpec
) -> NDArray[np.int64]:
    """How many gallery rows of any kind are within the limit of each positive: P int64."""
    other = (cutoffs.limit != cutoffs.distance) | (cutoffs.limit_at != cutoffs.at)
    within = np.where(other, 0, positives.ranks)  # right where a positive is its own limit
    counted = other & np.isfinite(cutoffs.limit)
    if counted.any():
        ends = np.concatenate([[0], np.cumsum(counted)])[positives.offsets]
        thresholds = Thresholds(ends, cutoffs.limit[counted], gallery.rows[cutoffs.limit_at[counted]])
        within[counted], _ = knn.count_before(queries, gallery, thresholds, spec)
    return within
