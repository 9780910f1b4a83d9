"""The order that re-ranking ends in: best rows first, and the place of every positive in it.

In: sums of minima and distances of the gallery rows that overlap with a query (a few), and the plain search for all
others. Out: the k best of both together, and how many gallery rows come before each positive, over the whole
gallery.

final = (1 − λ)·(1 − s/(2 − s)) + λ·d/max d (equations 10 and 12 of Zhong et al., CVPR 2017). A row that does not
overlap has s = 0: its final distance is (1 − λ) + λ·d/max d, so all such rows stay in the order of the plain
search, and nothing has to be computed for them. Equal final distances are ordered by distance, then by the smaller
gallery row.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fashret.retrieval.reciprocal import SparseRows
from fashret.retrieval.threads import over_rows

Reals = NDArray[np.float64]
Integers = NDArray[np.int64]


class Asked(NamedTuple):
    """What is asked of the gallery, a query each entry.

    ``scale``: Q float64, each query's farthest distance (1 where it is 0). ``own``: Q int64, the query's own place
    in the gallery, −1 if it is not in it. ``product``: Q int64, the product to leave out, −1 for none.
    """

    scale: Reals
    own: Integers
    product: Integers


class Best(NamedTuple):
    """The best rows so far, Q×k each, best first. ``place``: place in the gallery, −1 where there is none yet."""

    final: Reals
    distance: Reals
    place: Integers


class Marks(NamedTuple):
    """Positives whose rank is wanted; query i's are ``offsets[i]:offsets[i + 1]``. All arrays of length P.

    ``final``, ``distance``, ``place``: the positive. ``limit``, ``limit_place``: rows that do not overlap come
    before it if their distance is < limit, or equal and their place < limit_place. ``better``: overlapping rows
    before it, counted up by :func:`settle`. ``nearer``: those of them within the limit, which a count of all rows
    up to the limit counts too.
    """

    offsets: Integers
    final: Reals
    distance: Reals
    place: Integers
    limit: Reals
    limit_place: Integers
    better: Integers
    nearer: Integers


def no_best(queries: int, k: int) -> Best:
    """Q×k places for the best rows, all empty."""
    shape = (queries, k)
    return Best(np.full(shape, np.inf), np.full(shape, np.inf), np.full(shape, -1, np.int64))


def final_distances(sums: Reals, distances: Reals, scale: Reals, weight: float) -> Reals:
    """(1 − λ)·(1 − s/(2 − s)) + λ·d/max d, entry by entry.

    >>> final_distances(np.array([1.0, 0.0]), np.array([0.5, 0.5]), np.array([1.0, 1.0]), 0.5)
    array([0.25, 0.75])
    """
    return (1 - weight) * (1 - sums / (2 - sums)) + weight * (distances / scale)


def limits(final: Reals, distances: Reals, places: Integers, scale: Reals, weight: float) -> tuple[Reals, Integers]:
    """Up to where rows that do not overlap come before each of P positives: see :class:`Marks`.

    The final distance of such a row never falls as its distance grows, but rounding makes many distances share one
    final distance: the bits of the limit are found by bisection.

    Parameters
    ----------
    final, distances, places, scale
        Final distance, distance and place of each positive, farthest distance of its query.

    Returns
    -------
    limit, limit_place
        A positive that does not overlap is its own limit; the limit is −inf if no row comes before.
    """

    def comes_after(bits: Integers) -> NDArray[np.bool_]:
        return final_distances(nothing, bits.view(np.float64), scale, weight) > final

    nothing = np.zeros(len(final))
    low = np.zeros(len(final), np.int64)  # bits of distances ≥ 0 are ordered like the distances
    high = np.maximum(distances, 0.0).view(np.int64)
    none, itself = comes_after(low), final_distances(nothing, distances, scale, weight) <= final
    while np.any(high - low > 1):
        middle = low + (high - low) // 2
        after = comes_after(middle)
        high, low = np.where(after, middle, high), np.where(after, low, middle)
    limit = np.where(itself, distances, np.where(none, -np.inf, high.view(np.float64)))
    return limit, np.where(itself, places, 0)


def settle(
    sums: SparseRows,
    distances: Reals,
    first: tuple[int, int],
    asked: Asked,
    gallery_product: Integers,
    weight: float,
    best: Best,
    marks: Marks,
) -> None:
    """Take overlapping rows into the best ones and into the counts of the positives.

    Parameters
    ----------
    sums
        Sums of minima of a range of queries with a range of the gallery.
    distances
        Distance of each entry of ``sums``.
    first
        The first query and the first place of the gallery of these ranges.
    gallery_product
        G int64, to leave out what ``asked`` leaves out.
    weight
        λ, the weight of the distance.
    best, marks
        Brought up to date.
    """
    over_rows(_settle, sums.height, sums, distances, first, asked, gallery_product, weight, best, marks)


def merge(best: Best, plain: Best) -> Best:
    """The k best of overlapping rows and of the plain search, whose rows are taken to overlap with nothing."""
    merged = no_best(*best.final.shape)
    over_rows(_merge, len(best.final), best, plain, merged)
    return merged


@njit(nogil=True, cache=True)
def _before(final, distance, place, other_final, other_distance, other_place):
    if final != other_final:
        return final < other_final
    if distance != other_distance:
        return distance < other_distance
    return place < other_place


@njit(nogil=True, cache=True)
def _insert(best, query, final, distance, place):
    """Put a row where it belongs among the best, if it does; the last one falls out."""
    slot = best.final.shape[1]
    while slot > 0 and (
        best.place[query, slot - 1] < 0
        or _before(
            final,
            distance,
            place,
            best.final[query, slot - 1],
            best.distance[query, slot - 1],
            best.place[query, slot - 1],
        )
    ):
        slot -= 1
    for later in range(best.final.shape[1] - 1, slot, -1):
        best.final[query, later] = best.final[query, later - 1]
        best.distance[query, later] = best.distance[query, later - 1]
        best.place[query, later] = best.place[query, later - 1]
    if slot < best.final.shape[1]:
        best.final[query, slot] = final
        best.distance[query, slot] = distance
        best.place[query, slot] = place


@njit(nogil=True, cache=True)
def _settle(start, stop, sums, distances, first, asked, gallery_product, weight, best, marks):
    for row in range(start, stop):
        query = first[0] + row
        for entry in range(sums.offsets[row], sums.offsets[row + 1]):
            place = first[1] + sums.columns[entry]
            left_out = asked.product[query] >= 0 and gallery_product[place] == asked.product[query]
            if place == asked.own[query] or left_out:
                continue
            s, distance = sums.values[entry], distances[entry]
            final = (1 - weight) * (1 - s / (2 - s)) + weight * (distance / asked.scale[query])
            _insert(best, query, final, distance, place)
            for mark in range(marks.offsets[query], marks.offsets[query + 1]):
                if _before(final, distance, place, marks.final[mark], marks.distance[mark], marks.place[mark]):
                    marks.better[mark] += 1
                limit = marks.limit[mark]
                if distance < limit or (distance == limit and place < marks.limit_place[mark]):
                    marks.nearer[mark] += 1


@njit(nogil=True, cache=True)
def _merge(start, stop, best, plain, merged):
    k = best.final.shape[1]
    for query in range(start, stop):
        one = other = 0
        for slot in range(k):
            while other < k and _holds(best.place[query], plain.place[query, other]):
                other += 1
            from_best = one < k and best.place[query, one] >= 0
            from_plain = other < k and plain.place[query, other] >= 0
            if not from_best and not from_plain:
                break
            if from_best and from_plain:
                from_best = _before(
                    best.final[query, one],
                    best.distance[query, one],
                    best.place[query, one],
                    plain.final[query, other],
                    plain.distance[query, other],
                    plain.place[query, other],
                )
            source, taken = (best, one) if from_best else (plain, other)
            merged.final[query, slot] = source.final[query, taken]
            merged.distance[query, slot] = source.distance[query, taken]
            merged.place[query, slot] = source.place[query, taken]
            if from_best:
                one += 1
            else:
                other += 1


@njit(nogil=True, cache=True)
def _holds(places, wanted):
    return wanted >= 0 and np.any(places == wanted)
