"""The table of backbones: counted from their shapes, without drawing a number."""

from __future__ import annotations

import torch

from fashret.models.backbones import BACKBONES, find_backbone
from fashret.models.listing import list_backbones
from fashret.models.settings import ModelSettings


def test_rows_are_the_backbones_in_order_with_their_sizes() -> None:
    before = torch.random.get_rng_state()
    rows = list_backbones()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert [row.name for row in rows] == list(BACKBONES)
    small = next(row for row in rows if row.name == "small")
    module, width = find_backbone("small").build(ModelSettings(backbone="small"))
    assert small.width == width and small.parameters == sum(p.numel() for p in module.parameters())
    assert all(row.weights for row in rows)
