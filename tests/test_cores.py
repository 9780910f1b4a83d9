"""Cores of this process, and how many of them others leave free."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fashret import cores as module
from fashret.cores import busy, cores, free_cores, running_now


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """machine(cores, usable, last minute, running now): a machine with that load."""

    def stand_in(count: int, usable: int, last_minute: float, now: float) -> None:
        monkeypatch.setattr(os, "cpu_count", lambda: count)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(usable)), raising=False)
        monkeypatch.setattr(os, "getloadavg", lambda: (last_minute, 9.0, 9.0))
        monkeypatch.setattr(module, "running_now", lambda unknown: now)

    return stand_in


@pytest.mark.parametrize(
    ("count", "usable", "last_minute", "now", "free"),
    [
        (2, 2, 0.1, 0, 2),
        (2, 2, 2.0, 0, 2),  # of commands that have just ended
        (2, 2, 0.2, 3, 2),  # of commands that have just begun, and may be short
        (2, 2, 1.2, 1, 1),
        (2, 2, 9.0, 12, 1),
        (64, 2, 20.0, 21, 2),  # there is room elsewhere
        (64, 64, 20.2, 30, 44),
        (64, 16, 60.0, 60, 4),
    ],
)
def test_as_many_as_others_leave(machine, count: int, usable: int, last_minute: float, now: float, free: int) -> None:
    machine(count, usable, last_minute, now)
    assert cores() == usable and free_cores() == free


def test_a_system_that_does_not_tell_its_load_is_free(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(4, 4, 0.0, 9)

    def unknown() -> None:
        raise OSError

    monkeypatch.setattr(os, "getloadavg", unknown)
    assert busy() == 0.0 and free_cores() == 4
    monkeypatch.delattr(os, "getloadavg")
    assert busy() == 0.0
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cores() == 4


def test_what_runs_now_is_looked_at_several_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loadavg = tmp_path / "loadavg"
    running = iter([2, 9, 3, 3, 2])

    def next_look(seconds: float) -> None:
        loadavg.write_text(f"0.5 0.5 0.5 {next(running)}/512 4711\n")

    monkeypatch.setattr(module.time, "sleep", next_look)
    next_look(0)
    assert running_now(7.0, loadavg) == 2.0  # the median of 1, 8, 2, 2, 1: without this process
    loadavg.write_text("nonsense")
    assert running_now(7.0, loadavg) == 7.0
    assert running_now(7.0, tmp_path / "none") == 7.0
