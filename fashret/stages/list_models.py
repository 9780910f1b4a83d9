"""`fashret models`: the backbones that `--backbone` takes.

In: nothing. Out: all of them, with parameters, feature width, and where their ImageNet weights come from.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fashret.models.listing import BackboneRow, list_backbones


@dataclass(frozen=True)
class ModelTable:
    """All named backbones."""

    backbones: tuple[BackboneRow, ...]

    def as_json(self) -> list[dict[str, Any]]:
        """Plain values."""
        return [asdict(row) for row in self.backbones]


def run() -> ModelTable:
    """List the backbones."""
    return ModelTable(tuple(list_backbones()))
