"""The campaign of kills: what it compares, what it calls a fault, and that it continues where it was."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import numpy as np
import pytest

from tests import campaign
from tests.campaign import Campaign, Command, FaultError, check, content
from tests.conftest import make_rows, write_crops


def test_times_are_no_difference_and_data_are(tmp_path: Path) -> None:
    rows = make_rows(4)
    first, second = write_crops(tmp_path / "a.h5", rows), write_crops(tmp_path / "b.h5", rows)
    check(second, content(first), "crop")
    changed = write_crops(tmp_path / "c.h5", make_rows(4, role=np.array([6, 6, 6, 2], np.uint8)))
    with pytest.raises(FaultError, match="crop: c.h5 differs in role"):
        check(changed, content(first), "crop")
    second.write_bytes(second.read_bytes()[:-100])
    with pytest.raises(FaultError, match="b.h5 is not whole"):
        check(second, content(first), "crop")


@pytest.mark.parametrize("name", ["log.csv", "index.html", "model.json"])
def test_texts_are_compared_without_their_times(tmp_path: Path, name: str) -> None:
    texts = {
        "log.csv": ("epoch,seconds,loss\n1,{},3\n", ("2.5", "9")),
        "index.html": ("<p>made {}</p>", ("2025-01-02T03:04:05+00:00", "2026-01-02T03:04:05+00:00")),
        "model.json": ('{{"created": {}, "name": "a"}}', ('"x"', '"y"')),
    }
    text, times = texts[name]
    found = []
    for time in times:
        (tmp_path / name).write_text(text.format(time))
        found.append(content(tmp_path / name))
    assert found[0] == found[1]
    (tmp_path / name).write_text(text.format(times[0]).replace("a", "b").replace(",3", ",4"))
    assert content(tmp_path / name) != found[0]


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Campaign:
    """A campaign with one command that needs no network."""
    monkeypatch.setattr(campaign, "INPUTS", ("demo inputs/photos --products 24 --workers 1",))
    monkeypatch.setattr(campaign, "MADE", {"photos"})
    words = "crop inputs/photos/manifest.csv -o out/o.h5 --workers 2"
    monkeypatch.setattr(campaign, "COMMANDS", {"crop": Command(words, "o.h5")})
    monkeypatch.setattr(campaign, "SIGNALS", (signal.SIGKILL,))
    return Campaign(tmp_path / "state", seed=3)


@pytest.mark.slow
def test_a_campaign_kills_finishes_and_continues(small: Campaign) -> None:
    small.prepare()
    said: list[str] = []
    small.run(count=4, minutes=5, say=said.append)
    assert small.kills["crop"] >= 4 and said[-1].startswith(f"{small.kills.total()} kills in {small.trials} trials")
    again = Campaign(small.state, seed=99)
    again.prepare()
    assert (again.seed, again.trials, again.kills) == (3, small.trials, small.kills)
    lines = [json.loads(line) for line in again.log.read_text().splitlines()]
    assert [line["trial"] for line in lines] == list(range(small.trials))


@pytest.mark.slow
def test_what_is_left_behind_is_a_fault(small: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    small.prepare()
    (small.state / "inputs/old.lock").touch()
    with pytest.raises(FaultError, match="trial 0: left behind: old.lock"):
        small.run(count=2, minutes=5, say=lambda line: None)
