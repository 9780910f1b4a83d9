"""The order that re-ranking ends in: best rows first, and the rank of every positive in it.

In: sums of minima and distances of the gallery rows that overlap with a query (a few), and the plain search for all
others. Out: the k best of both together, and how many gallery rows come before each positive, over the whole
gallery.

A row that does not overlap has s = 0: its final distance is (1 − λ) + λ·d/max d, so all such rows stay in the order of
the plain search, and nothing has to be computed for them. Equal final distances are ordered by distance, then by the
smaller gallery row.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import sparse

from fashret.knn.heaps import comes_before
from fashret.knn.results import Neighbours, Positives
from fashret.knn.threads import over_rows
from fashret.knn.vectors import VectorSet

Reals = NDArray[np.float64]
Integers = NDArray[np.int64]


def final_distance(s: Any, distance: Any, scale: Any, weight: float) -> Any:
    """(1 − λ)·(1 − s/(2 − s)) + λ·d/max d (equations 10 and 12 of Zhong et al., CVPR 2017): numbers or arrays.

    >>> final_distance(np.array([1.0, 0.0]), np.array([0.5, 0.5]), np.array([1.0, 1.0]), 0.5)
    array([0.25, 0.75])
    """
    return (1 - weight) * (1 - s / (2 - s)) + weight * (distance / scale)


class Found(NamedTuple):
    """Gallery rows that were found, an entry each; ``at``: index in the gallery."""

    query: Integers
    final: Reals
    distance: Reals
    at: Integers

    def best(self, k: int) -> Found:
        """The k best of each query, best first."""
        by_query = np.argsort(self.query, kind="stable")  # mostly runs of one query, which are merged
        ends = np.append(np.flatnonzero(np.diff(self.query[by_query])) + 1, len(by_query))
        chosen = over_rows(_best_of, len(ends) if len(by_query) else 0, self, by_query, np.insert(ends, 0, 0), k)
        return Found._make(np.concatenate([column[:0], *(column[part] for part in chosen)]) for column in self)

    def improved_by(self, other: Found, k: int) -> Found:
        """The k best of both for each query, a row of both as it is in ``other``.

        ``self`` is such a result, by query ascending; ``other`` is by query and gallery index ascending.
        """
        if not len(other.query):
            return self
        start, stop = np.searchsorted(self.query, [other.query[0], other.query[-1] + 1])
        mine = Found._make(column[start:stop] for column in self)
        worst = np.full(other.query[-1] + 1, np.inf)  # final distance of the k-th best so far
        last = _ranks(mine.query) == k - 1
        worst[mine.query[last]] = mine.final[last]
        promising = other.final <= worst[other.query]
        size = 1 + max(part.at.max(initial=0) for part in (mine, other))
        keys, wanted = (part.query * size + part.at for part in (other, mine))
        again = np.append(keys, -1)[np.searchsorted(keys, wanted)] == wanted
        joined = Found._make(
            np.concatenate([old[~again], new[promising]]) for old, new in zip(mine, other, strict=True)
        )
        parts = zip(self, joined.best(k), strict=True)
        return Found._make(np.concatenate([column[:start], new, column[stop:]]) for column, new in parts)

    def as_neighbours(self, queries: int, k: int, gallery: VectorSet) -> Neighbours:
        """The best k as a table, rows of the gallery's matrix."""
        best, rows, distances = self.best(k), np.full((queries, k), -1), np.full((queries, k), np.nan)
        rank = _ranks(best.query)
        rows[best.query, rank], distances[best.query, rank] = gallery.rows[best.at], best.final
        return Neighbours(rows, distances)


def _best_of(start: int, stop: int, found: Found, by_query: Integers, ends: Integers, k: int) -> Integers:
    """Entries of the k best of some queries, best first; query i's are ``by_query[ends[i]:ends[i + 1]]``."""
    entries = by_query[ends[start] : ends[stop]]
    query = found.query[entries]
    order = np.lexsort((found.at[entries], found.distance[entries], found.final[entries], query))
    return entries[order[_ranks(query[order]) < k]]


def _ranks(query: Integers) -> Integers:
    """The rank of each entry among those of its query; they are by query."""
    return np.arange(len(query)) - np.searchsorted(query, query)


