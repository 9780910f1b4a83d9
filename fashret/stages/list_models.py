"""`fashret models`: the backbones that `--backbone` takes.

In: nothing, or a backbone's name, timm:NAME too. Out: all that have a name of their own, or the one, with parameters,
feature width, and where their weights come from; of published models licence and preprocessing, too.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fashret.models.listing import (
    BackboneRow,
    PresetRow,
    describe_backbone,
    describe_preset,
    list_backbones,
    list_presets,
)
from fashret.models.presets import PRESETS


@dataclass(frozen=True)
class ModelTable:
    """All named backbones, and published models that have a name."""

    backbones: tuple[BackboneRow, ...]
    published: tuple[PresetRow, ...] = ()

    def as_json(self) -> list[dict[str, Any]]:
        """Plain values."""
        return [asdict(row) for row in (*self.backbones, *self.published)]


def run(name: str = "") -> ModelTable | BackboneRow:
    """Describe one backbone, or list those with a name of their own.

    Raises
    ------
    FashretError
        If there is no backbone of that name.
    """
    if name in PRESETS:
        return describe_preset(name)
    return describe_backbone(name) if name else ModelTable(tuple(list_backbones()), tuple(list_presets()))
