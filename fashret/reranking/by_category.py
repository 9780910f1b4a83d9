"""Re-ranking held to each category: a run of its own for the queries and the gallery rows of each.

In: a re-ranking. Out: its result over the whole gallery with the positives' ranks in their category, which come from
the runs held to the categories and never from filtering the unconstrained one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fashret.knn import Positives, SearchResult, SearchSpec, VectorSet
from fashret.knn.results import by_category
from fashret.knn.scan import ResumeStore

Method = Callable[[VectorSet, VectorSet, SearchSpec, tuple[ResumeStore, str] | None], SearchResult]


def rerank_all(
    method: Method, queries: VectorSet, gallery: VectorSet, spec: SearchSpec, store: ResumeStore | None = None
) -> SearchResult:
    """Re-rank, over the whole gallery or held to categories as ``spec.within`` says; as :func:`fashret.knn.search`.

    ``ranks_in_category`` are of a re-ranking held to the query's category (−1 for a positive outside of it).
    """
    if spec.within == "category":
        return rerank_categories(method, queries, gallery, spec, store)
    found, positives = method(queries, gallery, spec, _keep(store, "gallery"))
    if positives is None:
        return SearchResult(found, None)
    categories = np.union1d(queries.category, gallery.category)
    if len(categories) == 1 and categories[0] >= 0:  # being held to the only category changes nothing
        return SearchResult(found, replace(positives, ranks_in_category=positives.ranks))
    _, held = rerank_categories(method, queries, gallery, replace(spec, k=1), store)
    assert held is not None
    return SearchResult(found, replace(positives, ranks_in_category=_looked_up(positives, held)))


def rerank_categories(
    method: Method, queries: VectorSet, gallery: VectorSet, spec: SearchSpec, store: ResumeStore | None = None
) -> SearchResult:
    """Re-rank within each category; a query in no category finds nothing. Positives outside of it are left out."""
    held = replace(spec, within=None)

    def run(asked: VectorSet, searched: VectorSet, category: int) -> SearchResult:
        found, positives = method(asked, searched, held, _keep(store, f"gallery, category {category}"))
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
