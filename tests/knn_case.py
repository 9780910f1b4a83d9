"""Small sets of vectors and blocks for the tests of the search, and what any filter must find in them."""

from __future__ import annotations

import numpy as np

from fashret.knn import VectorSet
from fashret.knn.candidates import Candidates, Limits
from fashret.knn.scan import Filter
from fashret.knn.vectors import Block, load_block
from tests import brute


def vector_set(vectors: np.ndarray, product: np.ndarray | None = None, category: np.ndarray | None = None) -> VectorSet:
    """All rows of a matrix; unlabelled and in no category unless given."""
    none = np.full(len(vectors), -1)
    return VectorSet(
        vectors, np.arange(len(vectors)), none if product is None else product, none if category is None else category
    )


def block_of(vectors: np.ndarray, metric: str) -> Block:
    """All rows of a matrix as one block."""
    return load_block(vector_set(vectors), 0, len(vectors), metric == "cosine")


def with_ties(rng: np.random.Generator, count: int, width: int) -> np.ndarray:
    """Float32 vectors of which about a third are there twice, near ties, and lengths that differ."""
    vectors = rng.standard_normal((count, width)) * rng.choice([0.1, 1.0, 30.0], (count, 1))
    copied = rng.random(count) < 1 / 3
    vectors[copied] = vectors[rng.integers(0, count, copied.sum())]
    vectors[::5] *= 1 + 1e-6
    return vectors.astype(np.float32)


def found_pairs(parts: list[Candidates], shape: tuple[int, int], distances: np.ndarray) -> np.ndarray:
    """Which pairs are candidates; asserts that each is there once and that its bounds hold its distance."""
    found = np.zeros(shape, int)
    for part in parts:
        rows = np.repeat(part.rows, np.diff(part.offsets))
        np.add.at(found, (rows, part.columns), 1)
        held = distances[rows, part.columns]
        assert ((part.lower <= held) & (held <= part.upper)).all()
        assert not part.undecided.any() and np.isnan(part.distances).all()
    assert found.max(initial=0) <= 1
    return found > 0


def check_limits(filter_: Filter, level: int, blocks: tuple[Block, Block], which: np.ndarray, margin: float) -> None:
    """Pairs within the limits of a row or of a column are candidates; pairs beyond all of them by a margin are not."""
    rows, columns = blocks
    distances = brute.distance_matrix(rows.data.vectors, columns.data.vectors, "cosine" if rows.cosine else "euclidean")
    chosen = np.zeros(len(rows), bool)
    chosen[which] = True
    near, far = (np.quantile(distances, part, axis=1).astype(np.float32) for part in (0.1, 0.95))
    near_column, far_column = (np.quantile(distances, part, axis=0).astype(np.float32) for part in (0.05, 0.97))
    for limited in (False, True):
        of_rows = Limits(near[which], far[which], np.zeros(len(which), np.int32))
        of_columns = Limits(near_column, far_column, np.zeros(len(columns), np.int32)) if limited else None
        parts = list(filter_.candidates(level, rows, columns, which, (of_rows, of_columns)))
        np.testing.assert_array_equal(np.sort(np.concatenate([part.rows for part in parts])), which)
        found = found_pairs(parts, distances.shape, distances)

        def beyond(by: float, limited: bool = limited) -> np.ndarray:
            outside = (distances > near[:, None] + by) & (distances < far[:, None] - by)
            return outside & ((distances > near_column + by) & (distances < far_column - by) if limited else True)

        assert found[chosen[:, None] & ~beyond(0)].all()
        assert not found[~chosen].any() and not found[beyond(margin)].any()


def check_seeds(filter_: Filter, blocks: tuple[Block, Block], k: int) -> None:
    """Where nothing is known, the k nearest of each row and its farthest are candidates, ties and columns alike."""
    rows, columns = blocks
    distances = brute.distance_matrix(rows.data.vectors, columns.data.vectors, "cosine" if rows.cosine else "euclidean")
    for of_columns in (False, True):
        unknown = [
            Limits(np.full(size, -np.inf, np.float32), np.full(size, -np.inf, np.float32), np.full(size, k, np.int32))
            for size in distances.shape
        ]
        limits = (Limits.nothing(len(rows)), unknown[1]) if of_columns else (unknown[0], None)
        found = found_pairs(
            list(filter_.candidates(0, rows, columns, np.arange(len(rows)), limits)), distances.shape, distances
        )
        across, there = (distances.T, found.T) if of_columns else (distances, found)
        kth = np.sort(across, axis=1)[:, min(k, across.shape[1]) - 1]
        assert there[across <= kth[:, None]].all()
        assert there[across == across.max(axis=1, keepdims=True)].all()
        if k > across.shape[1]:
            assert there.all()
