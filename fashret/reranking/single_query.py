"""k-reciprocal re-ranking of each query as if it were alone with the gallery.

In: a set of queries and one of gallery. Out: what :func:`fashret.reranking.k_reciprocal.rerank` gives for each query
when no other query is there, so that a result does not depend on which other photos are searched for.

The gallery is compared with itself and encoded once (:class:`GalleryGraph`). A query that belongs to it changes
nothing. Any other is inserted as row G: it enters the lists of few rows, so only the sets of these and of their
neighbours are made again; everything else is the ordinary functions on a patched graph.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fashret.knn import MakeLists, SearchResult, SearchSpec, VectorSet, all_neighbours, search
from fashret.knn.distance import pair_distances
from fashret.knn.results import Neighbours, Positives, merge_results
from fashret.reranking import jaccard
from fashret.reranking.final_rank import Found, PositiveCutoffs, count_overlapping, final_distance, without_overlap
from fashret.reranking.k_reciprocal import KReciprocal, euclidean, final_ranks, may_find, rerank
from fashret.reranking.neighbour_sets import expanded_sets, half, reciprocal_sets
from fashret.reranking.union import Union


@dataclass(frozen=True)
class GalleryGraph:
    """A gallery of G rows by itself, encoded.

    ``lists``, ``list_distances``: G×K neighbours, the row itself first. ``farthest``: G. ``whole``: reciprocal sets.
    ``weights``: V; ``distances``: of its entries. ``index``: V averaged over k2 rows, by column.
    """

    gallery: VectorSet
    how: KReciprocal
    lists: NDArray[np.int32]
    list_distances: NDArray[np.float64]
    farthest: NDArray[np.float64]
    whole: sparse.csr_array
    weights: sparse.csr_array
    distances: sparse.csr_array
    index: sparse.csc_array

    @classmethod
    def of(cls, gallery: VectorSet, spec: SearchSpec, how: KReciprocal, lists: MakeLists | None) -> GalleryGraph:
        """Compare the gallery with itself and encode it."""
        everyone = (lists or all_neighbours)([gallery], replace(spec, k=how.list_length))
        nearest = everyone.rows.astype(np.int32)
        whole = reciprocal_sets(nearest, how.k1)
        sets = expanded_sets(whole, reciprocal_sets(nearest, half(how.k1)))
        known = _distances(gallery, sets, np.arange(len(nearest)), np.zeros(len(nearest)))
        distances = sparse.csr_array((known, sets.indices, sets.indptr), sets.shape)
        weights = jaccard.neighbour_weights(sets, distances.data, everyone.farthest)
        index = jaccard.mean_over_neighbours(weights, nearest[:, : how.k2]).tocsc()
        return cls(gallery, how, nearest, everyone.distances, everyone.farthest, whole, weights, distances, index)

    def sums(self, distances: NDArray[np.float64], before: int) -> NDArray[np.float64]:
        """Sum of minima of every gallery row with a query that is alone with the gallery: G float64.

        ``distances``: of the query to the G rows. ``before``: how many rows come before it where they are equal.
        """
        query, how = len(self.lists), self.how
        lists, slot = self._insert(distances, before)
        changed = [self._changed(slot, width) for width in (how.k1 + 1, half(how.k1) + 1)]
        remade = np.unique(np.concatenate([[query], *changed, self.whole[changed[1]].indices]))
        sets = self._expanded(lists, remade)
        known = _distances(self.gallery, sets, remade, distances)
        farthest = np.append(np.maximum(self.farthest, distances), distances.max())
        weights = jaccard.neighbour_weights(sets, known, farthest[remade])
        far = np.setdiff1d(np.flatnonzero(distances > self.farthest), remade)  # all their distances weigh more
        rescaled = jaccard.neighbour_weights(self.distances[far], self.distances[far].data, farthest[far])
        rescaled.resize(len(far), query + 1)
        patched = _replaced(self.weights, np.concatenate([remade, far]), sparse.vstack([weights, rescaled], "csr"))

        new = np.zeros(query + 1, np.bool_)
        new[remade], new[far] = True, True
        nearest = lists[:, : how.k2]
        others = np.flatnonzero((new[nearest[:-1]] & (nearest[:-1] >= 0)).any(axis=1) | (slot < how.k2))
        mine = jaccard.mean_over_neighbours(patched, nearest[[query]])
        theirs = jaccard.mean_over_neighbours(patched, nearest[others]).tocsc()
        sums = np.zeros(query)
        unchanged = jaccard.min_sums(mine[:, :query].tocsr(), self.index)
        sums[unchanged.indices] = unchanged.data
        sums[others] = jaccard.min_sums(mine, theirs).toarray()[0]
        return sums

    def _insert(self, distances: NDArray[np.float64], before: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Lists of G + 1 rows with the query as row G, and the slot that it takes in each (K: none)."""
        count, size = self.lists.shape
        nearer = self.list_distances < distances[:, None]
        nearer |= (self.list_distances == distances[:, None]) & (self.lists < before)
        nearer[:, 0] = True  # the row itself stays first
        slot, column = nearer.sum(axis=1), np.arange(size)
        lists = np.full((count + 1, size), -1, np.int32)
        lists[:count] = self.lists
        entered = np.flatnonzero(slot < size)
        moved = np.where(column > slot[entered, None], np.roll(self.lists[entered], 1, axis=1), self.lists[entered])
        lists[entered] = np.where(column == slot[entered, None], count, moved)
        nearest = np.lexsort((np.arange(count), distances))[: size - 1]
        lists[count, : len(nearest) + 1] = [count, *nearest]
        return lists, slot

    def _changed(self, slot: NDArray[np.int64], width: int) -> NDArray[np.int64]:
        """Gallery rows whose reciprocal sets change: the query enters the list, or they fall out of one by that."""
        entered = np.flatnonzero(slot < min(width, self.lists.shape[1]))
        fallen = self.lists[entered, min(width, self.lists.shape[1]) - 1]
        return np.union1d(entered, fallen[fallen >= 0])

    def _expanded(self, lists: NDArray[np.int32], rows: NDArray[np.int64]) -> sparse.csr_array:
        """Expanded sets of some rows from a patch of the lists: these rows and what their sets are made from."""
        whole, halves = self.how.k1 + 1, half(self.how.k1) + 1
        patch = np.setdiff1d(np.append(rows, lists[rows, :whole]), [-1])
        patch = np.setdiff1d(np.append(patch, lists[patch, :halves]), [-1])
        number = np.full(len(lists) + 1, -1, np.int32)  # of a row in the patch; the last for −1
        number[patch] = np.arange(len(patch))
        relabelled = number[lists[patch]]
        whole_sets, half_sets = (reciprocal_sets(relabelled, width - 1) for width in (whole, halves))
        sets = expanded_sets(whole_sets, half_sets, number[rows].astype(np.int64))
        return sparse.csr_array((sets.data, patch[sets.indices], sets.indptr), (len(rows), len(lists)))


