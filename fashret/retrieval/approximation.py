"""Fast approximate products of vectors, with rigorous bounds on their error.

In: a block of vectors. Out: its :class:`Form`, i.e. the vectors scaled to length 1 and rounded to the arithmetic's
numbers, and the block's terms in the bounds of :mod:`fashret.retrieval.bounds`; from two forms, a tile of products.

* float32: a sum of D products in any order is off by at most (D + 2)·2⁻²⁴·|q|·|g|; reduced precision is switched off.
* int8: sums are exact; with q = q̂ + r_q and g = ĝ + r_g (what rounding to 8 bits took away), Cauchy-Schwarz gives
  |q·g − q̂·ĝ| ≤ |q|·|r_g| + |r_q|·|ĝ|, and the lengths of the residuals are computed, not estimated.
* int8x2: the residual r is rounded to 8 bits again, to l; q̂·l_g + l_q·ĝ is added to the product, and what is then
  missing is at most |l_q|·|l_g| and the second residuals: as precise as float32, from three products of 8-bit numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray

from fashret.retrieval.bounds import SHORT, WIDENING, Stored, Terms
from fashret.retrieval.threads import over_rows

UNIT = 2.0**-24  # relative rounding error of float32
FINER = 252.0  # steps of the second rounding to one of the first, which leaves half a step or a little more
TINY = 1e-25  # a largest component below this is taken for 0
EVALUATION = 16 * UNIT  # more than the roundings of the score's float32 expression


@dataclass(frozen=True)
class Form:
    """A block of n vectors made ready for products: n×D numbers and n terms."""

    numbers: torch.Tensor
    terms: Terms

    def part(self, rows: slice | NDArray[np.int64]) -> Form:
        """Some of the rows; no copy of a slice."""
        terms = Terms._make(term[rows] for term in self.terms)
        return Form(self.numbers[rows], terms)


@dataclass(frozen=True)
class TwiceForm(Form):
    """The numbers are what rounding to 8 bits took away, rounded to 8 bits; ``high``, n×D, is what it left."""

    high: torch.Tensor

    def part(self, rows: slice | NDArray[np.int64]) -> TwiceForm:
        """Some of the rows."""
        part = super().part(rows)
        return TwiceForm(part.numbers, part.terms, self.high[rows])


class Room:
    """Memory for tiles of products, used by one tile after the other.

    (Given back each time, it would leave a hole between the blocks that are held, into which the next does not fit.)
    """

    def __init__(self) -> None:
        self._numbers: dict[str, torch.Tensor] = {}

    def tile(self, name: str, rows: Form, columns: Form, kind: torch.dtype) -> torch.Tensor:
        """Room for the products of all rows with all columns, in a type of 32 bits; of a name there is one tile."""
        shape = len(rows.numbers), len(columns.numbers)
        if name not in self._numbers or len(self._numbers[name]) < shape[0] * shape[1]:
            self._numbers[name] = torch.empty(shape[0] * shape[1], dtype=torch.int32)
        return self._numbers[name][: shape[0] * shape[1]].view(kind).view(shape)


@njit(nogil=True, cache=True, error_model="numpy")
def _scale_rows(start: int, stop: int, vectors: NDArray, length: NDArray, out: NDArray) -> None:
    for i in range(start, stop):
        factor = 1.0 / length[i]
        for d in range(vectors.shape[1]):
            out[i, d] = vectors[i, d] * factor


@njit(nogil=True, cache=True)
def _largest_bits(start: int, stop: int, bits: NDArray[np.int32], out: NDArray[np.int32]) -> None:
    """Bits of the largest absolute value of each row: without their sign, floats are ordered as integers are.

    (The largest of integers is found by vector instructions, that of floats is not because of NaN.)
    """
    for i in range(start, stop):
        row, largest = bits[i], np.int32(0)
        for d in range(row.shape[0]):
            largest = max(largest, row[d] & np.int32(0x7FFFFFFF))
        out[i] = largest


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def _quantise(start: int, stop: int, vectors: NDArray, step: NDArray, out: NDArray, lost: NDArray) -> None:
    """Round each row to multiples (``out``) of ``step``; ``lost``: squared length of the rest, in steps."""
    for i in range(start, stop):
        inverse, rests = np.float32(1) / step[i], np.float32(0)
        for d in range(vectors.shape[1]):
            rounded = np.rint(vectors[i, d] * inverse)
            out[i, d] = np.int8(rounded)
            rest = vectors[i, d] * inverse - rounded
            rests += rest * rest
        lost[i] = rests


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def _quantise_rest(
    start: int, stop: int, vectors: NDArray, step: NDArray, high: NDArray, out: NDArray, lost: NDArray
) -> None:
    """Round what ``high``, from :func:`_quantise`, lacks to multiples (``out``) of step/252; ``lost`` in these.

    (Rounding the vector again would not do: the compiler may round the same expression otherwise here.)
    """
    for i in range(start, stop):
        inverse, rests = np.float32(1) / step[i], np.float32(0)
        for d in range(vectors.shape[1]):
            rest = (vectors[i, d] * inverse - high[i, d]) * np.float32(FINER)
            rounded = np.rint(rest)
            out[i, d] = np.int8(rounded)
            rests += (rest - rounded) * (rest - rounded)
        lost[i] = rests


@njit(nogil=True, cache=True, error_model="numpy")
def _join(
    start: int, stop: int, coarse: NDArray, which: NDArray, first: NDArray, second: NDArray, out: NDArray[np.float32]
) -> None:
    """Products of rounded numbers, in rows ``which``, and of what that took away, all in units of the first."""
    for i in range(start, stop):
        products = coarse[which[i]]
        for j in range(products.shape[0]):
            out[i, j] = np.float32(products[j]) + np.float32(first[i, j] + second[i, j]) * np.float32(1 / FINER)


def _steps(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """1/127 of the largest component of each row."""
    bits = np.empty(len(vectors), np.int32)
    over_rows(_largest_bits, len(vectors), vectors.view(np.int32), bits)
    largest = bits.view(np.float32)
    return np.where(largest > TINY, largest / np.float32(127), np.float32(1))


def _residual(lost: NDArray[np.float64], step: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Length of a rest, and more than the float32 roundings of its components and of its sum."""
    return np.sqrt(lost) * step * (1 + (width + 8) * UNIT) + 4 * UNIT


