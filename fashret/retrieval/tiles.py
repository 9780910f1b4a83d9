"""Tiles: the approximate products of two blocks, shown to compiled selections.

In: two blocks and the state of the selections for the block of rows. Out: that state, brought up to date. Rows that a
selection cannot decide cheaply are shown again in finer arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fashret.retrieval.approximation import LEVELS, Coarse, Int8Twice, Room, faster
from fashret.retrieval.blocks import FINER_ROWS, Block
from fashret.retrieval.bounds import Tile
from fashret.retrieval.counting import add_before, keep_and_add
from fashret.retrieval.selection import Verdict, keep_nearest
from fashret.retrieval.sifting import sift, turn
from fashret.retrieval.threads import over_rows

State = tuple[Callable[..., None], Any]  # a compiled selection and its state for a block of rows

SMALL = 10**9  # multiplications below which measuring the arithmetic would not pay


@dataclass
class Effort:
    """Pairs computed, by arithmetic ("int8", "float32", "definition")."""

    pairs: dict[str, int] = field(default_factory=dict)

    def add(self, arithmetic: str, pairs: int) -> None:
        """Count pairs."""
        self.pairs[arithmetic] = self.pairs.get(arithmetic, 0) + pairs


@dataclass(frozen=True)
class CpuTiles:
    """Tiles in coarse arithmetic and, for the rows which that leaves undecided, in finer arithmetic."""

    coarse: Coarse
    finer: Int8Twice | None
    effort: Effort
    room: Room = field(default_factory=Room)
    largest = 2048

    def row_bytes(self, width: int) -> int:
        """Memory for a row of a block: in both arithmetics."""
        return 5 * width if self.finer is None else 2 * width

    def has_room(self, rows: int, width: int) -> bool:
        """Blocks lie in the memory that is budgeted."""
        return True

    def show(self, rows: Block, columns: Block, part: slice, states: Sequence[State]) -> None:
        """Show the tile of a ``part`` of the rows and all columns."""
        form, columns_form = rows.form(self.coarse).part(part), columns.form(self.coarse)
        tile = self._tile(rows, columns, part, self.coarse.products(form, columns_form, self.room))
        self._look(rows, columns, tile, states, states)

    def show_both(self, rows: Block, columns: Block, states: Sequence[State], column_states: Sequence[State]) -> None:
        """Show the tile of two blocks without a common row to both, each as rows."""
        products = self.coarse.products(rows.form(self.coarse), columns.form(self.coarse), self.room)
        tile = self._tile(rows, columns, slice(0, len(rows)), products)
        found, column_found = sift(tile, states, column_states)
        self._look(rows, columns, tile, states, found or states)
        turned = turn(tile)
        if column_found is None:
            turned = turned._replace(products=_turned(products))
        self._look(columns, rows, turned, column_states, column_found or column_states)

    def _tile(self, rows: Block, columns: Block, part: slice, products: NDArray) -> Tile:
        terms, column_terms = rows.form(self.coarse).part(part).terms, columns.form(self.coarse).terms
        which = np.arange(part.start, part.stop)
        return Tile(products, which, rows.stored, columns.stored, terms, column_terms, rows.cosine)

    def _look(self, rows: Block, columns: Block, tile: Tile, states: Sequence[State], first: Sequence[State]) -> None:
        """Show a coarse tile to the selections ``first``, and what they leave, in finer arithmetic, to ``states``."""
        waiting = np.zeros((len(states), len(rows)), np.bool_)
        waiting[:, tile.which] = True
        settled = np.zeros(len(rows), np.int64)

        def look(tile: Tile, states: Sequence[State], last: bool) -> None:
            def look_at(start: int, stop: int) -> None:  # all selections, while the products are in the cache
                verdicts = [Verdict(last, mask, settled) for mask in waiting]
                if [kernel for kernel, _ in states] == [keep_nearest, add_before]:  # a search: half the bounds
                    keep_and_add(start, stop, tile, (states[0][1], states[1][1]), (verdicts[0], verdicts[1]))
                    return
                for (kernel, state), verdict in zip(states, verdicts, strict=True):
                    kernel(start, stop, tile, state, verdict)

            over_rows(look_at, len(tile.which))

        look(tile, first, self.finer is None)
        self.effort.add(self.coarse.name, tile.products.size)
        if self.finer is not None:
            left = np.flatnonzero(waiting.any(axis=0))
            for start in range(0, len(left), FINER_ROWS):
                some = left[start : start + FINER_ROWS]
                form = rows.finer_form(self.finer, self.coarse).part(some)
                columns_form = columns.finer_form(self.finer, self.coarse)
                again = self.finer.products(form, columns_form, tile.products, some - tile.which[0], self.room)
                finer = tile._replace(products=again, which=some, row_terms=form.terms, column_terms=columns_form.terms)
                look(finer, states, True)
            self.effort.add(self.finer.name, len(left) * len(columns))
        self.effort.add("definition", int(settled.sum()))


def _turned(products: NDArray) -> NDArray:
    turned = np.empty(products.shape[::-1], products.dtype)
    torch.from_numpy(turned).copy_(torch.from_numpy(products).T)
    return turned


def cpu_tiles(arithmetic: str, multiplications: int, effort: Effort) -> CpuTiles:
    """Tiles in the arithmetic named, or ("auto") in the faster one for so much work."""
    if arithmetic == "auto":
        arithmetic = "float32" if multiplications < SMALL else faster()
    return CpuTiles(*LEVELS[arithmetic], effort)
