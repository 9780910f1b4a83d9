"""Vectors in few bits: fast approximate products whose error is known.

In: a block of vectors. Out: its :class:`QuantisedBlock`, i.e. the vectors divided by their length and rounded to the
arithmetic's numbers, and the :class:`fashret.knn.bounds.BoundTerms` that say how far off they are; from two of them,
a tile of products.

* float32: a sum of D products in any order is off by at most (D + 2)·2⁻²⁴·|q|·|g|; reduced precision is switched off.
* int8: sums are exact; the lengths of the residuals that rounding leaves are computed, not estimated. Where components
  differ widely (after PCA, matryoshka), one step for all of a vector rounds most of them badly: they are mixed first by
  an orthogonal matrix, which changes no product. Mixing is off by at most 520·2⁻²⁴ of a vector's length.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from scipy.linalg import hadamard

from fashret.knn.bounds import UNIT, BoundTerms, bound_terms, unit_lengths
from fashret.knn.distance import frozen, squared_norms
from fashret.knn.threads import over_rows
from fashret.knn.vectors import NO_LENGTH, BlockData, VectorSet

TINY = 1e-25  # a largest component below this is taken for 0
TILE = (512, 1024, 512)  # rows, columns and width of the tile that arithmetics are timed on
MIXED = 64  # components that are mixed with each other, D/64 apart
MIXING = hadamard(MIXED).astype(np.float32) / 8  # orthogonal, of ±1/8
MIXING_ERROR = 528 * UNIT  # 64 sums of 64 products: √64·65·2⁻²⁴, and a little more
ROWS_AT_ONCE = 512  # that are mixed
SAMPLE = 256  # vectors that tell whether mixing pays


@dataclass(frozen=True)
class QuantisedBlock:
    """A block of n vectors made ready for products: n×D ``numbers`` and n bound ``terms``."""

    numbers: torch.Tensor
    terms: BoundTerms

    def take(self, rows: slice) -> QuantisedBlock:
        """Some of the rows, without a copy."""
        return QuantisedBlock(self.numbers[rows], self.terms.take(rows))


class TileBuffers:
    """Memory for tiles of products, used by one tile after the other.

    (Given back each time, it would leave a hole between the blocks that are held, into which the next does not fit.)
    """

    def __init__(self) -> None:
        self._buffers: dict[str, torch.Tensor] = {}

    def tile(self, name: str, rows: QuantisedBlock, columns: QuantisedBlock, kind: torch.dtype) -> torch.Tensor:
        """A tile for the products of all rows with all columns, in a type of 32 bits; of a name there is one."""
        shape = len(rows.numbers), len(columns.numbers)
        if name not in self._buffers or len(self._buffers[name]) < shape[0] * shape[1]:
            self._buffers[name] = torch.empty(shape[0] * shape[1], dtype=torch.int32)
        return self._buffers[name][: shape[0] * shape[1]].view(kind).view(shape)


@njit(nogil=True, cache=True, error_model="numpy")
def _scale_rows(start: int, stop: int, vectors: NDArray, length: NDArray, out: NDArray) -> None:
    for i in range(start, stop):
        factor = 1.0 / length[i]
        for d in range(vectors.shape[1]):
            out[i, d] = vectors[i, d] * factor


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def _quantise(start: int, stop: int, vectors: NDArray, step: NDArray, out: NDArray, lost: NDArray) -> None:
    """Round each row to multiples (``out``) of its ``step``; ``lost``: squared length of the residual, in steps.

    The step is 1/127 of the largest component: floats without their sign are ordered as their bits are, and the largest
    of integers is found by vector instructions, that of floats is not because of NaN.
    """
    bits = vectors.view(np.int32)
    for i in range(start, stop):
        most, squares = np.int32(0), np.float32(0)
        for d in range(vectors.shape[1]):
            most = max(most, bits[i, d] & np.int32(0x7FFFFFFF))
        largest = np.int32(most).view(np.float32)
        step[i] = largest / np.float32(127) if largest > TINY else np.float32(1)
        inverse = np.float32(1) / step[i]
        for d in range(vectors.shape[1]):
            rounded = np.rint(vectors[i, d] * inverse)
            out[i, d] = np.int8(rounded)
            residual = vectors[i, d] * inverse - rounded
            squares += residual * residual
        lost[i] = squares


def _residual(lost: NDArray[np.float64], step: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Length of a residual, and more than the float32 roundings of its components and of its sum."""
    return np.sqrt(lost) * step * (1 + (width + 8) * UNIT) + 4 * UNIT


