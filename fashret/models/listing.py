"""What `fashret models` lists.

In: nothing, or a backbone's name. Out: one `BackboneRow` per backbone, counted from the network itself.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache

import torch

from fashret.models.backbones import BACKBONES, find_backbone, settings_for


@dataclass(frozen=True)
class BackboneRow:
    """One backbone."""

    name: str
    parameters: int  # of the backbone, without classifier
    width: int  # of its feature vector
    weights: str  # where its ImageNet weights come from
    input: str  # height x width that they were trained on, or the default where the backbone takes any


@cache  # a network is built to count it, which takes a tenth of a second
def describe_backbone(name: str) -> BackboneRow:
    """One backbone by its name, or any timm model as timm:NAME.

    Raises
    ------
    FashretError
        If there is no such backbone.
    """
    backbone, settings = find_backbone(name), settings_for(name)
    own = name in BACKBONES  # some models of timm cannot be built from shapes alone
    with torch.device("meta") if own else nullcontext():  # shapes without numbers: nothing is drawn or stored
        module, width = backbone.build(settings)
    parameters = sum(p.numel() for p in module.parameters())
    return BackboneRow(name, parameters, width, backbone.origin, f"{settings.height}x{settings.width}")


def list_backbones() -> list[BackboneRow]:
    """Every named backbone, in the table's order; any timm model may be named as timm:NAME beside them."""
    return [describe_backbone(name) for name in BACKBONES]
