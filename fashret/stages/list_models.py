"""`fashret models`: the backbones that `--backbone` takes.

In: nothing, or a backbone's name, timm:NAME too. Out: all that have a name of their own, or the one, with parameters,
feature width, and where their ImageNet weights come from.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fashret.models.listing import BackboneRow, describe_backbone, list_backbones


@dataclass(frozen=True)
class ModelTable:
    """All named backbones."""

    backbones: tuple[BackboneRow, ...]

    def as_json(self) -> list[dict[str, Any]]:
        """Plain values."""
        return [asdict(row) for row in self.backbones]


def run(name: str = "") -> ModelTable | BackboneRow:
    """Describe one backbone, or list those with a name of their own.

    Raises
    ------
    FashretError
        If there is no backbone of that name.
    """
    return describe_backbone(name) if name else ModelTable(tuple(list_backbones()))
