"""The definition of a distance: float64, pair by pair, in one fixed order of summation.

In: stored vectors (float32 or float16). Out: float64 distances that depend on nothing but the two rows: equal rows
give equal bits, a row's distance to itself is 0, and d(a, b) = d(b, a). Block sizes, threads and devices do not
enter.

With n = Σ x² and dot = Σ q·g over the stored values, the distance of a pair is

    euclidean   (n_q + n_g) − 2·dot          the squared Euclidean distance
    cosine      1 − dot / √(n_q · n_g)

Every sum runs over 16 lanes (component i belongs to lane i mod 16, in ascending order), the lanes are then added in
halves (l + l+8, l + l+4, …), then the components beyond the last whole 16 are added one by one. Products of float32
values are exact in float64, so a fused multiply-add changes nothing.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fashret.errors import FashretError
from fashret.knn.simd import dot_products
from fashret.knn.threads import over_rows

Metric = Literal["cosine", "euclidean"]
METRICS: tuple[Metric, ...] = ("cosine", "euclidean")

CHUNK_BYTES = 8 << 20  # vectors converted at a time


@njit(nogil=True, cache=True, error_model="numpy")
def distance_of(cosine: bool, dot: float, square_a: float, square_b: float) -> float:
    """The distance of two rows from their product and their sums of squares."""
    return 1.0 - dot / np.sqrt(square_a * square_b) if cosine else (square_a + square_b) - 2.0 * dot


@njit(nogil=True, cache=True, error_model="numpy")
def _dot_product(a: NDArray, i: int, b: NDArray, j: int) -> float:
    return dot_products(a, i, b, (j,))[0]


@njit(nogil=True, cache=True, error_model="numpy")
def _squares(start: int, stop: int, block: NDArray, out: NDArray) -> None:
    for i in range(start, stop):
        out[i] = _dot_product(block, i, block, i)


@njit(nogil=True, cache=True, error_model="numpy")
def _distances(
    start: int, stop: int, cosine: bool, left: tuple[NDArray, ...], right: tuple[NDArray, ...], out: NDArray
) -> None:
    (a, rows, squares), (b, others, other_squares) = left, right
    known = squares.shape[0] > 0
    for pair in range(start, stop):
        i, j = rows[pair], others[pair]
        square = squares[pair] if known else _dot_product(a, i, a, i)
        other_square = other_squares[pair] if known else _dot_product(b, j, b, j)
        out[pair] = distance_of(cosine, _dot_product(a, i, b, j), square, other_square)


def frozen(block: NDArray) -> NDArray:
    """The block as contiguous, read-only float32 rows, a view where it is so already: what the kernels take."""
    rows = np.ascontiguousarray(np.asarray(block), np.float32).view()
    rows.flags.writeable = False
    return rows


def squared_norms(block: NDArray) -> NDArray[np.float64]:
    """Σ x² of each row of an n×D float32 or float16 array, n float64, in the order of the definition.

    >>> squared_norms(np.array([[3, 4], [0, 1]], np.float32))
    array([25.,  1.])
    """
    out = np.empty(len(block))
    over_rows(_squares, len(out), frozen(block), out)
    return out


def pair_distances(
    left: NDArray,
    left_rows: NDArray[np.int64],
    right: NDArray,
    right_rows: NDArray[np.int64],
    metric: Metric = "cosine",
    squares: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
) -> NDArray[np.float64]:
    """Distances of P pairs of rows, by definition: P float64, NaN where a row has length 0 and the metric is cosine.

    ``left``, ``right``: M×D and L×D float32 or float16 arrays or memory maps. ``left_rows``, ``right_rows``: P int64
    each. ``squares``: :func:`squared_norms` of these rows, P float64 each, where they are known.

    >>> x = np.array([[1, 0], [0, 2], [3, 0]], np.float32)
    >>> pair_distances(x, np.array([0, 0, 0]), x, np.array([0, 1, 2]), "euclidean")
    array([0., 5., 4.])
    """
    check_metric(metric)
    out = np.empty(len(left_rows))
    stored = left.dtype == right.dtype == np.float32 and left.flags.c_contiguous and right.flags.c_contiguous
    step = max(1, len(out) if stored else CHUNK_BYTES // (4 * max(1, left.shape[1])))
    for first in range(0, len(out), step):
        part, sides = slice(first, first + step), []
        for vectors, rows, known in zip((left, right), (left_rows, right_rows), squares or 2 * [out[:0]], strict=True):
            block = frozen(vectors if stored else vectors[rows[part]])
            sides.append((block, rows[part] if stored else np.arange(len(block)), known[part]))
        over_rows(_distances, len(out[part]), metric == "cosine", *sides, out[part])
    return out


def check_metric(metric: str) -> None:
    """Raise :class:`FashretError` unless ``metric`` is one of :data:`METRICS`."""
    if metric not in METRICS:
        raise FashretError(f"metric {metric}: not known; the metrics are {', '.join(METRICS)}")