class Float32:
    """Products of float32 numbers."""

    name = "float32"

    def form(self, block: Stored, cosine: bool) -> Form:
        """Scale a block to length 1."""
        length = lengths(block.squares, cosine)
        numbers = np.empty(block.vectors.shape, np.float32)
        over_rows(_scale_rows, len(numbers), block.vectors, length, numbers)
        error = np.full(len(length), (block.vectors.shape[1] + 8) / 2 * UNIT)  # half of it from each side
        terms = _terms(block.squares, np.ones(len(length)), error, cosine)
        return Form(torch.from_numpy(numbers), terms)

    def products(self, rows: Form, columns: Form, room: Room) -> NDArray[np.float32]:
        """Tile of t×n products."""
        with full_precision():
            return torch.mm(
                rows.numbers, columns.numbers.T, out=room.tile(self.name, rows, columns, torch.float32)
            ).numpy()


class Int8:
    """Products of 8-bit integers: several times faster than float32 where the processor has instructions for them."""

    name = "int8"

    def form(self, block: Stored, cosine: bool) -> Form:
        """Round a block to 8 bits."""
        vectors, step = block.vectors, _steps(block.vectors)
        numbers, lost = np.empty(vectors.shape, np.int8), np.empty(len(vectors))
        over_rows(_quantise, len(vectors), vectors, step, numbers, lost)
        relative = step / lengths(block.squares, cosine)
        error = _residual(lost, relative, vectors.shape[1])
        return Form(torch.from_numpy(numbers), _terms(block.squares, relative, error, cosine))

    def products(self, rows: Form, columns: Form, room: Room) -> NDArray[np.int32]:
        """Tile of t×n products."""
        out = room.tile(self.name, rows, columns, torch.int32)
        return torch._int_mm(rows.numbers, columns.numbers.T, out=out).numpy()


