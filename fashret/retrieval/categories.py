"""Re-ranking held to each category: a run of its own for the queries and the gallery rows of each.

In: a re-ranking (a function of two sides and a request). Out: its result over the whole gallery with the positives'
ranks in their category, which come from the runs held to the categories and never from filtering the unconstrained
one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fashret.retrieval.neighbours import Positives, Side
from fashret.retrieval.parts import Found, Method, join
from fashret.retrieval.request import Request


def rerank_all(method: Method, queries: Side, gallery: Side, request: Request) -> Found:
    """Re-rank, over the whole gallery or held to categories as ``request.within`` says.

    Returns
    -------
    As :func:`fashret.retrieval.neighbours.search`; ``ranks_in_category`` are those of a re-ranking held to the
    category of the query (−1 for a positive outside of it).
    """
    if request.within == "category":
        return rerank_categories(method, queries, gallery, request)
    found, positives = method(queries, gallery, request)
    if positives is None:
        return found, None
    if _one_category(queries, gallery):
        return found, replace(positives, ranks_in_category=positives.ranks)
    _, held = rerank_categories(method, queries, gallery, replace(request, k=1))
    assert held is not None
    return found, replace(positives, ranks_in_category=_looked_up(positives, held))


def rerank_categories(method: Method, queries: Side, gallery: Side, request: Request) -> Found:
    """Re-rank within each category; a query in no category finds nothing. Positives outside of it are left out."""
    held = replace(request, within=None)
    parts = []
    for asked, of_gallery in categories_of(queries, gallery):
        name = f"{request.run}, category {queries.category[asked[0]]}"
        found, positives = method(queries.take(asked), gallery.take(of_gallery), replace(held, run=name))
        if positives is not None:
            positives = replace(positives, ranks_in_category=positives.ranks)
        parts.append((asked, (found, positives)))
    return join(len(queries), request, parts)


def categories_of(queries: Side, gallery: Side) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Places of the queries and of the gallery rows of each category that has queries."""
    return [
        (np.flatnonzero(queries.category == category), np.flatnonzero(gallery.category == category))
        for category in np.unique(queries.category[queries.category >= 0])
    ]


def _one_category(queries: Side, gallery: Side) -> bool:
    """Whether one category holds everything, so that being held to it changes nothing."""
    found = np.union1d(queries.category, gallery.category)
    return len(found) == 1 and found[0] >= 0


def _looked_up(positives: Positives, held: Positives) -> NDArray[np.int64]:
    """Rank of each positive in ``held``, −1 where it is not there."""
    most = max(int(part.rows.max(initial=0)) for part in (positives, held)) + 1
    wanted, there = (
        np.repeat(np.arange(len(part.offsets) - 1), np.diff(part.offsets)) * most + part.rows
        for part in (positives, held)
    )
    order = np.argsort(there)
    there, ranks = np.append(there[order], -1), np.append(held.ranks[order], -1)
    place = np.searchsorted(there[:-1], wanted)
    return np.where(there[place] == wanted, ranks[place], -1)
