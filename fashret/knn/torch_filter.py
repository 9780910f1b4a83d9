"""The filter on a device of torch: float32 products and bounds there, undecided pairs here.

In and out: as :mod:`fashret.knn.cpu_filter`. The bounds are the same function, and distances are left to the
definition, so the results are the same to the bit. (Any device that multiplies float32 in full precision will do.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from fashret.knn.bounds import BoundTerms, distance_bounds
from fashret.knn.candidates import Candidates, Limits, most_at_once
from fashret.knn.quantise import Float32, QuantisedBlock, full_precision
from fashret.knn.threads import ranges
from fashret.knn.vectors import Block

FORM = "torch"  # name of a block's form on the device


@dataclass(frozen=True)
class TorchFilter:
    """Filters tiles of float32 products on a device of torch."""

    device: torch.device
    levels: ClassVar[tuple[str, ...]] = ("float32",)

    @property
    def largest(self) -> int:
        """Rows of a tile: a GPU's memory holds several matrices of its size."""
        return 8192 if self._free_memory() > 8 << 30 else 2048

    def row_bytes(self, width: int) -> int:
        """Memory for a row of a block, beside its vector as stored and what is on the device."""
        return Float32.component_bytes * width

    def has_room(self, rows: int, width: int) -> bool:
        """Whether the vectors of so many rows fit into half of the device's memory."""
        return 2 * Float32.component_bytes * rows * width < self._free_memory()

    def _free_memory(self) -> int:
        return torch.cuda.mem_get_info(self.device)[0] if self.device.type == "cuda" else 0

    def candidates(
        self, level: int, rows: Block, columns: Block, which: NDArray[np.int64], limits: tuple[Limits, Limits | None]
    ) -> Iterator[Candidates]:
        """Pairs of the rows ``which`` with all columns that matter to a row, or to a column if it has limits."""
        form, columns_form = self._form(rows).take(slice(which[0], which[-1] + 1)), self._form(columns)
        with full_precision():
            products = torch.mm(form.numbers, columns_form.numbers.T)
        terms = BoundTerms(*(term[:, None] for term in form.terms))
        lower, upper = distance_bounds(products, terms, columns_form.terms)
        near, far = self._seeded(limits[0], lower, upper)
        matters = (lower <= near[:, None]) | (upper >= far[:, None])
        if limits[1] is not None:
            near, far = self._seeded(limits[1], lower.T, upper.T)
            matters |= (lower <= near) | (upper >= far)
        counts = matters.sum(dim=1).cpu().numpy()
        for part in ranges(counts, most_at_once(len(which), len(columns))):
            chosen = matters[part]
            found = chosen.nonzero()[:, 1].to(torch.int32), lower[part][chosen], upper[part][chosen]
            offsets = np.concatenate([[0], np.cumsum(counts[part])])
            yield Candidates.of(which[part], offsets, *(tensor.cpu().numpy() for tensor in found))

    def _form(self, block: Block) -> QuantisedBlock:
        """Vectors of length 1 and terms, on the device."""
        if FORM not in block.forms:
            form = Float32().quantise(block.data, block.cosine)
            terms = BoundTerms(*(torch.from_numpy(term).to(self.device) for term in form.terms))
            block.forms[FORM] = QuantisedBlock(form.numbers.to(self.device), terms)
        return block.forms[FORM]

    def _seeded(self, limits: Limits, lower: torch.Tensor, upper: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Near and far of each row; where nothing is known of it, from the bounds of its columns."""
        near, far, seeds = (torch.from_numpy(limit).to(self.device) for limit in limits)
        unknown = torch.isneginf(far)
        far[unknown] = lower[unknown].amax(dim=1)
        if len(unknown := (seeds > 0).nonzero()[:, 0]):
            most = int(seeds.max())
            if most > upper.shape[1]:
                near[seeds > upper.shape[1]] = torch.inf
            smallest = torch.topk(upper[unknown], min(most, upper.shape[1]), dim=1, largest=False).values
            index = (seeds[unknown].long() - 1).clamp(max=smallest.shape[1] - 1)
            near[unknown] = torch.maximum(near[unknown], smallest.gather(1, index[:, None])[:, 0])
        return near, far