class Int8Twice:
    """Products of numbers of twice 8 bits, made from those of :class:`Int8`."""

    name = "int8x2"

    def form(self, block: Stored, cosine: bool, coarse: Form) -> TwiceForm:
        """Add to a block rounded to 8 bits (``coarse``) the residual rounded to 8 bits."""
        vectors, step, width = block.vectors, _steps(block.vectors), block.vectors.shape[1]
        numbers, lost = np.empty(vectors.shape, np.int8), np.empty(len(vectors))
        over_rows(_quantise_rest, len(vectors), vectors, step, coarse.numbers.numpy(), numbers, lost)
        relative = step / lengths(block.squares, cosine)
        first = coarse.terms.loose.astype(np.float64)
        second = _residual(lost, relative / FINER, width)
        error = second + (first + second) ** 2 / 2  # |l_q|·|l_g| ≤ (|l_q|² + |l_g|²) / 2
        return TwiceForm(torch.from_numpy(numbers), _terms(block.squares, relative, error, cosine), coarse.numbers)

    def products(
        self, rows: TwiceForm, columns: TwiceForm, coarse: NDArray[np.int32], which: NDArray[np.int64], room: Room
    ) -> NDArray[np.float32]:
        """Tile of t×n products; ``coarse``: a tile of :class:`Int8`, in which these are the rows ``which``."""
        first, second = (room.tile(f"{self.name} {part}", rows, columns, torch.int32) for part in ("first", "second"))
        torch._int_mm(rows.numbers, columns.high.T, out=first)  # l_q·ĝ
        torch._int_mm(rows.high, columns.numbers.T, out=second)  # q̂·l_g
        out = room.tile(self.name, rows, columns, torch.float32).numpy()
        over_rows(_join, len(out), coarse, which, first.numpy(), second.numpy(), out)
        return out


Coarse = Float32 | Int8
Arithmetic = Coarse | Int8Twice
LEVELS: dict[str, tuple[Coarse, Int8Twice | None]] = {  # coarse and finer
    "float32": (Float32(), None),
    "int8": (Int8(), Int8Twice()),
}


def lengths(squares: NDArray[np.float64], cosine: bool) -> NDArray[np.float64]:
    """σ of vectors with these sums of squares."""
    return np.sqrt(squares) if cosine else np.sqrt(np.where(squares > SHORT, squares, 1.0))


def _terms(squares: NDArray[np.float64], step: NDArray[np.float64], error: NDArray[np.float64], cosine: bool) -> Terms:
    """Terms of a block with vector = σ·(step·numbers + residual), |residual| ≤ ``error``."""
    one, length = np.ones_like(squares), lengths(squares, cosine)
    unit = one if cosine else length
    terms = {
        "scale": step,
        "half": 0 * one if cosine else 0.5 / length,
        "loose": error * (1 + WIDENING),
        "column_scale": step * unit,
        "square": 0 * one if cosine else squares,
        "slack": (error + EVALUATION) * unit * (1 + WIDENING),
        "reach": (1 + error) * unit * (1 + WIDENING),
    }
    return Terms(**{name: term.astype(np.float32) for name, term in terms.items()})


@contextmanager
def full_precision() -> Iterator[None]:
    """Float32 products without reduced precision (TF32, bfloat16), whatever was set before."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@cache
def faster() -> str:
    """The faster arithmetic on this machine, "int8" or "float32", measured once on a small tile.

    int8 counts only if its sums are exact on the worst case: instructions that add products in 16 bits saturate.
    """
    rows, columns, width = 512, 1024, 512
    worst = torch.full((rows, width), -127, dtype=torch.int8)
    if not bool((torch._int_mm(worst, -worst.T) == -width * 127 * 127).all()):
        return "float32"
    single, eight = torch.ones(columns, width), torch.ones(columns, width, dtype=torch.int8)
    plain = min(_seconds(lambda: torch.mm(single[:rows], single.T)) for _ in range(3))
    return (
        "int8"
        if min(_seconds(lambda: torch._int_mm(eight[:rows], eight.T)) for _ in range(3)) < 0.7 * plain
        else "float32"
    )


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
