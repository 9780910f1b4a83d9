"""Every renderer belongs to a stage's result; a result without one is its fields."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path

import fashret
from fashret import terminal
from tests.terminal import printed

STAGES = sorted(path.stem for path in (Path(fashret.__file__).parent / "stages").glob("[a-z]*.py"))


def test_every_renderer_is_of_one_stages_result() -> None:
    found = {name: set() for name in terminal.RENDERERS}
    for stage in STAGES:
        for name, kind in vars(importlib.import_module(f"fashret.stages.{stage}")).items():
            if name in found and dataclasses.is_dataclass(kind):
                found[name].add(kind)
    assert {name: kinds for name, kinds in found.items() if len(kinds) != 1} == {}


@dataclasses.dataclass(frozen=True)
class Longer:
    output: Path
    queries_without_positive: int = 0
    rows: int = 12345


def test_values_begin_in_one_column_however_long_a_name_is() -> None:
    assert printed(Longer(Path("a.h5"), 623)).splitlines() == [
        "output                   a.h5",
        "queries without positive 623",
        "rows                     12,345",
    ]


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
    long = printed(Made(Path("a"), queries_lost=5, validation={"mAP": 0.5})).splitlines()
    assert long[:2] == ["output           a", "queries lost     5"]
    assert "validation       mAP 0.5, epoch 3" in printed(Made(Path("a"), validation={"mAP": 0.5, "epoch": 3}))
