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

from fashret.retrieval.approximation import LEVELS, Arithmetic, Form, faster
from fashret.retrieval.blocks import FINER_ROWS, Block
from fashret.retrieval.bounds import Tile
from fashret.retrieval.selection import Verdict
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

    coarse: Arithmetic
    finer: Arithmetic | None
    effort: Effort
    largest = 2048

    def row_bytes(self, width: int) -> int:
        """Memory for a row of a block: in both arithmetics."""
        return 5 * width if self.finer is None else 3 * width

    def has_room(self, rows: int, width: int) -> bool:
        """Blocks lie in the memory that is budgeted."""
        return True

    def products(self, rows: Block, columns: Block) -> Any:
        """Coarse products of all rows with all columns."""
        return self.coarse.products(rows.form(self.coarse), columns.form(self.coarse))

    def turned(self, products: Any) -> Any:
        """Products of the columns with the rows."""
        turned = np.empty(products.shape[::-1], products.dtype)
        torch.from_numpy(turned).copy_(torch.from_numpy(products).T)
        return turned

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
                form, columns_form = rows.form(self.finer).part(some), columns.form(self.finer)
                again = self.finer.products(form, columns_form, products[some - part.start])
                look(again, some, form, columns_form, True)
            self.effort.add(self.finer.name, len(left) * len(columns))
        self.effort.add("definition", int(settled.sum()))


def cpu_tiles(arithmetic: str, multiplications: int, effort: Effort) -> CpuTiles:
    """Tiles in the arithmetic named, or ("auto") in the faster one for so much work."""
    if arithmetic == "auto":
        arithmetic = "float32" if multiplications < SMALL else faster()
    return CpuTiles(*LEVELS[arithmetic], effort)
