"""The scan: every query against every gallery row, tile by tile.

In: sides, jobs (what to find out about each row), block sizes, something that makes tiles. Out: the jobs' results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fashret.console import progress
from fashret.retrieval.blocks import Block, Plan, Side, SquarePlan, load_all, load_block, load_blocks
from fashret.retrieval.counting import Counts, add_before
from fashret.retrieval.keeping import Kept
from fashret.retrieval.selection import Nearest, keep_farthest, keep_nearest
from fashret.retrieval.tiles import CpuTiles, Effort, State, cpu_tiles
from fashret.retrieval.torch_tiles import TorchTiles


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
    """Shows the tiles of whole sides to jobs."""

    tiles: CpuTiles | TorchTiles

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
                        self.tiles.show(rows, columns, part, states)
                    advance(len(columns))

    def scan_square(
        self, sides: Sequence[Side], sizes: SquarePlan, jobs: Sequence[Job], cosine: bool, kept: Kept | None = None
    ) -> None:
        """Show every pair of rows of all sides to the jobs, either way round; each tile is computed once.

        With ``kept``, pairs with a row that was done before are left out, and the jobs' state is kept block by block.
        """
        total = sum(len(side) for side in sides)
        done = kept.load() if kept else 0
        pairs, left = total * (total + 1) // 2, (total - done) * (total - done + 1) // 2
        with progress(pairs, "neighbours of all rows", "pairs", done=pairs - left) as advance:
            held = list(load_all(sides, sizes.size, cosine, done)) if sizes.hold else []
            for rows in held or load_all(sides, sizes.size, cosine, done):
                later = [block for block in held if block.start >= rows.start]
                states = [job.state(rows) for job in jobs]
                for columns in later or load_all(sides, sizes.size, cosine, rows.start):
                    if columns.start == rows.start:
                        self.tiles.show(rows, columns, slice(0, len(rows)), states)
                        advance(len(rows) * (len(rows) + 1) // 2)
                        continue
                    self.tiles.show_both(rows, columns, states, [job.state(columns) for job in jobs])
                    advance(len(rows) * len(columns))
                if kept:
                    kept.offer(rows.start + len(rows))


def tiles_for(device: str, arithmetic: str, multiplications: int, effort: Effort) -> CpuTiles | TorchTiles:
    """What makes tiles on a device; "torch" as arithmetic takes the GPU's way wherever it is."""
    if arithmetic == "torch" or device.startswith("cuda"):
        return TorchTiles(torch.device(device), effort)
    return cpu_tiles(arithmetic, multiplications, effort)
