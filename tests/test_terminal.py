"""Results on a terminal: every renderer belongs to a stage's result, names steer nothing, fields without a value go."""

from __future__ import annotations

import dataclasses
import importlib
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import fashret
from fashret import terminal
from fashret.report.tables import Score, Table
from fashret.stages.evaluate import Evaluation
from fashret.stages.info import Info
from fashret.stages.search_photo import Hit, PhotoSearch
from fashret.stages.show import ShowSummary

STAGES = sorted(path.stem for path in (Path(fashret.__file__).parent / "stages").glob("[a-z]*.py"))


def printed(result: Any, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, soft_wrap=True, highlight=False, color_system=None)
    console.print(terminal.render(result, console))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_every_renderer_is_of_one_stages_result() -> None:
    found = {name: set() for name in terminal.RENDERERS}
    for stage in STAGES:
        for name, kind in vars(importlib.import_module(f"fashret.stages.{stage}")).items():
            if name in found and dataclasses.is_dataclass(kind):
                found[name].add(kind)
    assert {name: kinds for name, kinds in found.items() if len(kinds) != 1} == {}


@dataclasses.dataclass(frozen=True)
class Made:
    output: Path
    queries_lost: int = 0
    share: float = 0.123456
    validation: dict[str, float] = dataclasses.field(default_factory=dict)
    rows: int = 12345


def test_a_summary_is_a_field_per_line_without_those_that_are_empty() -> None:
    assert printed(Made(Path("[bold]a:smile:.h5"))).splitlines() == [
        "output           [bold]a:smile:.h5",
        "share            0.1235",
        "rows             12,345",
    ]
    assert "validation       mAP 0.5, epoch 3" in printed(Made(Path("a"), validation={"mAP": 0.5, "epoch": 3}))


@pytest.mark.parametrize(
    "result",
    [
        Info(Path("a[red].h5"), "fashret.crops", {"rows": {"[b]": 12345, "usable": True}, "none": {}}),
        ShowSummary(Path("row[b].png"), 3, "p[i]1", "photos/[b].jpg", {"plain": 2, "re-ranked": 0}),
        PhotoSearch(Path("q.jpg"), Path("a.h5"), 9, (Hit(1, "", 0.25, "photos/[b]1.jpg", 4),)),
        Evaluation([Table("scores", "Scores of [b]", ("Run", "mAP"), (("[i]x", Score(0.5)),))], report=Path("[b]/i")),
    ],
)
def test_names_are_printed_as_they_are(result: Any) -> None:
    text = printed(result)
    assert "[b]" in text and "None" not in text


def test_facts_of_a_file() -> None:
    text = printed(Info(Path("a.h5"), "fashret.crops", {"rows": {"rows": 12345, "usable": True}, "empty": {}}))
    assert text.splitlines() == ["a.h5: fashret.crops", "rows", f"  {'rows':<18} 12,345", f"  {'usable':<18} True"]


def test_tables_in_another_form_are_not_wrapped() -> None:
    table = Table("scores", "S", ("Run", "mAP"), (("[b]" + "x" * 200, Score(0.5)),))
    assert printed(Evaluation([table], "csv"), 40) == f"table,Run,mAP\nscores,[b]{'x' * 200},0.5\n"