class PositiveCutoffs(NamedTuple):
    """Positives whose rank is wanted; query i's are ``offsets[i]:offsets[i + 1]``. All arrays of length P.

    ``final``, ``distance``, ``at``: the positive (index in the gallery). ``limit``, ``limit_at``: rows that do not
    overlap come before it if their distance is < limit, or equal and their index < limit_at. ``better``: overlapping
    rows before it, counted up by :func:`count_overlapping`. ``nearer``: those of them within the limit, which a count
    of all rows up to the limit counts too.
    """

    offsets: Integers
    final: Reals
    distance: Reals
    at: Integers
    limit: Reals
    limit_at: Integers
    better: Integers
    nearer: Integers

    @classmethod
    def of(cls, positives: Positives, gallery: VectorSet, sums: Reals, scale: Reals, weight: float) -> PositiveCutoffs:
        """Final distance of every positive, and up to where rows without overlap come before it.

        ``sums``: P float64, sum of minima of each positive with its query. ``scale``: Q float64, farthest distances.
        """
        index = np.searchsorted(gallery.rows, positives.rows)
        scale = scale[positives.query]
        final = final_distance(sums, positives.distances, scale, weight)
        limit, limit_at = _limits(final, positives.distances, index, scale, weight)
        better, nearer = np.zeros((2, len(index)), np.int64)
        return cls(positives.offsets, final, positives.distances, index, limit, limit_at, better, nearer)


def _limits(final: Reals, distances: Reals, index: Integers, scale: Reals, weight: float) -> tuple[Reals, Integers]:
    """Limit and limit_at of :class:`PositiveCutoffs`; a positive that does not overlap is its own limit.

    The final distance of a row without overlap never falls as its distance grows, but rounding makes many distances
    share one final distance: the bits of the limit are found by bisection. The limit is −∞ if no row comes before.
    """

    def comes_after(bits: Integers) -> NDArray[np.bool_]:
        return final_distance(0.0, bits.view(np.float64), scale, weight) > final

    low = np.zeros(len(final), np.int64)  # bits of distances ≥ 0 are ordered like the distances
    high = np.maximum(distances, 0.0).view(np.int64)
    none, itself = comes_after(low), final_distance(0.0, distances, scale, weight) <= final
    while np.any(high - low > 1):
        middle = low + (high - low) // 2
        after = comes_after(middle)
        high, low = np.where(after, middle, high), np.where(after, low, middle)
    limit = np.where(itself, distances, np.where(none, -np.inf, high.view(np.float64)))
    return limit, np.where(itself, index, 0)


def overlapping(sums: sparse.csr_array, distances: Reals, first: tuple[int, int], scale: Reals, weight: float) -> Found:
    """Overlapping rows with their final distances.

    ``sums``, ``distances``: sums of minima of some queries with some of the gallery, and the distance of each entry.
    ``first``: the first query and gallery index of these ranges. ``scale``: Q float64, farthest distances.
    """
    query = first[0] + np.repeat(np.arange(sums.shape[0]), np.diff(sums.indptr))
    final = final_distance(sums.data, distances, scale[query], weight)
    return Found(query, final, distances, first[1] + sums.indices.astype(np.int64))


def without_overlap(plain: Neighbours, gallery: VectorSet, scale: Reals, weight: float) -> Found:
    """The plain search's rows with the final distances that they have if they do not overlap."""
    query, rank = np.nonzero(plain.rows >= 0)
    distances = plain.distances[query, rank]
    final = final_distance(0.0, distances, scale[query], weight)
    return Found(query, final, distances, np.searchsorted(gallery.rows, plain.rows[query, rank]))


def count_overlapping(found: Found, cutoffs: PositiveCutoffs) -> None:
    """Count overlapping rows, by query ascending, before each positive of their queries and within its limit."""
    queries, first = np.unique(found.query, return_index=True)
    ends = np.append(first, len(found.query))
    over_rows(_count_overlapping, len(queries), queries, ends, found, cutoffs)


@njit(nogil=True, cache=True, error_model="numpy")
def _count_overlapping(
    start: int, stop: int, queries: Integers, ends: Integers, found: Found, cutoffs: PositiveCutoffs
) -> None:
    _, found_final, found_distance, found_index = found
    offsets, finals, distances, indices, limits, limit_indices, better, nearer = cutoffs
    for part in range(start, stop):
        for p in range(offsets[queries[part]], offsets[queries[part] + 1]):
            for entry in range(ends[part], ends[part + 1]):
                final, distance, index = found_final[entry], found_distance[entry], found_index[entry]
                nearer_than_it = comes_before(distance, index, distances[p], indices[p])
                better[p] += final < finals[p] or (final == finals[p] and nearer_than_it)
                nearer[p] += comes_before(distance, index, limits[p], limit_indices[p])
