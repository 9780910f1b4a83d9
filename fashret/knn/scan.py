"""The scan: every query with every gallery row, tile by tile, shown to the reductions.

In: vector sets, reductions, block sizes, a filter. Out: the reductions' results.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from fashret.console import progress
from fashret.errors import FashretError
from fashret.knn.candidates import LEFT_TO_FINER, Candidates, Limits, leave_to_finer, rescore
from fashret.knn.cpu_filter import cpu_filter
from fashret.knn.memory import BlockSizes, FilterNeeds
from fashret.knn.reductions import Reduction
from fashret.knn.results import WorkStats
from fashret.knn.square import Square
from fashret.knn.threads import over_rows
from fashret.knn.torch_filter import TorchFilter
from fashret.knn.vectors import Block, BlockPair, VectorSet, load_all, load_block, load_blocks

Arrays = dict[str, NDArray[Any]]

FINER = 512, 1024  # rows and columns looked at again at a time in finer arithmetic
# Share of a row's pairs at which finer products are cheaper than distances one by one: 0.85 of the CPU time of a search
# with positives at D=2,048, 0.99 at D=512. Vectors that 8 bits cannot tell apart need it more.
UNDECIDED = 1 / 2


class ResumeStore(Protocol):
    """Where arrays are kept under a name for a run that resumes; fashret.files.saved_arrays has one."""

    def load(self, name: str) -> Arrays:
        """The arrays kept under a name; none if there are none."""

    def offer(self, name: str, arrays: Arrays) -> None:
        """Arrays to keep under a name, in place of those before; may be declined."""


@dataclass(frozen=True)
class Checkpoint:
    """The state of one scan of all rows, under its name: arrays that are filled in place."""

    store: ResumeStore
    name: str
    state: Arrays

    def load(self) -> int:
        """Take up what was kept; the number of rows done, 0 if nothing was.

        Raises
        ------
        FashretError
            If that is of another form than the state.
        """
        found = self.store.load(self.name)
        if not found:
            return 0
        expected = {name: (array.dtype, array.shape) for name, array in self.state.items()}
        expected["done"] = np.dtype(np.int64), ()
        if {name: (array.dtype, array.shape) for name, array in found.items()} != expected:
            raise FashretError("what the interrupted run kept is damaged; start over with --restart")
        for name, array in self.state.items():
            array[:] = found[name]
        return min(max(int(found["done"]), 0), len(next(iter(self.state.values()))))

    def offer(self, done: int) -> None:
        """Keep the state, all pairs with one of the first ``done`` rows being compared."""
        self.store.offer(self.name, {**self.state, "done": np.array(done)})


class Filter(FilterNeeds, Protocol):
    """What finds the pairs of a tile that matter."""

    @property
    def levels(self) -> tuple[str, ...]:
        """Names of its arithmetics, coarse first."""

    def candidates(
        self, level: int, rows: Block, columns: Block, which: NDArray[np.int64], limits: tuple[Limits, Limits | None]
    ) -> Iterator[Candidates]:
        """Pairs of the rows ``which`` with all columns that matter to a row, or to a column if it has limits."""


def choose_filter(device: str, arithmetic: str, multiplications: int, vectors: VectorSet | None = None) -> Filter:
    """The filter for a device; "torch" as arithmetic takes the GPU's way wherever it is."""
    if arithmetic == "torch" or device.startswith("cuda"):
        return TorchFilter(torch.device(device))
    return cpu_filter(arithmetic, multiplications, vectors)


