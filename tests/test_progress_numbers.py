"""What the progress bars of the commands are told: counts that grow, never pass the total, and end there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fashret import console
from tests.conftest import invoke

COMMANDS = {  # command → the bars that it shows
    "demo photos --products 24 --workers 1": {"draw"},
    "crop {demo}/photos/manifest.csv -o crops.h5": {"crop", "write"},
    "train crops.h5 --recipe demo --epochs 3 --batch-products 7 --batch-images 3 --input 32x32 --workers 0 -o m": {
        "train"
    },
    "embed crops.h5 --model m --batch-size 7 --workers 0 -o e.h5": {"embed"},
    "embed {demo}/photos --model m --batch-size 7 --workers 0 -o p.h5": {"embed"},
    "embed {demo}/photos --model m --batch-size 7 --workers 0 -o p.h5 --append --verify": {"check"},
    "search e.h5 -o r.h5": {"search"},
    "rerank r.h5 -o s.h5 --memory 20MB": {"search", "neighbours of all rows"},
    "evaluate --rerank e.h5 --report report": {"search", "neighbours of all rows", "thumbnails"},
    "export crops.h5 -o coco": {"write train", "write query", "write gallery"},
}


class Told:
    """Stands in for a bar: notes what it is told."""

    bars: list[Told]

    def __init__(self, total: int | None, title: str, unit: str, done: int) -> None:
        self.total, self.title, self.seen = total, title, [done]
        self.bars.append(self)

    def advance(self, units: int = 1, note: str = "") -> None:
        self.seen.append(self.seen[-1] + units)

    def close(self) -> None:
        pass


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Told]]:
    Told.bars = []
    monkeypatch.setattr(console, "_LogLines", Told)
    yield Told.bars


@pytest.mark.slow
def test_they_grow_and_end_at_the_total(
    pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bars: list[Told]
) -> None:
    monkeypatch.chdir(tmp_path)
    for command, titles in COMMANDS.items():
        bars.clear()
        done = invoke(*command.format(demo=pipeline / "demo").split())
        assert done.returncode == 0, f"{command}: {done.stderr}"
        counted = [bar for bar in bars if bar.total is not None]  # compiling knows no total
        assert titles <= {bar.title for bar in counted}, command
        for bar in counted:
            assert bar.seen == sorted(bar.seen) and bar.seen[-1] == bar.total, (command, bar.title, bar.seen)


def test_a_resumed_training_begins_where_it_was(
    pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bars: list[Told]
) -> None:
    monkeypatch.chdir(tmp_path)
    options = "--recipe demo --epochs 3 --batch-products 7 --batch-images 3 --input 32x32 --workers 0 -o m"
    command = f"train {pipeline}/demo/crops.h5 {options} --checkpoint-every 1"

    class Killed(BaseException):
        pass

    def kill(self: Told, units: int = 1, note: str = "") -> None:
        self.seen.append(self.seen[-1] + units)
        if len(self.seen) == 4:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Told, "advance", kill)
        invoke(*command.split())
    [begun] = [bar for bar in bars if bar.title == "train"]
    bars.clear()
    assert invoke(*command.split(), "--resume").returncode == 0
    [resumed] = [bar for bar in bars if bar.title == "train"]
    assert resumed.seen[0] == begun.seen[-2]  # the step that was under way is taken again
    assert resumed.seen == sorted(resumed.seen) and resumed.seen[-1] == resumed.total == begun.total
