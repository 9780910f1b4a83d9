"""Re-ranking held to each category: a run of its own for the queries and the gallery rows of each.

In: a re-ranking. Out: its result over the whole gallery with the positives' ranks in their category, which come from
the runs held to the categories and never from filtering the unconstrained one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fashret.knn import AllNeighbours, MakeLists, Positives, SearchResult, SearchSpec, VectorSet, all_neighbours
from fashret.knn.results import by_category
from fashret.knn.scan import ResumeStore
from fashret.knn.square import SMALLEST_PART

Method = Callable[[VectorSet, VectorSet, SearchSpec, MakeLists], SearchResult]


@dataclass(frozen=True)
class NeighbourLists:
    """Makes the neighbour lists of a run; the run over everything begins with those of runs held to categories.

    ``keep``: where finished work is kept, and under which name. ``by_category``: takes the lists of the rows of one
    category, and gives them up to those of several, so that no pair is compared twice; None: nothing is shared.
    """

    keep: tuple[ResumeStore, str] | None = None
    by_category: dict[int, AllNeighbours] | None = None

    def make(self, sets: Sequence[VectorSet], spec: SearchSpec) -> AllNeighbours:
        """Neighbours of every row of all sets, as :func:`fashret.knn.all_neighbours`."""
        if self.by_category is None:
            return all_neighbours(sets, spec, self.keep)
        category = np.concatenate([vectors.category for vectors in sets])
        own = np.unique(category)
        if len(own) == 1:
            found = all_neighbours(sets, spec, self.keep)
            if own[0] >= 0 and len(category) >= SMALLEST_PART:
                self.by_category[int(own[0])] = found
            return found
        keep, among = self.keep, sorted(self.by_category)
        if not among or (keep and keep[0].load(keep[1])):  # kept by a run that began without known lists
            return all_neighbours(sets, spec, keep)
        known = [(np.flatnonzero(category == one), self.by_category.pop(one)) for one in among]
        return all_neighbours(sets, spec, keep and (keep[0], f"{keep[1]}, from categories"), known)

    @property
    def memory(self) -> int:
        """Bytes that shared lists take."""
        waiting = (self.by_category or {}).values()
        return sum(array.nbytes for lists in waiting for array in (lists.rows, lists.distances, lists.farthest))


def rerank_all(
    method: Method, queries: VectorSet, gallery: VectorSet, spec: SearchSpec, store: ResumeStore | None = None
) -> SearchResult:
    """Re-rank, over the whole gallery or held to categories as ``spec.within`` says; as :func:`fashret.knn.search`.

    ``ranks_in_category`` are of a re-ranking held to the query's category (−1 for a positive outside of it).
    """
    if spec.within == "category":
        return rerank_categories(method, queries, gallery, spec, store)
    categories = np.union1d(queries.category, gallery.category)
    only = len(categories) == 1 and categories[0] >= 0  # being held to the only category changes nothing
    lists, held = NeighbourLists(_keep(store, "gallery"), {}), None
    if spec.positives and not only:
        _, held = rerank_categories(method, queries, gallery, replace(spec, k=1), store, lists.by_category)
    found, positives = method(queries, gallery, spec, lists.make)
    if positives is None:
        return SearchResult(found, None)
    ranks = positives.ranks if held is None else _looked_up(positives, held)
    return SearchResult(found, replace(positives, ranks_in_category=ranks))


def rerank_categories(
    method: Method,
    queries: VectorSet,
    gallery: VectorSet,
    spec: SearchSpec,
    store: ResumeStore | None = None,
    shared: dict[int, AllNeighbours] | None = None,
) -> SearchResult:
    """Re-rank within each category; a query in no category finds nothing. Positives outside of it are left out.

    ``shared``: takes the neighbour lists of each category.
    """

    def run(asked: VectorSet, searched: VectorSet, category: int) -> SearchResult:
        lists = NeighbourLists(_keep(store, f"gallery, category {category}"), shared)
        held = replace(spec, within=None, memory=spec.memory - lists.memory)
        found, positives = method(asked, searched, held, lists.make)
        return SearchResult(found, positives and replace(positives, ranks_in_category=positives.ranks))

    return by_category(queries, gallery, spec, run)


def _keep(store: ResumeStore | None, name: str) -> tuple[ResumeStore, str] | None:
    return (store, name) if store else None


def _looked_up(positives: Positives, held: Positives) -> NDArray[np.int64]:
    """Rank of each positive in ``held``, −1 where it is not there."""
    most = max(int(part.rows.max(initial=0)) for part in (positives, held)) + 1
    wanted, there = (part.query * most + part.rows for part in (positives, held))
    order = np.argsort(there)
    there, ranks = np.append(there[order], -1), np.append(held.ranks[order], -1)
    at = np.searchsorted(there[:-1], wanted)
    return np.where(there[at] == wanted, ranks[at], -1)
