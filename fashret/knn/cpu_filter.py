"""The filter on the CPU: a tile of approximate products, and which of its pairs the bounds leave to be decided.

In: two blocks, and what matters to the rows of the one and perhaps of the other. Out: :class:`Candidates`, a part of
the tile at a time. Nearly all pairs matter to nobody, so one look at a tile serves both of its blocks (0.70 of the CPU
time of two looks for the neighbours of 20,000 rows, D=512; this and the following ratios are of paired runs).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray

from fashret.knn.bounds import BoundTerms, distance_bounds
from fashret.knn.candidates import Candidates, Limits, most_at_once
from fashret.knn.quantise import (
    ARITHMETICS,
    Arithmetic,
    Float32,
    Int8,
    QuantisedBlock,
    TileBuffers,
    faster,
    gains_by_mixing,
)
from fashret.knn.threads import over_rows, range_count
from fashret.knn.vectors import Block, BlockData, VectorSet

SMALL = 10**9  # multiplications below which measuring the arithmetic would not pay
GROUP = 32  # columns

bounds_of = njit(nogil=True, cache=True, error_model="numpy")(distance_bounds)


class Tile(NamedTuple):
    """Approximate products of t rows with n columns, and the bound terms of both."""

    products: NDArray  # t×n float32 or int32
    rows: BoundTerms
    columns: BoundTerms


@njit(nogil=True, cache=True, error_model="numpy")
def _terms_at(terms: BoundTerms, i: int) -> BoundTerms:
    return BoundTerms(terms.low[i], terms.high[i], terms.scale[i], terms.length[i], terms.residual[i], terms.rounded[i])


@njit(nogil=True, cache=True, error_model="numpy")
def _bound_row(tile: Tile, t: int, lower: NDArray[np.float32], upper: NDArray[np.float32]) -> None:
    """Bounds of the distances of row ``t`` and all columns.

    (Here and below arrays are taken out of their tuples first: inside a loop that would count references.)
    """
    row, products = _terms_at(tile.rows, t), tile.products[t]
    low, high, scale, length, residual, rounded = tile.columns
    for j in range(products.shape[0]):
        column = BoundTerms(low[j], high[j], scale[j], length[j], residual[j], rounded[j])
        lower[j], upper[j] = bounds_of(np.float32(products[j]), row, column)


@njit(nogil=True, cache=True, error_model="numpy")
def _bound_some(
    tile: Tile, t: int, chosen: NDArray[np.int32], lower: NDArray, upper: NDArray, whole: tuple[NDArray, NDArray]
) -> None:
    """The same for some columns: one by one if they are few, else for ``whole`` rows by vector instructions."""
    if GROUP * chosen.shape[0] > tile.products.shape[1]:
        _bound_row(tile, t, whole[0], whole[1])
        for entry in range(chosen.shape[0]):
            lower[entry], upper[entry] = whole[0][chosen[entry]], whole[1][chosen[entry]]
        return
    row, products, columns = _terms_at(tile.rows, t), tile.products[t], tile.columns
    for entry in range(chosen.shape[0]):
        j = chosen[entry]
        lower[entry], upper[entry] = bounds_of(np.float32(products[j]), row, _terms_at(columns, j))


@njit(nogil=True, cache=True, error_model="numpy")
def _seed(start: int, stop: int, tile: Tile, limits: Limits) -> None:
    """Limits of rows about which nothing is known, from the bounds of their columns in the tile.

    Near comes from the nearest column of each group: a little wide, but most columns need no sorting (0.77 of the CPU
    time without a seed for the neighbours of all rows, 0.89 for a search). Column j belongs to group j mod groups, so
    that the groups are compared side by side.
    """
    size = tile.products.shape[1]
    groups = max(1, size // GROUP)
    lower, upper = np.empty(size, np.float32), np.empty(size, np.float32)
    for t in range(start, stop):
        seeds, unknown = limits.seeds[t], limits.far[t] == -np.inf
        if seeds == 0 and not unknown:
            continue
        _bound_row(tile, t, lower, upper)
        nearest, farthest = upper[:groups].copy(), lower[:groups].copy()
        for first in range(groups, size - groups + 1, groups):
            for group in range(groups):
                nearest[group] = min(nearest[group], upper[first + group])
                farthest[group] = max(farthest[group], lower[first + group])
        if unknown:
            limits.far[t] = farthest.max()
        if seeds > size:
            limits.near[t] = np.inf
        elif seeds > 0:
            some = nearest if seeds <= groups else upper
            limits.near[t] = max(limits.near[t], np.partition(some, seeds - 1)[seeds - 1])


@njit(nogil=True, cache=True, error_model="numpy")
def _flag_row(tile: Tile, t: int, limits: Limits, of_columns: Limits | None, flags: NDArray[np.int32]) -> None:
    """1 for each pair of row ``t`` that matters to the row, or to its column if limits of columns are given, else 0."""
    row, near, far = _terms_at(tile.rows, t), limits.near[t], limits.far[t]
    products, (low, high, scale, length, residual, rounded) = tile.products[t], tile.columns
    if of_columns is not None:
        columns_near, columns_far = of_columns.near, of_columns.far
    for j in range(flags.shape[0]):
        column = BoundTerms(low[j], high[j], scale[j], length[j], residual[j], rounded[j])
        lower, upper = bounds_of(np.float32(products[j]), row, column)
        matters = np.int32(lower <= near) | np.int32(upper >= far)
        if of_columns is not None:  # decided when it is compiled
            matters |= np.int32(lower <= columns_near[j]) | np.int32(upper >= columns_far[j])
        flags[j] = matters


@njit(nogil=True, cache=True, error_model="numpy")
def _write_indices(flags: NDArray[np.int32], out: NDArray[np.int32], count: int) -> int:
    """Append the indices of flags of 1 to ``out``, which holds ``count``; returns the new count.

    A group without any is passed over by one sum, which is all that most groups cost.
    """
    for first in range(0, flags.shape[0], GROUP):
        group = flags[first : first + GROUP]
        if group.sum():
            for j in range(group.shape[0]):  # without a branch, which would often be guessed wrong
                out[count] = first + j
                count += group[j]
    return count


@njit(nogil=True, cache=True, error_model="numpy")
def _find(
    start: int, stop: int, todo: NDArray[np.int64], most: int, tile: Tile, limits: tuple[Limits, Limits | None]
) -> tuple[NDArray, NDArray, NDArray, NDArray, NDArray]:
    """Pairs that matter in rows ``todo[start:stop]``, until they might be more than ``most`` and than those of a row.

    Returns the rows that were looked at, the number of pairs of each; the pairs' columns, lower and upper bounds.
    """
    size, (of_rows, of_columns) = tile.products.shape[1], limits
    flags, counts = np.empty(size, np.int32), np.empty(stop - start, np.int64)
    whole = (np.empty(size, np.float32), np.empty(size, np.float32))
    columns = np.empty(max(most, size) + 1, np.int32)
    lower, upper = np.empty(len(columns), np.float32), np.empty(len(columns), np.float32)
    total, done = 0, 0
    while start + done < stop and total + size < len(columns):
        t = todo[start + done]
        _flag_row(tile, t, of_rows, of_columns, flags)
        first, total = total, _write_indices(flags, columns, total)
        counts[done] = total - first
        _bound_some(tile, t, columns[first:total], lower[first:total], upper[first:total], whole)
        done += 1
    rows = todo[start : start + done]
    return rows, counts[:done], columns[:total].copy(), lower[:total].copy(), upper[:total].copy()


@dataclass(frozen=True)
class CpuFilter:
    """Filters with the first of its arithmetics; the next one is for rows which that leaves undecided."""

    arithmetics: tuple[Arithmetic, ...]
    buffers: TileBuffers = field(default_factory=TileBuffers)
    largest = 2048

    @property
    def levels(self) -> tuple[str, ...]:
        """Names of the arithmetics, coarse first."""
        return tuple(arithmetic.name for arithmetic in self.arithmetics)

    def row_bytes(self, width: int) -> int:
        """Memory for a row of a block, beside its vector as stored."""
        return self.arithmetics[0].component_bytes * width

    def has_room(self, rows: int, width: int) -> bool:
        """Whether the blocks of so many rows can be held at once: in the memory that is budgeted."""
        return True

    def candidates(
        self, level: int, rows: Block, columns: Block, which: NDArray[np.int64], limits: tuple[Limits, Limits | None]
    ) -> Iterator[Candidates]:
        """Pairs of the rows ``which`` with all columns that matter to a row, or to a column if it has limits."""
        form, columns_form = self._quantised(level, rows, which), self._quantised(level, columns, None)
        products = self.arithmetics[level].products(form, columns_form, self.buffers)
        whole, (of_rows, of_columns) = Tile(products, form.terms, columns_form.terms), limits
        over_rows(_seed, len(which), whole, of_rows)
        if of_columns is not None and ((of_columns.seeds > 0) | np.isneginf(of_columns.far)).any():
            over_rows(_seed, len(columns), Tile(_turned(products), whole.columns, whole.rows), of_columns)
        todo, most = np.arange(len(which)), most_at_once(len(which), len(columns)) // range_count(len(which))
        while len(todo):
            found = over_rows(_find, len(todo), todo, most, whole, limits)
            done, counts, others, lower, upper = (np.concatenate(column) for column in zip(*found, strict=True))
            del found  # memory
            yield Candidates.of(which[done], np.concatenate([[0], np.cumsum(counts)]), others, lower, upper)
            todo = np.setdiff1d(todo, done, assume_unique=True)

    def _quantised(self, level: int, block: Block, which: NDArray[np.int64] | None) -> QuantisedBlock:
        """Rows of a block (all with None) in an arithmetic; the coarse form is kept with the block."""
        arithmetic, data = self.arithmetics[level], block.data
        if level > 0:
            if which is not None:
                data = BlockData._make(np.ascontiguousarray(column[which]) for column in data)
            return arithmetic.quantise(data, block.cosine)
        if arithmetic.name not in block.forms:
            block.forms[arithmetic.name] = arithmetic.quantise(data, block.cosine)
        whole: QuantisedBlock = block.forms[arithmetic.name]
        return whole if which is None else whole.take(slice(which[0], which[-1] + 1))


def _turned(products: NDArray) -> NDArray:
    turned = np.empty(products.shape[::-1], products.dtype)
    torch.from_numpy(turned).copy_(torch.from_numpy(products).T)
    return turned


def cpu_filter(arithmetic: str, multiplications: int, vectors: VectorSet | None = None) -> CpuFilter:
    """A filter in the arithmetic named, or ("auto") in the faster one for so much work; int8 as suits the vectors."""
    if arithmetic == "auto":
        arithmetic = "float32" if multiplications < SMALL else faster()
    if arithmetic == "int8" and vectors is not None and gains_by_mixing(vectors):
        return CpuFilter((Int8(mixed=True), Float32()))
    return CpuFilter(ARITHMETICS[arithmetic])
