"""Exact k-nearest neighbours and exact ranks, in bounded memory.

    VectorSet            rows of a stored matrix (memory-mapped)                       vectors
       │ blocks that fit the budget                                                     memory
       ▼
    Block ─ QuantisedBlock     8-bit numbers, and terms that say how far off they are   quantise · bounds
       │ × block of the gallery
       ▼
    tile of approximate products ──filter──▶ Candidates: pairs whose lower and upper    cpu_filter · torch_filter
       │                                     bound leave undecided what matters
       │                                        │ select: which of them need a distance  reductions
       │                                        │ rescore: the distance by definition    distance · candidates
       │                                        ▼ reduce
       └── rows with too many are       KNearest · FarthestDistance · RankCounters      reductions
           filtered again in float32

The scan (:mod:`fashret.knn.scan`) shows every pair of blocks to the reductions; :mod:`fashret.knn.exact` is the door.
Approximate products only discard pairs, under a rigorous bound; what is left is settled by the definition of the
distance. CPU and GPU differ in the filter alone. :class:`NearestNeighbours` is what another store of vectors implements
to stand in for the exact search.
"""

import fashret.compiling  # noqa: F401  before the first compiled function
from fashret.knn.exact import (
    AllNeighbours,
    ExactNeighbours,
    MakeLists,
    Thresholds,
    all_neighbours,
    count_before,
    search,
)
from fashret.knn.results import NearestNeighbours, Neighbours, Positives, SearchResult, SearchSpec, WorkStats
from fashret.knn.vectors import VectorSet

__all__ = [
    "AllNeighbours",
    "ExactNeighbours",
    "MakeLists",
    "NearestNeighbours",
    "Neighbours",
    "Positives",
    "SearchResult",
    "SearchSpec",
    "Thresholds",
    "VectorSet",
    "WorkStats",
    "all_neighbours",
    "count_before",
    "search",
]
