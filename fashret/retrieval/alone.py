"""k-reciprocal re-ranking of each query as if it were alone with the gallery.

In: a side of queries and one of gallery. Out: what :func:`fashret.retrieval.reranking.rerank` gives for each query
when no other query is there, so that a result does not depend on which other photos are searched for.

The gallery is compared with itself once. A query that belongs to it changes nothing; any other is a guest
(:mod:`fashret.retrieval.guests`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashret.retrieval import jaccard
from fashret.retrieval.final_order import Marks, merge, no_best, settle
from fashret.retrieval.guest_overlaps import count_candidates, fill_candidates, sum_minima
from fashret.retrieval.guests import Guests, Variants, World
from fashret.retrieval.neighbours import Positives, Side, all_neighbours, farthest, search
from fashret.retrieval.parts import Found, join
from fashret.retrieval.pool import Pool, pool_of
from fashret.retrieval.reciprocal import SparseRows, expanded_sets, half
from fashret.retrieval.request import Request
from fashret.retrieval.reranking import (
    Reciprocal,
    asked_of,
    marks_of,
    plain_search,
    rerank,
    results,
    scale_of,
    without_overlap,
)
from fashret.retrieval.threads import over_rows, ranges
from fashret.retrieval.variants import count_variants, fill_variants, known_distances

BYTES_PER_MEMBER = 64  # of one member of a variant's set, with what comes after it


def rerank_alone(queries: Side, gallery: Side, request: Request, how: Reciprocal) -> Found:
    """Re-rank each query as if it were alone; parameters and result as :func:`fashret.retrieval.reranking.rerank`."""
    inside = pool_of(queries, gallery, request.same_matrix).own >= 0
    parts = []
    for method, asked in ((rerank, np.flatnonzero(inside)), (_rerank_guests, np.flatnonzero(~inside))):
        if len(asked):
            parts.append((asked, method(queries.take(asked), gallery, request, how)))
    return join(len(queries), request, parts)


def _rerank_guests(queries: Side, gallery: Side, request: Request, how: Reciprocal) -> Found:
    """Re-rank queries that are not in the gallery, each alone."""
    plain, positives = plain_search(queries, gallery, request)
    pool = pool_of(queries, gallery, request.same_matrix)
    world = _world(pool, gallery, request, how)
    guests = _guests(queries, gallery, world, request, how)
    asked = asked_of(queries, pool, scale_of(guests.farthest), request)
    parts: list[Marks] = []
    best = no_best(len(queries), request.k)
    for chosen, variants in _variants(pool, world, guests, request.memory // 2):
        some = _some(guests, chosen)
        sums, distances = _overlaps(pool, world, some, variants, pool.query[chosen])
        part = _positives_of(positives, chosen)
        marks = marks_of(part, gallery, _looked_up(sums, part, gallery), asked.scale[chosen], how.weight)
        settle(
            sums,
            distances,
            (0, 0),
            asked._replace(scale=asked.scale[chosen], own=asked.own[chosen], product=asked.product[chosen]),
            gallery.product,
            how.weight,
            best._replace(final=best.final[chosen], distance=best.distance[chosen], place=best.place[chosen]),
            marks,
        )
        parts.append(marks)
    best = merge(best, without_overlap(plain, gallery, asked.scale, how.weight))
    joined = Marks(positives.offsets, *(np.concatenate(column) for column in list(zip(*parts, strict=True))[1:]))
    return results(queries, gallery, request, best, positives, joined)


def _world(pool: Pool, gallery: Side, request: Request, how: Reciprocal) -> World:
    """The gallery among itself."""
    everyone = all_neighbours(
        [gallery],
        how.list_length,
        metric="euclidean",
        memory=request.memory,
        device=request.device,
        keep=request.keep,
    )
    lists = everyone.rows.astype(np.int32)
    sets = expanded_sets(lists, how.k1)

    def distances(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
        return pool.distances(pool.gallery[first], pool.gallery[second])

    sets = sets._replace(values=jaccard.member_distances(sets, lists, everyone.distances, distances))
    averaged = lists[:, : how.k2]
    there = averaged >= 0
    ends = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    return World(
        lists,
        everyone.distances,
        sets,
        jaccard.neighbour_weights(sets.offsets, sets.values, everyone.farthest),
        everyone.farthest,
        jaccard.inverted(sets, len(gallery))._replace(values=np.empty(0)),
        jaccard.inverted(SparseRows(ends, averaged[there], np.zeros(ends[-1])), len(gallery)),
        how.k1 + 1,
        half(how.k1) + 1,
        how.k2,
    )


def _guests(queries: Side, gallery: Side, world: World, request: Request, how: Reciprocal) -> Guests:
    """The queries' own lists, and the lists that they enter."""
    settings: dict[str, Any] = {"metric": "euclidean", "memory": request.memory, "device": request.device}
    nearest, _ = search(queries, gallery, how.list_length - 1, **settings)
    places = np.where(nearest.rows >= 0, np.searchsorted(gallery.rows, nearest.rows), -1)
    itself = np.full((len(queries), 1), len(gallery))
    before = np.zeros(len(queries), np.int64)
    if request.same_matrix:  # rows of one matrix are in its order
        before = np.searchsorted(gallery.rows, queries.rows)
    return Guests(
        np.hstack([itself, places]).astype(np.int32),
        before,
        farthest(queries, gallery, **settings),
        _entered(queries, gallery, world.list_distances[:, -1], settings),
    )


