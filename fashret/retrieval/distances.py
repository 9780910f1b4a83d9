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

from typing import Any, Literal

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from fashret.errors import FashretError

Metric = Literal["cosine", "euclidean"]
METRICS: tuple[Metric, ...] = ("cosine", "euclidean")

LANES = 16
LINE = 16  # components in a line of the cache
CHUNK_BYTES = 8 << 20  # vectors converted at a time


def _row(context: Any, builder: Any, kind: Any, matrix: Any, row: Any) -> tuple[Any, Any]:
    """Emit the address and the length of a row of a contiguous matrix, not checked.

    (A view of the row would count its references, in memory that all threads share.)
    """
    array = context.make_array(kind)(context, builder, matrix)
    length = cgutils.unpack_tuple(builder, array.shape, 2)[1]
    return builder.gep(array.data, [builder.mul(row, length)]), length


def _emit_lane_sum(typing_context: Any, a: Any, i: Any, b: Any, j: Any) -> Any:  # noqa: ARG001 numba's convention
    """Σ a[i]·b[j] over rows of two contiguous float32 matrices in the order of the module's docstring.

    Written as vector instructions because the compiler may not reorder float sums by itself, and a scalar loop is
    five times slower; the order stays the same on machines with narrower registers.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        left, length = _row(context, builder, signature.args[0], arguments[0], arguments[1])
        right, _ = _row(context, builder, signature.args[2], arguments[2], arguments[3])
        whole = builder.and_(length, ir.Constant(length.type, -LANES))
        total = cgutils.alloca_once_value(builder, _fold(builder, _sum_lanes(builder, left, right, whole)))
        one = ir.Constant(length.type, 1)
        with cgutils.for_range_slice(builder, whole, length, one, intp=length.type) as (place, _):
            x, y = (builder.load(builder.gep(data, [place])) for data in (left, right))
            product = builder.fmul(builder.fpext(x, ir.DoubleType()), builder.fpext(y, ir.DoubleType()))
            builder.store(builder.fadd(builder.load(total), product), total)
        return builder.load(total)

    return types.float64(a, types.int64, b, types.int64), generate


lane_sum: Any = intrinsic(_emit_lane_sum)


def _emit_prefetch(typing_context: Any, matrix: Any, row: Any) -> Any:  # noqa: ARG001 numba's convention
    """Send for a row of a contiguous float32 matrix before it is summed: a hint to the processor, without a result."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data, length = _row(context, builder, signature.args[0], arguments[0], arguments[1])
        number, address = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [address, number, number, number])
        hint = builder.module.declare_intrinsic("llvm.prefetch", (address,), fnty=kind)
        zero, step = ir.Constant(length.type, 0), ir.Constant(length.type, LINE)
        with cgutils.for_range_slice(builder, zero, length, step, intp=length.type) as (place, _):
            line = builder.bitcast(builder.gep(data, [place]), address)
            builder.call(hint, [line, number(0), number(2), number(1)])  # to read; into the second cache; data
        return context.get_dummy_value()

    return types.void(matrix, types.int64), generate


prefetch: Any = intrinsic(_emit_prefetch)


def _sum_lanes(builder: Any, left: Any, right: Any, whole: Any) -> Any:
    """Emit the loop over whole groups of 16 components; gives <16 x double>."""
    singles, doubles = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(ir.DoubleType(), LANES)
    sums = cgutils.alloca_once_value(builder, ir.Constant(doubles, [0.0] * LANES))
    zero, step = ir.Constant(whole.type, 0), ir.Constant(whole.type, LANES)
    with cgutils.for_range_slice(builder, zero, whole, step, intp=whole.type) as (i, _):
        x, y = (
            builder.fpext(builder.load(builder.bitcast(builder.gep(data, [i]), singles.as_pointer()), align=4), doubles)
            for data in (left, right)
        )
        builder.store(builder.fadd(builder.load(sums), builder.fmul(x, y)), sums)
    return builder.load(sums)


def _fold(builder: Any, lanes: Any) -> Any:
    """Emit the sum of the lanes in halves."""
    width = LANES
    while width > 1:
        width //= 2
        low, high = (
            ir.Constant(ir.VectorType(ir.IntType(32), width), list(range(first, first + width))) for first in (0, width)
        )
        lanes = builder.fadd(builder.shuffle_vector(lanes, lanes, low), builder.shuffle_vector(lanes, lanes, high))
    return builder.extract_element(lanes, ir.Constant(ir.IntType(32), 0))


@njit(nogil=True, cache=True, error_model="numpy")
def defined_distance(cosine: bool, a: NDArray, i: int, b: NDArray, j: int, square_a: float, square_b: float) -> float:
    """The distance of row ``i`` of ``a`` and row ``j`` of ``b``, contiguous float32, from their sums of squares."""
    dot = lane_sum(a, i, b, j)
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
