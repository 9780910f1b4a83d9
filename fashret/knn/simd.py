"""Vector instructions for compiled loops, which the compiler does not find by itself.

In: contiguous arrays and indices into them, not checked. Out: sums in the order that the definition of the distance
fixes, the same on every processor: one without such registers takes more instructions for them.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16


def _row(context: Any, builder: Any, kind: Any, matrix: Any, row: Any) -> tuple[Any, Any]:
    """Emit the address and the length of a row of a contiguous matrix, not checked.

    (A view of the row would count its references, in memory that all threads share.)
    """
    array = context.make_array(kind)(context, builder, matrix)
    length = cgutils.unpack_tuple(builder, array.shape, 2)[1]
    return builder.gep(array.data, [builder.mul(row, length)]), length


def _emit_dot_product(typing_context: Any, a: Any, i: Any, b: Any, j: Any) -> Any:  # noqa: ARG001 numba's convention
    """Σ a[i]·b[j] over rows of two contiguous float32 matrices in the order of :mod:`fashret.knn.distance`.

    Written as vector instructions because the compiler may not reorder float sums by itself, and a scalar loop is
    five times slower; the order stays the same on machines with narrower registers.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        left, length = _row(context, builder, signature.args[0], arguments[0], arguments[1])
        right, _ = _row(context, builder, signature.args[2], arguments[2], arguments[3])
        zero, one, step = (ir.Constant(length.type, number) for number in (0, 1, LANES))
        whole = builder.and_(length, ir.Constant(length.type, -LANES))
        none = ir.Constant(ir.VectorType(ir.DoubleType(), LANES), [0.0] * LANES)
        lanes = cgutils.alloca_once_value(builder, none)
        with cgutils.for_range_slice(builder, zero, whole, step, intp=length.type) as (at, _):
            _add_product(builder, (left, right), at, ir.VectorType(ir.FloatType(), LANES), lanes)
        total = cgutils.alloca_once_value(builder, _fold(builder, builder.load(lanes)))
        with cgutils.for_range_slice(builder, whole, length, one, intp=length.type) as (at, _):
            _add_product(builder, (left, right), at, ir.FloatType(), total)
        return builder.load(total)

    return types.float64(a, types.int64, b, types.int64), generate


dot_product: Any = intrinsic(_emit_dot_product)


def _add_product(builder: Any, rows: tuple[Any, Any], index: Any, kind: Any, sums: Any) -> None:
    """Emit the addition to sums of the products of two rows' numbers at an index: one float32 each, or a vector."""
    total = builder.load(sums)
    left, right = (builder.bitcast(builder.gep(row, [index]), kind.as_pointer()) for row in rows)
    left, right = (builder.fpext(builder.load(number, align=4), total.type) for number in (left, right))
    fused = (
        "contract",
    )  # a multiply-add in one step where there is one: the product is exact, so the bits are the same
    builder.store(builder.fadd(total, builder.fmul(left, right, flags=fused), flags=fused), sums)


def _fold(builder: Any, lanes: Any) -> Any:
    """Emit the sum of the lanes in halves."""
    width = LANES
    while width > 1:
        width //= 2
        numbers = ir.VectorType(ir.IntType(32), width)
        low, high = (ir.Constant(numbers, list(range(first, first + width))) for first in (0, width))
        lanes = builder.fadd(builder.shuffle_vector(lanes, lanes, low), builder.shuffle_vector(lanes, lanes, high))
    return builder.extract_element(lanes, ir.Constant(ir.IntType(32), 0))