def _entered(queries: Side, gallery: Side, radius: NDArray[np.float64], settings: dict[str, Any]) -> SparseRows:
    """For each query the gallery rows that are no farther from it than the last entry of their list."""
    waiting, k = np.arange(len(gallery)), 8
    found: list[tuple[NDArray, NDArray, NDArray]] = [(waiting[:0], waiting[:0], np.zeros(0))]
    while len(waiting):
        k = min(k, len(queries))
        nearest, _ = search(gallery.take(waiting), queries, k, **settings)
        near = ~(nearest.distances > radius[waiting, None])  # no radius (NaN): the list has room for all
        again = near[:, -1] & (k < len(queries))
        near[again] = False
        rows, slots = np.nonzero(near)
        query = np.searchsorted(queries.rows, nearest.rows[rows, slots])
        found.append((query, waiting[rows], nearest.distances[rows, slots]))
        waiting, k = waiting[again], 4 * k
    query, rows, distances = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((rows, query))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(query, minlength=len(queries)))])
    return SparseRows(offsets, rows[order].astype(np.int32), distances[order])


def _variants(pool: Pool, world: World, guests: Guests, memory: int) -> Iterator[tuple[slice, Variants]]:
    """Ranges of guests with their variants, as many at a time as ``memory`` (bytes) lets there be, one at least."""
    count = len(guests.lists)
    rows, members = np.zeros(count, np.int64), np.zeros(count, np.int64)
    over_rows(count_variants, count, world, guests, rows, members)
    for chosen in ranges(members, max(1, memory // BYTES_PER_MEMBER)):
        offsets, first = (np.concatenate([[0], np.cumsum(sizes[chosen])]) for sizes in (rows, members))
        sizes = np.zeros(offsets[-1] + 1, np.int64)
        sets = SparseRows(sizes, np.empty(first[-1], np.int32), np.empty(first[-1]))
        variants = Variants(offsets, np.empty(offsets[-1], np.int32), sets)
        some = _some(guests, chosen)
        over_rows(fill_variants, len(some.lists), world, some, variants, first, sizes[1:])
        np.cumsum(sizes, out=sizes)
        over_rows(known_distances, len(variants.rows), world, variants.rows, sets)
        _ask_distances(pool, variants, pool.query[chosen])
        yield chosen, variants


def _ask_distances(pool: Pool, variants: Variants, numbers: NDArray[np.int64]) -> None:
    """Distances of the members that are not known yet; ``numbers``: those of the guests in the pool."""
    unknown = np.flatnonzero(np.isnan(variants.sets.values))
    variant = np.searchsorted(variants.sets.offsets, unknown, side="right") - 1
    guest = np.searchsorted(variants.offsets, variant, side="right") - 1
    of_gallery = np.append(pool.gallery, -1)  # the last for the guest itself
    ends = [
        np.where(rows < len(pool.gallery), of_gallery[rows], numbers[guest])
        for rows in (variants.rows[variant], variants.sets.columns[unknown])
    ]
    variants.sets.values[unknown] = pool.distances(*ends)


def _some(guests: Guests, chosen: slice) -> Guests:
    """A range of the guests."""
    entered = guests.entered
    return Guests(
        guests.lists[chosen],
        guests.place[chosen],
        guests.farthest[chosen],
        entered._replace(offsets=entered.offsets[chosen.start : chosen.stop + 1]),
    )


def _overlaps(
    pool: Pool, world: World, guests: Guests, variants: Variants, numbers: NDArray[np.int64]
) -> tuple[SparseRows, NDArray[np.float64]]:
    """Sums of minima of the guests with the gallery rows that they may overlap with, and the distances of these."""
    count = len(guests.lists)
    sizes = np.zeros((2, count + 1), np.int64)
    over_rows(count_candidates, count, world, guests, variants, sizes[0, 1:], sizes[1, 1:])
    sums, met = (
        SparseRows(offsets, np.empty(offsets[-1], np.int32), np.empty(offsets[-1])) for offsets in sizes.cumsum(axis=1)
    )
    over_rows(fill_candidates, count, world, guests, variants, sums, met)
    met.values[:] = pool.distances(np.repeat(numbers, np.diff(met.offsets)), pool.gallery[met.columns])
    over_rows(sum_minima, count, world, guests, variants, met, sums)
    return sums, pool.sparse_distances(numbers, sums.offsets, pool.gallery[sums.columns])


def _positives_of(positives: Positives, chosen: slice) -> Positives:
    """The positives of a range of queries."""
    offsets = positives.offsets[chosen.start : chosen.stop + 1]
    part = slice(offsets[0], offsets[-1])
    return Positives(
        offsets - offsets[0],
        positives.rows[part],
        positives.ranks[part],
        positives.ranks_in_category[part],
        positives.distances[part],
    )


def _looked_up(sums: SparseRows, positives: Positives, gallery: Side) -> NDArray[np.float64]:
    """The sum of minima of each positive with its query, 0 where it is not among them."""
    size = len(gallery) + 1
    there = np.repeat(np.arange(sums.height), np.diff(sums.offsets)) * size + sums.columns
    query = np.repeat(np.arange(sums.height), np.diff(positives.offsets))
    wanted = query * size + np.searchsorted(gallery.rows, positives.rows)
    place = np.searchsorted(there, wanted)
    return np.where(np.append(there, -1)[place] == wanted, np.append(sums.values, 0.0)[place], 0.0)
