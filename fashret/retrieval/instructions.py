"""Vector instructions for compiled loops, which the compiler does not find by itself.

In: contiguous arrays and places in them, not checked. Out: sums in the order that the definition of the distance
fixes, hints, comparisons of many numbers at once. They are the same on every processor: one without such registers
takes more instructions for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16
ABREAST = 4  # pairs summed side by side
LINE = 16  # components in a line of the cache
CHUNK = 64  # numbers compared at once


def _row(context: Any, builder: Any, kind: Any, matrix: Any, row: Any) -> tuple[Any, Any]:
    """Emit the address and the length of a row of a contiguous matrix, not checked.

    (A view of the row would count its references, in memory that all threads share.)
    """
    array = context.make_array(kind)(context, builder, matrix)
    length = cgutils.unpack_tuple(builder, array.shape, 2)[1]
    return builder.gep(array.data, [builder.mul(row, length)]), length


def _emit_lane_sum(typing_context: Any, a: Any, i: Any, b: Any, j: Any) -> Any:  # noqa: ARG001 numba's convention
    """Σ a[i]·b[j] over rows of two contiguous float32 matrices in the order of :mod:`fashret.retrieval.distances`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        left, length = _row(context, builder, signature.args[0], arguments[0], arguments[1])
        right, _ = _row(context, builder, signature.args[2], arguments[2], arguments[3])
        return _sums_by_lanes(builder, left, [right], length)[0]

    return types.float64(a, types.int64, b, types.int64), generate


def _emit_lane_sums(typing_context: Any, a: Any, i: Any, b: Any, rows: Any) -> Any:  # noqa: ARG001 numba's convention
    """The same for each row of ``b`` in a tuple of :data:`ABREAST`: a sum's next step need not wait for its last."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        left, length = _row(context, builder, signature.args[0], arguments[0], arguments[1])
        numbers = cgutils.unpack_tuple(builder, arguments[3], ABREAST)
        rights = [_row(context, builder, signature.args[2], arguments[2], number)[0] for number in numbers]
        return context.make_tuple(builder, signature.return_type, _sums_by_lanes(builder, left, rights, length))

    numbers, sums = types.UniTuple(types.int64, ABREAST), types.UniTuple(types.float64, ABREAST)
    return sums(a, types.int64, b, numbers), generate


lane_sum: Any = intrinsic(_emit_lane_sum)
lane_sums: Any = intrinsic(_emit_lane_sums)


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


def _emit_reaching(typing_context: Any, values: Any, first: Any, least: Any) -> Any:  # noqa: ARG001 numba's convention
    """Which of the :data:`CHUNK` values from ``first`` on are ≥ ``least``: bit i of a uint64 is value i."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        kind = ir.VectorType(data.type.pointee, CHUNK)
        chunk = builder.load(builder.bitcast(builder.gep(data, [arguments[1]]), kind.as_pointer()), align=4)
        first_lane = builder.insert_element(
            ir.Constant(kind, ir.Undefined), arguments[2], ir.Constant(ir.IntType(32), 0)
        )
        lanes = builder.shuffle_vector(first_lane, first_lane, ir.Constant(ir.VectorType(ir.IntType(32), CHUNK), None))
        compare = builder.icmp_signed if isinstance(kind.element, ir.IntType) else builder.fcmp_ordered
        return builder.bitcast(compare(">=", chunk, lanes), ir.IntType(CHUNK))

    return types.uint64(values, types.int64, values.dtype), generate


def _emit_lowest_bit(typing_context: Any, bits: Any) -> Any:  # noqa: ARG001 numba's convention
    """The place of the lowest bit that is set in a uint64 other than 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001 numba's convention
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


reaching: Any = intrinsic(_emit_reaching)
lowest_bit: Any = intrinsic(_emit_lowest_bit)
