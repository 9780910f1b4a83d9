"""Tiles on a GPU: float32 products and the choice of undecided pairs; the definition is left to the CPU.

In and out: as :mod:`fashret.retrieval.tiles`. The bounds are those of :mod:`fashret.retrieval.bounds`, so the
results are the same to the bit. (Any device of torch that multiplies float32 in full precision will do.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fashret.retrieval.approximation import Float32, full_precision
from fashret.retrieval.blocks import Block
from fashret.retrieval.bounds import WIDENING, Terms, Tile
from fashret.retrieval.counting import Counts, add_before
from fashret.retrieval.listed import Listed, come_before, roundings, scores_at, settle_farthest, settle_nearest
from fashret.retrieval.selection import Nearest, keep_farthest, keep_nearest
from fashret.retrieval.threads import over_rows
from fashret.retrieval.tiles import Effort, State

FORM = "torch"  # name of a block's form on the device


@dataclass(frozen=True)
class Form:
    """A block's vectors of length 1 and its terms, on the device, and the terms on the CPU."""

    numbers: torch.Tensor
    terms: dict[str, torch.Tensor]
    on_cpu: Terms


@dataclass(frozen=True)
class Bounds:
    """Bounds of the scores of a tile's pairs: t×n float32 each, on the device."""

    tile: Tile  # without products
    lower: torch.Tensor
    upper: torch.Tensor

    def of(self, rows: NDArray[np.int64]) -> Bounds:
        """Some of the tile's rows."""
        chosen = torch.from_numpy(rows).to(self.lower.device)
        return Bounds(self.tile._replace(which=self.tile.which[rows]), self.lower[chosen], self.upper[chosen])

    def column(self, values: NDArray[Any]) -> torch.Tensor:
        """One value a row, on the device."""
        return torch.tensor(values, device=self.lower.device)[:, None]

    def hide_same(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> None:
        """Put the pairs whose row and column have the same code, of those ≥ 0, after everything else."""
        codes = self.column(np.where(rows >= 0, rows, -1))
        same = codes == torch.tensor(np.where(columns >= 0, columns, -2), device=codes.device)
        self.lower.masked_fill_(same, -torch.inf)
        self.upper.masked_fill_(same, -torch.inf)

    def listed(self, pairs: torch.Tensor) -> Listed:
        """The pairs of a t×n mask by row."""
        ends = torch.cumsum(pairs.sum(dim=1), 0).cpu().numpy()
        columns = pairs.nonzero()[:, 1].cpu().numpy()
        return Listed(np.concatenate([[0], ends]), columns)


@dataclass(frozen=True)
class TorchTiles:
    """Tiles of float32 products on a device of torch."""

    device: torch.device
    effort: Effort

    @property
    def largest(self) -> int:
        """Rows of a tile: a GPU's memory holds several matrices of its size."""
        return 8192 if self._free_memory() > 8 << 30 else 2048

    def row_bytes(self, width: int) -> int:
        """Memory for a row of a block, but for what is on the device."""
        return 4 * width

    def has_room(self, rows: int, width: int) -> bool:
        """Whether the vectors of so many rows fit into half of the device's memory."""
        return 2 * 4 * rows * width < self._free_memory()

    def _free_memory(self) -> int:
        return torch.cuda.mem_get_info(self.device)[0] if self.device.type == "cuda" else 0

    def show(self, rows: Block, columns: Block, part: slice, states: Sequence[State]) -> None:
        """Show the tile of a ``part`` of the rows and all columns."""
        self._show(rows, columns, part, states, self._products(part, rows, columns))

    def show_both(self, rows: Block, columns: Block, states: Sequence[State], column_states: Sequence[State]) -> None:
        """Show the tile of two blocks without a common row to both, each as rows."""
        every = slice(0, len(rows)), slice(0, len(columns))
        products = self._products(every[0], rows, columns)
        self._show(rows, columns, every[0], states, products)
        self._show(columns, rows, every[1], column_states, products.T)

    def _show(self, rows: Block, columns: Block, part: slice, states: Sequence[State], products: torch.Tensor) -> None:
        self.effort.add("float32", products.numel())
        for kernel, state in states:
            bounds = self._bounds(rows, columns, part, products)
            self.effort.add("definition", ON_DEVICE[kernel](bounds, state))

    def _products(self, part: slice, rows: Block, columns: Block) -> torch.Tensor:
        with full_precision():
            return torch.mm(self._form(rows).numbers[part], self._form(columns).numbers.T)

    def _form(self, block: Block) -> Form:
        """Vectors of length 1 and terms, on the device."""
        if FORM not in block.forms:
            form = Float32().form(block.stored, block.cosine)
            terms = {name: torch.from_numpy(term).to(self.device) for name, term in form.terms._asdict().items()}
            block.forms[FORM] = Form(form.numbers.to(self.device), terms, form.terms)
        return block.forms[FORM]

    def _bounds(self, rows: Block, columns: Block, part: slice, products: torch.Tensor) -> Bounds:
        own = {name: term[part][:, None] for name, term in self._form(rows).terms.items()}
        other = self._form(columns).terms
        middle = products * other["column_scale"]  # the scale of the rows is 1
        spread = torch.addcmul(other["slack"], own["loose"], other["reach"])
        lower = (middle - own["half"] * (1.0 + WIDENING) * other["square"]) - spread
        upper = middle.sub_(own["half"] * (1.0 - WIDENING) * other["square"]).add_(spread)
        which, none = np.arange(part.start, part.stop), np.empty((part.stop - part.start, 0), np.float32)
        terms = self._form(rows).on_cpu, self._form(columns).on_cpu
        return Bounds(Tile(none, which, rows.stored, columns.stored, *terms, rows.cosine), lower, upper)


def _nearest(bounds: Bounds, nearest: Nearest) -> int:
    tile, k = bounds.tile, nearest.distances.shape[1]
    if nearest.same_matrix:
        bounds.hide_same(tile.rows.numbers[tile.which], tile.columns.numbers)
    if nearest.other_products:
        bounds.hide_same(tile.rows.product[tile.which], tile.columns.product)
    least = scores_at(tile, tile.which, nearest.distances[tile.which, 0], False)
    if np.isneginf(least).any() and bounds.lower.shape[1] >= k:
        surest = torch.topk(bounds.lower, k, dim=1).values[:, -1].cpu().numpy()  # k columns score at least this
        least = np.maximum(least, _lowered(surest, roundings(tile)))
    pairs = bounds.upper >= bounds.column(least)
    pairs &= bounds.upper > -torch.inf  # what is hidden
    settled = np.zeros(len(tile.which), np.int64)
    over_rows(settle_nearest, len(tile.which), tile, bounds.listed(pairs), nearest, settled)
    return int(settled.sum())


def _farthest(bounds: Bounds, farthest: NDArray[np.float64]) -> int:
    tile = bounds.tile
    most = scores_at(tile, tile.which, farthest[tile.which], True)
    here = -_lowered(-bounds.upper.min(dim=1).values.cpu().numpy(), roundings(tile))
    listed = bounds.listed(bounds.lower <= bounds.column(np.minimum(most, here)))
    over_rows(settle_farthest, len(tile.which), tile, listed, farthest)
    return len(listed.columns)


def _lowered(scores: NDArray[np.float32], rounding: NDArray[np.float64]) -> NDArray[np.float32]:
    """Float32 scores lowered by more than the roundings of two defined distances."""
    return np.nextafter((scores - 2 * rounding).astype(np.float32), np.float32(-np.inf))


def _counted(bounds: Bounds, counts: Counts) -> int:
    tile = bounds.tile
    if counts.same_matrix:
        bounds.hide_same(tile.rows.numbers[tile.which], tile.columns.numbers)
    category = torch.tensor(tile.columns.category, device=bounds.lower.device)
    first, sizes = counts.offsets[tile.which], np.diff(counts.offsets)[tile.which]
    settled = 0
    for place in range(int(sizes.max(initial=0))):  # the rows' first thresholds, their second ones, …
        asked = np.flatnonzero(sizes > place)
        thresholds = first[asked] + place
        part = bounds if len(asked) == len(sizes) else bounds.of(asked)
        own = bounds.column(tile.rows.category[tile.which[asked]])
        settled += _count_one(part, counts, thresholds, own == category)
    return settled


def _count_one(bounds: Bounds, counts: Counts, thresholds: NDArray[np.int64], in_category: torch.Tensor) -> int:
    """Add the columns that come before one threshold of each of the tile's rows."""
    tile = bounds.tile
    sure = scores_at(tile, tile.which, counts.low[thresholds], True)
    enter = scores_at(tile, tile.which, counts.high[thresholds], False)
    before = bounds.lower > bounds.column(sure)
    counts.before[thresholds] += before.sum(dim=1).cpu().numpy()
    counts.before_in_category[thresholds] += (before & in_category).sum(dim=1).cpu().numpy()
    listed = bounds.listed((bounds.upper >= bounds.column(enter)) & ~before)
    which = np.repeat(np.arange(len(thresholds)), np.diff(listed.offsets))
    rows, columns, hits = tile.which[which], listed.columns, np.zeros(len(which), np.bool_)
    over_rows(come_before, len(which), tile, (rows, columns, thresholds[which]), counts, hits)
    np.add.at(counts.before, thresholds[which[hits]], 1)
    hits &= tile.columns.category[columns] == tile.rows.category[rows]
    np.add.at(counts.before_in_category, thresholds[which[hits]], 1)
    return len(columns)


ON_DEVICE: dict[Callable[..., None], Callable[[Bounds, Any], int]] = {
    keep_nearest: _nearest,
    keep_farthest: _farthest,
    add_before: _counted,
}
