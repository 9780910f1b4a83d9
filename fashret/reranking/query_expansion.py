"""Query expansion: each query is moved towards its nearest gallery rows, and the search is run again.

In: a set of queries and one of gallery, both of any length of vectors. Out: what the plain search gives, for the
moved queries, by cosine distance. Nothing depends on the other queries.

Average query expansion: Chum et al., "Total Recall", ICCV 2007. Alpha query expansion: Radenović, Tolias and Chum,
"Fine-tuning CNN Image Retrieval with No Human Annotation", TPAMI 2019, section 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fashret.errors import FashretError
from fashret.knn import Neighbours, SearchResult, SearchSpec, VectorSet, search

QUERIES_AT_ONCE = 256  # whose neighbours' vectors are in memory together


@dataclass(frozen=True)
class Expansion:
    """How queries are moved.

    ``neighbours``: n, gallery rows that a query is averaged with. ``alpha``: a neighbour counts with its cosine
    similarity to the query to this power (0 if it is negative); the query itself counts 1. With alpha 0 all count
    alike: average query expansion.
    """

    neighbours: int
    alpha: float = 0.0

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise FashretError(f"query expansion needs at least 1 neighbour, not {self.neighbours}")
        if not 0 <= self.alpha < np.inf:
            raise FashretError(f"query expansion needs an alpha of at least 0, not {self.alpha}")


def rerank_expanded(queries: VectorSet, gallery: VectorSet, spec: SearchSpec, how: Expansion) -> SearchResult:
    """Search again with expanded queries; as :func:`fashret.knn.search`, by cosine distance."""
    spec = replace(spec, metric="cosine")
    nearest, _ = search(queries, gallery, replace(spec, k=how.neighbours, positives=False))
    vectors = expanded(queries, gallery, nearest, how.alpha)
    moved = replace(queries, vectors=vectors, rows=np.arange(len(queries)), numbers=queries.rows)
    return search(moved, gallery, spec)


def expanded(queries: VectorSet, gallery: VectorSet, nearest: Neighbours, alpha: float) -> NDArray[np.float32]:
    """The mean of each query and its nearest by cosine distance, all of length 1, itself of length 1: Q×D float32.

    A neighbour's weight is its similarity to the power of ``alpha``.
    """
    moved = np.empty((len(queries), queries.width), np.float32)
    for start in range(0, len(moved), QUERIES_AT_ONCE):
        part = slice(start, start + QUERIES_AT_ONCE)
        total = _unit(queries.vectors[queries.rows[part]])
        for rows, distances in zip(nearest.rows[part].T, nearest.distances[part].T, strict=True):
            there = rows >= 0
            similarity = np.clip(1 - distances[there], 0, None)
            total[there] += similarity[:, None] ** alpha * _unit(gallery.vectors[rows[there]])
        moved[part] = _unit(total)
    return moved


def _unit(vectors: NDArray) -> NDArray[np.float64]:
    """Rows of length 1 in float64; a row of length 0 stays."""
    rows = np.asarray(vectors, np.float64)
    length = np.sqrt((rows * rows).sum(axis=1, keepdims=True))
    return rows / np.where(length > 0, length, 1)
