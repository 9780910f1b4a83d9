"""The scan: every query against every gallery row, tile by tile.

In: two sides, jobs (what to find out about each query), block sizes. Out: the jobs' results. A tile of approximate
products is shown to every job; rows that a job cannot decide cheaply are shown again in finer arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashret.console import progress
from fashret.retrieval.approximation import ARITHMETIC, Arithmetic, faster
from fashret.retrieval.blocks import Block, Plan, Side, load_all, load_block, load_blocks
from fashret.retrieval.selection import Counts, Nearest, Tile, Verdict, add_before, keep_farthest, keep_nearest
from fashret.retrieval.threads import over_rows

State = tuple[Callable[..., None], Any]  # a job's kernel and its state for a block of rows

SMALL = 10**9  # multiplications below which measuring the arithmetic would not pay


@dataclass
class Effort:
    """Pairs computed, by arithmetic ("int8", "float32", "definition")."""

    pairs: dict[str, int] = field(default_factory=dict)

    def add(self, arithmetic: str, pairs: int) -> None:
        """Count pairs."""
        self.pairs[arithmetic] = self.pairs.get(arithmetic, 0) + pairs


@dataclass(frozen=True)
class Job:
    """A compiled selection and its state for all queries; ``part(start, stop)`` cuts out the state of some."""

    kernel: Callable[..., None]
    part: Callable[[int, int], Any]

    def state(self, rows: Block) -> State:
        """Kernel and state for a block of rows."""
        return self.kernel, self.part(rows.start, rows.stop)


def nearest_job(nearest: Nearest) -> Job:
    """Keep the nearest columns of each row."""

    def part(start: int, stop: int) -> Nearest:
        return nearest._replace(distances=nearest.distances[start:stop], numbers=nearest.numbers[start:stop])

    return Job(keep_nearest, part)


def counting_job(counts: Counts) -> Job:
    """Count the columns before each threshold."""

    def part(start: int, stop: int) -> Counts:
        return counts._replace(offsets=counts.offsets[start : stop + 1])

    return Job(add_before, part)


def farthest_job(farthest: NDArray[np.float64]) -> Job:
    """Keep the largest distance of each row."""
    return Job(keep_farthest, lambda start, stop: farthest[start:stop])


def levels(arithmetic: str, multiplications: int) -> list[Arithmetic]:
    """What to compute tiles with, the coarse one first."""
    if arithmetic == "auto":
        arithmetic = "float32" if multiplications < SMALL else faster()
    return [ARITHMETIC[name]() for name in ("int8", "float32") if arithmetic == "int8" or name == "float32"]


@dataclass(frozen=True)
class Scanner:
    """Shows tiles to jobs, in the first arithmetic and, what that leaves undecided, in the next."""

    levels: Sequence[Arithmetic]
    effort: Effort = field(default_factory=Effort)

    def scan(self, queries: Side, gallery: Side, jobs: Sequence[Job], sizes: Plan, cosine: bool) -> None:
        """Show every pair of query and gallery row to the jobs, once."""
        groups = range(0, len(queries), sizes.held)
        with progress(len(groups) * len(gallery), "search", "gallery rows") as advance:
            for first in groups:
                rows = load_block(queries, first, min(first + sizes.held, len(queries)), cosine)
                states = [job.state(rows) for job in jobs]
                for columns in load_blocks(gallery, sizes.tile_columns, cosine):
                    for start in range(0, len(rows), sizes.tile_rows):
                        which = np.arange(start, min(start + sizes.tile_rows, len(rows)))
                        self.show(rows, columns, which, states)
                    advance(len(columns))

    def scan_square(self, sides: Sequence[Side], size: int, jobs: Sequence[Job], cosine: bool) -> None:
        """Show every pair of rows of all sides to the jobs, either way round; each tile is computed once."""
        total = sum(len(side) for side in sides)
        with progress(total * (total + 1) // 2, "neighbours of all rows", "pairs") as advance:
            for rows in load_all(sides, size, cosine):
                for columns in load_all(sides, size, cosine, rows.start):
                    products = self.levels[0].products(rows.form(self.levels[0]), columns.form(self.levels[0]))
                    self._show_whole(rows, columns, jobs, products)
                    if columns.start == rows.start:
                        advance(len(rows) * (len(rows) + 1) // 2)
                        continue
                    self._show_whole(columns, rows, jobs, np.ascontiguousarray(products.T))
                    advance(len(rows) * len(columns))

    def _show_whole(self, rows: Block, columns: Block, jobs: Sequence[Job], products: NDArray) -> None:
        self.show(rows, columns, np.arange(len(rows)), [job.state(rows) for job in jobs], products)

    def show(
        self,
        rows: Block,
        columns: Block,
        which: NDArray[np.int64],
        states: Sequence[State],
        products: NDArray | None = None,
    ) -> None:
        """Show the tile of the rows ``which`` and all columns; ``products`` of the first arithmetic if there."""
        waiting = np.zeros((len(states), len(rows)), np.bool_)
        waiting[:, which] = True
        settled = np.zeros(len(rows), np.int64)
        for level in self.levels:
            which = np.flatnonzero(waiting.any(axis=0))
            if not len(which):
                break
            tile = _tile(level, rows, columns, which, products)
            for (kernel, state), mask in zip(states, waiting, strict=True):
                over_rows(kernel, len(which), tile, state, Verdict(level is self.levels[-1], mask, settled))
            self.effort.add(level.name, len(which) * len(columns))
            products = None
        self.effort.add("definition", int(settled.sum()))


def _tile(level: Arithmetic, rows: Block, columns: Block, which: NDArray[np.int64], products: NDArray | None) -> Tile:
    row_form, column_form = rows.form_of(level, which), columns.form(level)
    if products is None:
        products = level.products(row_form, column_form)
    return Tile(products, which, rows.stored, columns.stored, row_form.terms, column_form.terms, rows.cosine)
