"""What a command's result looks like on a terminal. Rich is known here, to
`fashret.console` (messages, progress bars) and to the command line, which prints.

In: the result of a stage, a dataclass of named fields, and the console that it will be printed on. Out: what rich
prints. A result without an entry in `RENDERERS` is shown as its fields, one per line.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from fashret.terminal.checks import check_summary
from fashret.terminal.detections import found_in_all, found_in_photo
from fashret.terminal.facts import file_facts, garment_hits, photo_hits, picture_facts
from fashret.terminal.lists import (
    backbone_page,
    backbone_table,
    dataset_page,
    dataset_table,
    loss_page,
    loss_table,
    preset_page,
    recipe_page,
    recipe_table,
)
from fashret.terminal.scores import evaluation
from fashret.terminal.text import side_by_side

if TYPE_CHECKING:
    from rich.console import Console

Renderer = Callable[[Any, "Console"], Iterator[Any]]

RENDERERS: dict[str, Renderer] = {  # name of a result's class → what prints it
    "Info": file_facts,
    "DatasetTable": dataset_table,
    "Dataset": dataset_page,
    "ModelTable": backbone_table,
    "BackboneRow": backbone_page,
    "PresetRow": preset_page,
    "LossTable": loss_table,
    "LossKind": loss_page,
    "RecipeTable": recipe_table,
    "Recipe": recipe_page,
    "CheckSummary": check_summary,
    "DetectSummary": found_in_all,
    "PhotoGarments": found_in_photo,
    "GarmentSearch": garment_hits,
    "PhotoSearch": photo_hits,
    "ShowSummary": picture_facts,
    "Evaluation": evaluation,
}


def render(result: Any, console: Console) -> Any:
    """A stage's result as something that `console` prints."""
    from rich.console import Group

    return Group(*RENDERERS.get(type(result).__name__, summary)(result, console))


def summary(result: Any, console: Console) -> Iterator[Any]:
    """A dataclass as its fields, one per line; fields without a value are left out."""
    values = {field.name.replace("_", " "): getattr(result, field.name) for field in dataclasses.fields(result)}
    there = {name: text_of(value) for name, value in values.items() if value not in (0, "", None, (), {})}
    yield from side_by_side(there, least=16)


def text_of(value: Any) -> str:
    """One value of a summary, as people read it.

    >>> text_of(12345), text_of(0.123456), text_of({"mAP": 0.5, "epoch": 3}), text_of(True)
    ('12,345', '0.1235', 'mAP 0.5, epoch 3', 'yes')
    """
    if isinstance(value, dict):
        return ", ".join(f"{name} {text_of(one)}" for name, one in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else str(value)