def rerank_single(
    queries: VectorSet, gallery: VectorSet, spec: SearchSpec, how: KReciprocal, lists: MakeLists | None = None
) -> SearchResult:
    """Re-rank each query as if it were alone; as :func:`fashret.reranking.k_reciprocal.rerank`."""
    inside = Union.of(queries, gallery, spec.same_matrix).own >= 0
    parts = []
    for method, asked in ((rerank, np.flatnonzero(inside)), (_rerank_inserted, np.flatnonzero(~inside))):
        if len(asked):
            parts.append((asked, method(queries.take(asked), gallery, spec, how, lists)))
    return merge_results(len(queries), spec, parts)


def _rerank_inserted(
    queries: VectorSet, gallery: VectorSet, spec: SearchSpec, how: KReciprocal, lists: MakeLists | None
) -> SearchResult:
    """Re-rank queries that are not in the gallery, each alone."""
    spec = euclidean(spec)
    plain, positives = search(queries, gallery, spec)
    if not len(gallery):
        return SearchResult(plain, positives)
    positives = positives or Positives.none(len(queries))
    graph, cutoffs, rows = GalleryGraph.of(gallery, spec, how, lists), [], []
    for i, row in enumerate(queries.rows):
        same = np.full(len(gallery), row)
        distances = pair_distances(queries.vectors, same, gallery.vectors, gallery.rows, "euclidean")
        before = int(np.searchsorted(gallery.rows, row)) if spec.same_matrix else 0
        sums, scale = graph.sums(distances, before), jaccard.scale_of(distances.max(keepdims=True))
        own, mine = np.full(1, -1), positives.of_query(i)
        index = np.searchsorted(gallery.rows, mine.rows)
        cutoffs.append(PositiveCutoffs.of(mine, gallery, sums[index], scale, how.weight))
        met = np.flatnonzero(sums)
        final = final_distance(sums[met], distances[met], scale, how.weight)
        found = may_find(
            Found(np.zeros_like(met), final, distances[met], met), queries.take(np.array([i])), gallery, own, spec
        )
        count_overlapping(found, cutoffs[-1])
        one = Neighbours(plain.rows[[i]], plain.distances[[i]])
        best = without_overlap(one, gallery, scale, how.weight).best(spec.k).improved_by(found, spec.k)
        rows.append(best.as_neighbours(1, spec.k, gallery))
    neighbours = Neighbours(*(np.vstack([getattr(one, name) for one in rows]) for name in ("rows", "distances")))
    columns = [np.concatenate(column) for column in list(zip(*cutoffs, strict=True))[1:]]
    joined = PositiveCutoffs(positives.offsets, *columns)
    return SearchResult(neighbours, final_ranks(queries, gallery, spec, positives, joined))


def _distances(
    gallery: VectorSet, sets: sparse.csr_array, rows: NDArray[np.int64], of_query: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distances of the entries of sets of some rows; ``of_query``: those of row G to the others."""
    first, second = np.repeat(rows, np.diff(sets.indptr)), sets.indices.astype(np.int64)
    ends, count = np.append(of_query, 0.0), len(gallery)
    known = np.where(first == count, ends[second], ends[first])
    stored = np.flatnonzero((first < count) & (second < count))
    one, other = gallery.rows[first[stored]], gallery.rows[second[stored]]
    known[stored] = pair_distances(gallery.vectors, one, gallery.vectors, other, "euclidean")
    return known


def _replaced(matrix: sparse.csr_array, rows: NDArray[np.int64], new: sparse.csr_array) -> sparse.csr_array:
    """The matrix with one more row and column, and with other entries in some rows."""
    larger = sparse.csr_array((matrix.data, matrix.indices, np.append(matrix.indptr, matrix.nnz)), new.shape[1:] * 2)
    chosen = np.arange(new.shape[1])
    chosen[rows] = new.shape[1] + np.arange(len(rows))
    return sparse.vstack([larger, new], "csr")[chosen]
