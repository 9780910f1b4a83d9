"""`fashret models`: the backbones that `--backbone` takes.

In: nothing. Out: a table of all, with parameters, feature width, and where their ImageNet weights come from.
"""

from __future__ import annotations

from collections.abc import Iterator
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

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        caption = "and timm:NAME for every model of timm, transformers included"
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, caption=caption)
        for column in ("name", "parameters", "width", "ImageNet weights"):
            table.add_column(column, justify="right" if column in ("parameters", "width") else "left")
        for row in self.backbones:
            table.add_row(*map(Text, (row.name, f"{row.parameters:,}", f"{row.width:,}", row.weights)))
        yield table


def run() -> ModelTable:
    """List the backbones."""
    return ModelTable(tuple(list_backbones()))