@dataclass(frozen=True)
class Scanner:
    """Shows pairs to reductions; ``k``: neighbours that a row looks for."""

    filter: Filter
    stats: WorkStats
    k: int
    cosine: bool

    def scan(self, queries: VectorSet, gallery: VectorSet, reductions: Sequence[Reduction], sizes: BlockSizes) -> None:
        """Show every pair of query and gallery row, once."""
        groups = range(0, len(queries), sizes.held)
        with progress(len(groups) * len(gallery), "search", "gallery rows") as advance:
            for first in groups:
                rows = load_block(queries, first, min(first + sizes.held, len(queries)), self.cosine)
                mine = [reduction.part(rows.start, rows.stop) for reduction in reductions]
                for columns in load_blocks(gallery, sizes.columns, self.cosine):
                    for start in range(0, len(rows), sizes.rows):
                        which = np.arange(start, min(start + sizes.rows, len(rows)))
                        self._compare(rows, columns, which, mine)
                    advance(len(columns))

    def scan_square(
        self,
        square: Square,
        reductions: Sequence[Reduction],
        sizes: BlockSizes,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """Show every pair of rows that is not known, either way round; each tile is computed once.

        With a checkpoint, pairs with a row that was done before are left out, and the state is kept block by block.
        """
        sets, done = square.sets, checkpoint.load() if checkpoint else 0
        pairs, left = square.pairs(), square.pairs(done)
        with progress(pairs, "neighbours of all rows", "pairs", done=pairs - left) as advance:
            held = (
                list(load_all(sets, sizes.rows, self.cosine, done))
                if sizes.held >= len(square) and self.filter.has_room(len(square), sets[0].width)
                else []
            )
            for rows in held or load_all(sets, sizes.rows, self.cosine, done):
                first = max(rows.start, int(square.known_until[rows.start]))
                later = [block for block in held if block.start >= first]
                mine = [reduction.part(rows.start, rows.stop) for reduction in reductions]
                for columns in later or load_all(sets, sizes.rows, self.cosine, first):
                    itself = columns.start == rows.start
                    others = [] if itself else [reduction.part(columns.start, columns.stop) for reduction in reductions]
                    self._compare(rows, columns, np.arange(len(rows)), mine, others)
                    advance(len(rows) * (len(rows) + 1) // 2 if itself else len(rows) * len(columns))
                if checkpoint:
                    checkpoint.offer(rows.start + len(rows))

    def _compare(
        self,
        rows: Block,
        columns: Block,
        which: NDArray[np.int64],
        reductions: Sequence[Reduction],
        of_columns: Sequence[Reduction] = (),
        level: int = 0,
    ) -> None:
        """Show a tile: the rows ``which`` with all columns, to reductions of the rows and perhaps of the columns."""
        pair = BlockPair(rows.data, columns.data, rows.cosine)
        every = np.arange(len(columns))
        limits = _limits(reductions, pair, which), _limits(of_columns, pair.turned, every) if of_columns else None
        left, left_columns = np.zeros(len(rows), np.bool_), np.zeros(len(columns), np.bool_)
        for found in self.filter.candidates(level, rows, columns, which, limits):
            if of_columns:
                left_columns[self._settle(pair.turned, found.turned(len(columns)), of_columns, level)] = True
            left[self._settle(pair, found, reductions, level)] = True
        self.stats.add(self.filter.levels[level], (2 if of_columns else 1) * len(which) * len(columns))
        finer = (rows, columns, left, reductions), (columns, rows, left_columns, of_columns)
        for one, other, again, theirs in finer:
            waiting = np.flatnonzero(again)
            for first in range(0, len(waiting), FINER[0]):
                for column in range(0, len(other), FINER[1]):
                    some, part = waiting[first : first + FINER[0]], other.part(column, column + FINER[1])
                    self._compare(one, part, some, theirs, level=level + 1)

    def _settle(
        self, pair: BlockPair, candidates: Candidates, reductions: Sequence[Reduction], level: int
    ) -> NDArray[np.int64]:
        """Decide about candidates; returns the rows that are left to finer arithmetic."""
        rows = candidates.rows.copy()
        most = int(UNDECIDED * len(pair.columns.numbers)) + 2 * self.k
        finest = level + 1 == len(self.filter.levels)

        def settle(start: int, stop: int) -> int:
            for reduction in reductions:
                reduction.select(start, stop, pair, candidates)
            if not finest:
                leave_to_finer(start, stop, candidates, most)
            rescored = rescore(start, stop, pair, candidates)
            for reduction in reductions:
                reduction.reduce(start, stop, pair, candidates)
            return rescored

        self.stats.add("definition", sum(over_rows(settle, len(rows))))
        return rows[candidates.rows == LEFT_TO_FINER]


def _limits(reductions: Sequence[Reduction], pair: BlockPair, which: NDArray[np.int64]) -> Limits:
    limits = Limits.nothing(len(which))
    for reduction in reductions:
        limits = reduction.narrow(limits, pair, which)
    return limits