class Float32:
    """Products of float32 numbers."""

    name = "float32"
    component_bytes = 4

    def quantise(self, data: BlockData, cosine: bool) -> QuantisedBlock:
        """Divide the vectors by their length."""
        length = unit_lengths(data.squares, cosine)
        numbers = np.empty(data.vectors.shape, np.float32)
        over_rows(_scale_rows, len(numbers), data.vectors, length, numbers)
        error = np.full(len(length), (data.vectors.shape[1] + 8) / 2 * UNIT)  # half of it from each of two vectors
        terms = bound_terms(data.squares, np.ones(len(length)), error, cosine)
        return QuantisedBlock(torch.from_numpy(numbers), terms)

    def products(self, rows: QuantisedBlock, columns: QuantisedBlock, buffers: TileBuffers) -> NDArray[np.float32]:
        """Tile of t×n products."""
        with full_precision():
            out = buffers.tile(self.name, rows, columns, torch.float32)
            return torch.mm(rows.numbers, columns.numbers.T, out=out).numpy()


class Int8:
    """Products of 8-bit integers: several times faster than float32 where the processor has instructions for them."""

    name = "int8"
    component_bytes = 1

    def __init__(self, mixed: bool = False) -> None:
        self.mixed = mixed

    def quantise(self, data: BlockData, cosine: bool) -> QuantisedBlock:
        """Round the vectors to 8 bits, mixed or as they are."""
        vectors, step = data.vectors, np.empty(len(data.vectors), np.float32)
        numbers, lost = np.empty(vectors.shape, np.int8), np.empty(len(vectors))
        size = ROWS_AT_ONCE if self.mixed else max(1, len(vectors))
        for start in range(0, len(vectors), size):
            part = slice(start, start + size)
            some = _mix(vectors[part]) if self.mixed else vectors[part]
            over_rows(_quantise, len(some), some, step[part], numbers[part], lost[part])
        relative = step / unit_lengths(data.squares, cosine)
        error = _residual(lost, relative, vectors.shape[1]) + MIXING_ERROR * self.mixed
        return QuantisedBlock(torch.from_numpy(numbers), bound_terms(data.squares, relative, error, cosine))

    def products(self, rows: QuantisedBlock, columns: QuantisedBlock, buffers: TileBuffers) -> NDArray[np.int32]:
        """Tile of t×n products."""
        out = buffers.tile(self.name, rows, columns, torch.int32)
        return torch._int_mm(rows.numbers, columns.numbers.T, out=out).numpy()


Arithmetic = Float32 | Int8
ARITHMETICS: dict[str, tuple[Arithmetic, ...]] = {  # the first for all pairs, the next for rows it leaves undecided
    "float32": (Float32(),),
    "int8": (Int8(), Float32()),
}


def _mix(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    count, width = vectors.shape
    return frozen((MIXING @ vectors.reshape(count, MIXED, width // MIXED)).reshape(count, width))


def gains_by_mixing(vectors: VectorSet) -> bool:
    """Whether mixing shortens the residuals of a sample of the vectors by a fifth at least.

    A search takes a third of the CPU time then (D=2,048, components that decay like d^−0.7), but 1.16 times as much
    where mixing does not shorten them (vectors as drawn); paired runs, 2,000 queries in 40,000 rows.
    """
    if vectors.width % MIXED or not len(vectors):
        return False
    rows = vectors.rows[:: -(-len(vectors) // SAMPLE)]
    sample, squares = frozen(vectors.vectors[rows]), squared_norms(vectors.vectors[rows])
    usable = (squares > NO_LENGTH) & np.isfinite(squares)
    data = BlockData(frozen(sample[usable]), squares[usable], *(rows[usable],) * 5)
    plain, mixed = (Int8(mixed).quantise(data, True).terms.residual.sum() for mixed in (False, True))
    return bool(mixed < 0.8 * plain)


@contextmanager
def full_precision() -> Iterator[None]:
    """Float32 products without reduced precision (TF32, bfloat16), whatever was set before."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _least_seconds(work: Callable[[], object]) -> float:
    return min(timeit.repeat(work, repeat=3, number=1))


@cache
def _seconds_per_tile() -> dict[str, float]:
    """What a tile of products takes on this machine, by arithmetic; measured once.

    int8 counts only if its sums are exact on the worst case: instructions that add products in 16 bits saturate.
    """
    rows, columns, width = TILE
    single, eight = torch.ones(columns, width), torch.ones(columns, width, dtype=torch.int8)
    taken = {"float32": _least_seconds(lambda: torch.mm(single[:rows], single.T))}
    worst = torch.full((rows, width), -127, dtype=torch.int8)
    if bool((torch._int_mm(worst, -worst.T) == -width * 127 * 127).all()):
        taken["int8"] = _least_seconds(lambda: torch._int_mm(eight[:rows], eight.T))
    return taken


def faster() -> str:
    """The faster arithmetic on this machine: int8 if it is by 30 %, to make up for what it leaves undecided."""
    taken = _seconds_per_tile()
    return "int8" if taken.get("int8", np.inf) < 0.7 * taken["float32"] else "float32"


def seconds_per_product() -> float:
    """What one multiplication takes in the faster arithmetic."""
    return min(_seconds_per_tile().values()) / (TILE[0] * TILE[1] * TILE[2])
