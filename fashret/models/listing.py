"""What `fashret models` lists.

In: nothing, or a backbone's name. Out: one `BackboneRow` per backbone, counted from the network itself.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache

import torch

from fashret.models.backbones import BACKBONES, find_backbone, settings_for
from fashret.models.hub import preset_there
from fashret.models.presets import PRESETS


@dataclass(frozen=True)
class BackboneRow:
    """One backbone."""

    name: str
    parameters: int  # of the backbone, without classifier
    width: int  # of its feature vector
    weights: str  # where its ImageNet weights come from
    input: str  # height x width that they were trained on, or the default where the backbone takes any


@dataclass(frozen=True)
class PresetRow(BackboneRow):
    """One published model."""

    licence: str
    preprocessing: str  # how a photo becomes the input
    there: str  # path of its file on this machine; empty: it is not there
    note: str


@cache  # a network is built to count it, which takes a tenth of a second
def describe_backbone(name: str) -> BackboneRow:
    """One backbone by its name, or any timm model as timm:NAME.

    Raises
    ------
    FashretError
        If there is no such backbone.
    """
    backbone, settings = find_backbone(name), settings_for(name)
    own = name in BACKBONES or name in PRESETS  # some models of timm cannot be built from shapes alone
    with torch.device("meta") if own else nullcontext():  # shapes without numbers: nothing is drawn or stored
        module, width = backbone.build(settings)
    parameters = sum(p.numel() for p in module.parameters())
    return BackboneRow(name, parameters, width, backbone.origin, f"{settings.height}x{settings.width}")


FITS = {
    "stretch": "squashed to the input's size",
    "crop": "shorter side to the input's, middle cropped (rounded as torchvision does)",
    "crop-floor": "shorter side to the input's, middle cropped (rounded as the transformers library does)",
}


def describe_preset(name: str) -> PresetRow:
    """One published model, and whether its file is on this machine."""
    row, preset = describe_backbone(name), PRESETS[name]
    mean, std = (" ".join(f"{number:.4g}" for number in numbers) for numbers in (preset.mean, preset.std))
    size = f" ({preset.megabytes} MB)" if preset.megabytes else ""
    return PresetRow(
        name=name,
        parameters=row.parameters,
        width=row.width,
        weights=f"{preset.file}{size} of https://huggingface.co/{preset.hub}",
        input=row.input,
        licence=preset.licence,
        preprocessing=f"{FITS[preset.fit]}, {preset.resample}; mean {mean}, std {std}",
        there=str(preset_there(name) or ""),
        note=preset.note,
    )


def list_presets() -> list[PresetRow]:
    """Every published model with a name, in the table's order."""
    return [describe_preset(name) for name in PRESETS]


def list_backbones() -> list[BackboneRow]:
    """Every named backbone, in the table's order; any timm model may be named as timm:NAME beside them."""
    return [describe_backbone(name) for name in BACKBONES]
