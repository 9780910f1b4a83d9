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


def _emit_dot_products(typing_context: Any, a: Any, i: Any, b: Any, rows: Any) -> Any:  # noqa: ARG001 numba's convention
    """Σ a[i]·b[j] for each j of a tuple of rows, side by side; each sum in the order of :mod:`fashret.knn.distance`.

    Written as vector instructions because the compiler may not reorder float sums by itself, and a scalar loop is
    five times slower; the order stays the same on machines with narrower registers.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        left, length = _row(context, builder, signature.args[0], arguments[0], arguments[1])
        others = []
        for number in cgutils.unpack_tuple(builder, arguments[3], len(rows)):
            number = builder.sext(number, length.type)
            others.append(_row(context, builder, signature.args[2], arguments[2], number)[0])
        zero, one, step = (ir.Constant(length.type, number) for number in (0, 1, LANES))
        whole = builder.and_(length, ir.Constant(length.type, -LANES))
        none = ir.Constant(ir.VectorType(ir.DoubleType(), LANES), [0.0] * LANES)
        lanes = [cgutils.alloca_once_value(builder, none) for _ in others]
        with cgutils.for_range_slice(builder, zero, whole, step, intp=length.type) as (at, _):
            _add_products(builder, (left, others), at, lanes)
        totals = [cgutils.alloca_once_value(builder, _fold(builder, builder.load(lane))) for lane in lanes]
        with cgutils.for_range_slice(builder, whole, length, one, intp=length.type) as (at, _):
            _add_products(builder, (left, others), at, totals)
        return context.make_tuple(builder, signature.return_type, [builder.load(total) for total in totals])

    return types.UniTuple(types.float64, len(rows))(a, types.int64, b, rows), generate


dot_products: Any = intrinsic(_emit_dot_products)


def _add_products(builder: Any, rows: tuple[Any, list[Any]], index: Any, sums: list[Any]) -> None:
    """Emit the addition to each sum, a float64 or a vector, of the products of a row's and another's numbers there."""
    wide = sums[0].type.pointee
    narrow = ir.VectorType(ir.FloatType(), LANES) if isinstance(wide, ir.VectorType) else ir.FloatType()

    def numbers(row: Any) -> Any:
        there = builder.bitcast(builder.gep(row, [index]), narrow.as_pointer())
        return builder.fpext(builder.load(there, align=4), wide)

    # in one step where the processor can: a product of two float32 is exact in float64, so the bits are the same
    fused, left = ("contract",), numbers(rows[0])
    for other, total in zip(rows[1], sums, strict=True):
        product = builder.fmul(left, numbers(other), flags=fused)
        builder.store(builder.fadd(builder.load(total), product, flags=fused), total)


def _fold(builder: Any, lanes: Any) -> Any:
    """Emit the sum of the lanes in halves."""
    width = LANES
    while width > 1:
        width //= 2
        numbers = ir.VectorType(ir.IntType(32), width)
        low, high = (ir.Constant(numbers, list(range(first, first + width))) for first in (0, width))
        lanes = builder.fadd(builder.shuffle_vector(lanes, lanes, low), builder.shuffle_vector(lanes, lanes, high))
    return builder.extract_element(lanes, ir.Constant(ir.IntType(32), 0))
