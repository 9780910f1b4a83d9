"""Vector instructions for compiled loops, which the compiler does not find by itself.

In: contiguous arrays and indices into them, not checked. Out: sums in the order that the definition of the distance
fixes, comparisons of many numbers at once. They are the same on every processor: one without such registers takes more
instructions for them.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    """Σ a[i]·b[j] over rows of two contiguous float32 matrices in the order of :mod:`fashret.knn.distance`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        left, length = _row(context, builder, signature.args[0], arguments[0], arguments[1])
        right, _ = _row(context, builder, signature.args[2], arguments[2], arguments[3])
        return _sums_by_lanes(builder, left, [right], length)[0]

    return types.float64(a, types.int64, b, types.int64), generate


dot_product: Any = intrinsic(_emit_dot_product)


def _sums_by_lanes(builder: Any, left: Any, rights: Sequence[Any], length: Any) -> list[Any]:
    """Emit the sums of the products of one row with others.

    Written as vector instructions because the compiler may not reorder float sums by itself, and a scalar loop is
    five times slower; the order stays the same on machines with narrower registers.
    """
    zero, one, step = (ir.Constant(length.type, number) for number in (0, 1, LANES))
    whole = builder.and_(length, ir.Constant(length.type, -LANES))
    none = ir.Constant(ir.VectorType(ir.DoubleType(), LANES), [0.0] * LANES)
    lanes = [cgutils.alloca_once_value(builder, none) for _ in rights]
    with cgutils.for_range_slice(builder, zero, whole, step, intp=length.type) as (place, _):
        _add_products(builder, left, rights, place, ir.VectorType(ir.FloatType(), LANES), lanes)
    sums = [cgutils.alloca_once_value(builder, _fold(builder, builder.load(lane))) for lane in lanes]
    with cgutils.for_range_slice(builder, whole, length, one, intp=length.type) as (place, _):
        _add_products(builder, left, rights, place, ir.FloatType(), sums)
    return [builder.load(total) for total in sums]


def _add_products(builder: Any, left: Any, rights: Sequence[Any], place: Any, kind: Any, sums: Sequence[Any]) -> None:
    """Emit the addition of the products of the numbers at a place, of a kind (float32 or vector of them), to sums."""

    def number(row: Any, wide: Any) -> Any:
        narrow = builder.bitcast(builder.gep(row, [place]), kind.as_pointer())
        return builder.fpext(builder.load(narrow, align=4), wide)

    for right, place_of_sum in zip(rights, sums, strict=True):
        total = builder.load(place_of_sum)
        product = builder.fmul(number(left, total.type), number(right, total.type))
        builder.store(builder.fadd(total, product), place_of_sum)


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
