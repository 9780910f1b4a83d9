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
from fashret.retrieval.approximation import LEVELS, Arithmetic, Form, faster
from fashret.retrieval.blocks import Block, Plan, Side, load_all, load_block, load_blocks
from fashret.retrieval.keeping import Kept
from fashret.retrieval.selection import Counts, Nearest, Tile, Verdict, add_before, keep_farthest, keep_nearest
from fashret.retrieval.threads import over_rows

State = tuple[Callable[..., None], Any]  # a job's kernel and its state for a block of rows

FINER_ROWS = 512  # rows seen again at a time
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


@dataclass(frozen=True)
class Scanner:
    """Shows tiles to jobs in coarse arithmetic, and the rows which that leaves undecided in finer arithmetic."""

    coarse: Arithmetic
    finer: Arithmetic | None
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
                        part = slice(start, min(start + sizes.tile_rows, len(rows)))
                        self.show(rows, columns, part, states)
                    advance(len(columns))

    def scan_square(
        self, sides: Sequence[Side], size: int, jobs: Sequence[Job], cosine: bool, kept: Kept | None = None
    ) -> None:
        """Show every pair of rows of all sides to the jobs, either way round; each tile is computed once.

        With ``kept``, pairs with a row that was done before are left out, and the jobs' state is kept block by block.
        """
        total = sum(len(side) for side in sides)
        done = kept.load() if kept else 0
        pairs, left = total * (total + 1) // 2, (total - done) * (total - done + 1) // 2
        with progress(pairs, "neighbours of all rows", "pairs", done=pairs - left) as advance:
            for rows in load_all(sides, size, cosine, done):
                for columns in load_all(sides, size, cosine, rows.start):
                    products = self.coarse.products(rows.form(self.coarse), columns.form(self.coarse))
                    self._show_whole(rows, columns, jobs, products)
                    if columns.start == rows.start:
                        advance(len(rows) * (len(rows) + 1) // 2)
                        continue
                    self._show_whole(columns, rows, jobs, np.ascontiguousarray(products.T))
                    advance(len(rows) * len(columns))
                if kept:
                    kept.offer(rows.start + len(rows))

    def _show_whole(self, rows: Block, columns: Block, jobs: Sequence[Job], products: NDArray) -> None:
        self.show(rows, columns, slice(0, len(rows)), [job.state(rows) for job in jobs], products)

    def show(
        self, rows: Block, columns: Block, part: slice, states: Sequence[State], products: NDArray | None = None
    ) -> None:
        """Show the tile of a ``part`` of the rows and all columns; ``products``: the coarse ones if at hand."""
        form, columns_form = rows.form(self.coarse).part(part), columns.form(self.coarse)
        if products is None:
            products = self.coarse.products(form, columns_form)
        which = np.arange(part.start, part.stop)
        waiting = np.zeros((len(states), len(rows)), np.bool_)
        waiting[:, part] = True
        settled = np.zeros(len(rows), np.int64)

        def look(products: NDArray, which: NDArray, form: Form, columns_form: Form, last: bool) -> None:
            tile = Tile(products, which, rows.stored, columns.stored, form.terms, columns_form.terms, rows.cosine)
            for (kernel, state), mask in zip(states, waiting, strict=True):
                over_rows(kernel, len(which), tile, state, Verdict(last, mask, settled))

        look(products, which, form, columns_form, self.finer is None)
        self.effort.add(self.coarse.name, products.size)
        if self.finer is not None:
            left = np.flatnonzero(waiting.any(axis=0))
            for start in range(0, len(left), FINER_ROWS):
                some = left[start : start + FINER_ROWS]
                form, columns_form = rows.form_of(self.finer, some), columns.form(self.finer)
                again = self.finer.products(form, columns_form, products[some - part.start])
                look(again, some, form, columns_form, True)
            self.effort.add(self.finer.name, len(left) * len(columns))
        self.effort.add("definition", int(settled.sum()))


def scanner(arithmetic: str, multiplications: int, effort: Effort) -> Scanner:
    """A scanner in the arithmetic named, or ("auto") in the faster one for so much work."""
    if arithmetic == "auto":
        arithmetic = "float32" if multiplications < SMALL else faster()
    return Scanner(*LEVELS[arithmetic], effort)
