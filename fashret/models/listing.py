"""What `fashret models` lists.

In: nothing. Out: one `BackboneRow` a backbone, counted from the network itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fashret.models.backbones import BACKBONES
from fashret.models.settings import ModelSettings


@dataclass(frozen=True)
class BackboneRow:
    """One backbone."""

    name: str
    parameters: int  # of the backbone, without classifier
    width: int  # of its feature vector
    weights: str  # where its ImageNet weights come from


def list_backbones() -> list[BackboneRow]:
    """Every named backbone, in the table's order; any timm model may be named as timm:NAME beside them."""
    rows = []
    for name, backbone in BACKBONES.items():
        with torch.device("meta"):  # shapes without numbers: nothing is drawn or stored
            module, width = backbone.build(ModelSettings(backbone=name))
        rows.append(BackboneRow(name, sum(p.numel() for p in module.parameters()), width, backbone.origin))
    return rows
