"""Results of parts of the queries, put together.

In: what a search or re-ranking found for disjoint sets of queries. Out: one result in the order of all queries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from fashret.retrieval.neighbours import Neighbours, Positives, Side
from fashret.retrieval.request import Request

Found = tuple[Neighbours, Positives | None]
Method = Callable[[Side, Side, Request], Found]  # a re-ranking
Part = tuple[NDArray[np.int64], Found]  # the places of some queries, ascending, and what was found for them


def join(count: int, request: Request, parts: Sequence[Part]) -> Found:
    """The results of all ``count`` queries; one that is in no part found nothing."""
    rows, distances = np.full((count, request.k), -1), np.full((count, request.k), np.nan)
    sizes = np.zeros(count, np.int64)
    for asked, (found, positives) in parts:
        rows[asked], distances[asked] = found.rows, found.distances
        if positives is not None:
            sizes[asked] = np.diff(positives.offsets)
    if not request.positives:
        return Neighbours(rows, distances), None
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    columns = {name: np.empty(offsets[-1], np.int64) for name in ("rows", "ranks", "ranks_in_category")}
    columns["distances"] = np.empty(offsets[-1])
    for asked, (_, positives) in parts:
        assert positives is not None
        at = places_of(offsets, asked)
        for name, column in columns.items():
            column[at] = getattr(positives, name)
    return Neighbours(rows, distances), Positives(offsets, **columns)


def places_of(offsets: NDArray[np.int64], asked: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places of all entries of some rows, row after row.

    >>> places_of(np.array([0, 2, 2, 5]), np.array([0, 2]))
    array([0, 1, 2, 3, 4])
    """
    sizes = offsets[asked + 1] - offsets[asked]
    starts = np.cumsum(sizes) - sizes
    return np.arange(sizes.sum()) + np.repeat(offsets[asked] - starts, sizes)
