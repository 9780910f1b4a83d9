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
from fashret.retrieval.instructions import lane_sum

Metric = Literal["cosine", "euclidean"]
METRICS: tuple[Metric, ...] = ("cosine", "euclidean")

CHUNK_BYTES = 8 << 20  # vectors converted at a time


@njit(nogil=True, cache=True, error_model="numpy")
def defined_distance(cosine: bool, a: NDArray, i: int, b: NDArray, j: int, square_a: float, square_b: float) -> float:
    """The distance of row ``i`` of ``a`` and row ``j`` of ``b``, contiguous float32, from their sums of squares."""
    return distance_of(cosine, lane_sum(a, i, b, j), square_a, square_b)


@njit(nogil=True, cache=True, error_model="numpy")
def distance_of(cosine: bool, dot: float, square_a: float, square_b: float) -> float:
    """The distance of a pair from its sum of products and the sums of squares."""
    if cosine:
        return 1.0 - dot / np.sqrt(square_a * square_b)
    return (square_a + square_b) - 2.0 * dot


@njit(nogil=True, cache=True, error_model="numpy")
def squares_of_rows(start: int, stop: int, block: NDArray, out: NDArray) -> None:
    """Σ x² of rows ``start`` … ``stop`` of a contiguous float32 block."""
    for i in range(start, stop):
        out[i] = lane_sum(block, i, block, i)


@njit(nogil=True, cache=True, error_model="numpy")
def _paired(cosine: bool, a: NDArray, b: NDArray, out: NDArray) -> None:
    for i in range(a.shape[0]):
        out[i] = defined_distance(cosine, a, i, b, i, lane_sum(a, i, a, i), lane_sum(b, i, b, i))


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
    squares_of_rows(0, len(out), frozen(block), out)
    return out


def pair_distances(
    left: NDArray,
    left_rows: NDArray[np.int64],
    right: NDArray,
    right_rows: NDArray[np.int64],
    metric: Metric = "cosine",
) -> NDArray[np.float64]:
    """Distances of P pairs of rows, by definition.

    Parameters
    ----------
    left, right
        M×D and L×D float32 or float16 arrays or memory maps.
    left_rows, right_rows
        P int64 each, the rows of a pair.

    Returns
    -------
    P float64; NaN where a row has length 0 and the metric is cosine.

    >>> x = np.array([[1, 0], [0, 2], [3, 0]], np.float32)
    >>> pair_distances(x, np.array([0, 0, 0]), x, np.array([0, 1, 2]), "euclidean")
    array([0., 5., 4.])
    """
    check_metric(metric)
    out = np.empty(len(left_rows))
    step = max(1, CHUNK_BYTES // (4 * max(1, left.shape[1])))
    with np.errstate(invalid="ignore"):
        for first in range(0, len(out), step):
            part = slice(first, first + step)
            a, b = frozen(left[left_rows[part]]), frozen(right[right_rows[part]])
            _paired(metric == "cosine", a, b, out[part])
    return out


def check_metric(metric: str) -> None:
    """Raise :class:`FashretError` unless ``metric`` is one of :data:`METRICS`."""
    if metric not in METRICS:
        raise FashretError(f"metric {metric}: not known; the metrics are {', '.join(METRICS)}")
