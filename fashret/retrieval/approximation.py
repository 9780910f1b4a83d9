"""Fast approximate products of vectors, with rigorous bounds on their error.

In: a block of vectors. Out: its :class:`Form`, i.e. the vectors scaled to length 1 and rounded to the arithmetic's
numbers, and the block's terms in the bounds of :mod:`fashret.retrieval.selection`; from two forms, a tile of
products.

* float32: a sum of D products in any order is off by at most (D + 2)·2⁻²⁴·|q|·|g|; reduced precision is switched off.
* int8: sums are exact; with q = q̂ + r_q and g = ĝ + r_g (what rounding to 8 bits took away), Cauchy-Schwarz gives
  |q·g − q̂·ĝ| ≤ |q|·|r_g| + |r_q|·|ĝ|, and the lengths of the residuals are computed, not estimated.
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

from fashret.retrieval.selection import SHORT, WIDENING, Stored, Terms
from fashret.retrieval.threads import over_rows

UNIT = 2.0**-24  # relative rounding error of float32
EVALUATION = 16 * UNIT  # more than the roundings of the score's float32 expression


@dataclass(frozen=True)
class Form:
    """A block of n vectors made ready for products: n×D numbers and n terms."""

    numbers: torch.Tensor
    terms: Terms


@njit(nogil=True, cache=True, error_model="numpy")
def _scale_rows(start: int, stop: int, vectors: NDArray, length: NDArray, out: NDArray) -> None:
    for i in range(start, stop):
        factor = 1.0 / length[i]
        for d in range(vectors.shape[1]):
            out[i, d] = vectors[i, d] * factor


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def _quantise_rows(
    start: int, stop: int, vectors: NDArray, length: NDArray, out: NDArray, step: NDArray, residual: NDArray
) -> None:
    """Round each row to multiples of 1/127 of its largest component; ``residual``: the length of what is lost."""
    width = vectors.shape[1]
    for i in range(start, stop):
        largest = np.float32(0)
        for d in range(width):
            largest = max(largest, abs(vectors[i, d]))
        size = largest / np.float32(127) if largest > 0 else np.float32(1)
        inverse, lost = np.float32(1) / size, np.float32(0)
        for d in range(width):
            rounded = np.rint(vectors[i, d] * inverse)
            out[i, d] = np.int8(rounded)
            rest = vectors[i, d] * inverse - rounded
            lost += rest * rest
        step[i] = size / length[i]
        residual[i] = np.sqrt(np.float64(lost)) * size / length[i]


class Float32:
    """Products of float32 numbers."""

    name = "float32"

    def form(self, block: Stored, cosine: bool) -> Form:
        """Scale a block to length 1."""
        length = lengths(block.squares, cosine)
        numbers = np.empty(block.vectors.shape, np.float32)
        over_rows(_scale_rows, len(numbers), block.vectors, length, numbers)
        error = np.full(len(length), (block.vectors.shape[1] + 8) / 2 * UNIT)  # half of it from each side
        return Form(torch.from_numpy(numbers), _terms(block.squares, np.ones(len(length)), error, cosine))

    def products(self, rows: Form, columns: Form) -> NDArray[np.float32]:
        """Tile of t×n products."""
        with full_precision():
            return torch.mm(rows.numbers, columns.numbers.T).numpy()


class Int8:
    """Products of 8-bit integers; several times faster than float32 where the processor has instructions for them."""

    name = "int8"

    def form(self, block: Stored, cosine: bool) -> Form:
        """Round a block to 8 bits."""
        length = lengths(block.squares, cosine)
        numbers = np.empty(block.vectors.shape, np.int8)
        step, residual = np.empty(len(length)), np.empty(len(length))
        over_rows(_quantise_rows, len(numbers), block.vectors, length, numbers, step, residual)
        # the residual's own rounding: of each component (relative to the vector), and of the sum
        residual = residual * (1 + (block.vectors.shape[1] + 8) * UNIT) + 4 * UNIT
        return Form(torch.from_numpy(numbers), _terms(block.squares, step, residual, cosine))

    def products(self, rows: Form, columns: Form) -> NDArray[np.int32]:
        """Tile of t×n products."""
        return torch._int_mm(rows.numbers, columns.numbers.T).numpy()


Arithmetic = Float32 | Int8
ARITHMETIC: dict[str, type[Float32] | type[Int8]] = {"float32": Float32, "int8": Int8}


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
