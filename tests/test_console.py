"""Messages and progress: on stderr, as much as was asked for, a line now and then where nobody watches."""

from __future__ import annotations

import io
import logging
import re
import sys
from collections.abc import Iterator

import pytest

from fashret import console
from fashret.console import log, noted_if_stopped, progress, set_verbosity


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = log.handlers[:], log.propagate, log.level
    yield
    log.handlers[:], log.propagate = before[0], before[1]
    log.setLevel(before[2])


@pytest.mark.parametrize(("kept", "notes"), [("3 crops are kept", [console.KEPT]), ("", [])])
def test_what_ends_a_block_is_noted_with_what_it_keeps_once(
    kept: str, notes: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(KeyboardInterrupt) as caught, noted_if_stopped(lambda: "all"), noted_if_stopped(lambda: kept):
        raise KeyboardInterrupt
    assert getattr(caught.value, "__notes__", []) == (notes or [console.KEPT])
    assert [record.message for record in caplog.records] == [kept or "all"]


class Clock:
    """Stands in for the time, which passes only when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(console.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({}, ["INFO: told", "WARNING: warned"]),
        ({"quiet": True}, ["WARNING: warned"]),
        ({"verbose": True}, ["DEBUG: detail", "INFO: told", "WARNING: warned"]),
        ({"quiet": True, "verbose": True}, ["WARNING: warned"]),
    ],
)
def test_messages_go_to_stderr_as_far_as_they_are_wanted(
    capsys: pytest.CaptureFixture[str], flags: dict[str, bool], said: list[str]
) -> None:
    set_verbosity(**flags)
    set_verbosity(**flags)  # a second time: no message twice
    log.debug("detail")
    log.info("told")
    log.warning("warned")
    captured = capsys.readouterr()
    assert captured.err.splitlines() == said and not captured.out


def test_a_terminal_shows_names_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    set_verbosity()
    log.warning("[bold]%s", "a:smile:[/x]")
    assert "[bold]a:smile:[/x]" in re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())


def test_progress_becomes_a_line_now_and_then(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fashret")
    with progress(1000, "cropping", "photos") as advance:
        for seconds in (5, 14, 3, 1, 19, 1):
            clock.now += seconds
            advance(50)
        clock.now += 30
        advance(50, "nearly")
    assert [record.getMessage() for record in caplog.records] == [
        "cropping: 150 of 1,000 photos, 6.8/s, 2 min 4 s left",
        "cropping: 250 of 1,000 photos, 6.0/s, 2 min 6 s left",
        "cropping: 350 of 1,000 photos, 4.8/s, 2 min 15 s left, nearly",
    ]


def test_what_was_done_before_does_not_count_in_the_rate(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fashret")
    with progress(1000, "embedding", done=800) as advance:
        clock.now += 25
        advance(50)
    assert caplog.messages == ["embedding: 850 of 1,000 rows, 2.0/s, 1 min 15 s left"]


def test_an_unknown_total_has_no_time_left(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fashret")
    with progress(None, "reading") as advance:
        clock.now += 25
        advance(50)
    assert caplog.messages == ["reading: 50 rows, 2.0/s"]


def test_more_than_there_is_is_never_shown(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fashret")
    with progress(100, "training", "images", done=90) as advance:
        for _ in range(2):
            clock.now += 25
            advance(50)
    with progress(100, "training", "images", done=150) as advance:
        clock.now += 25
        advance(1)
    assert caplog.messages == [
        "training: 100 of 100 images, 0.4/s, 0.0 s left",
        "training: 100 of 100 images, 0.2/s, 0.0 s left",
        "training: 100 of 100 images, 0.0/s",
    ]


def test_a_bar_never_passes_its_end(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    set_verbosity()
    with progress(10, "drawing", "products") as advance:
        clock.now += 5
        advance(12)
        assert advance.__self__.shown.tasks[0].completed == 10  # type: ignore[attr-defined]
    assert "12/10" not in terminal.getvalue()


def test_a_terminal_shows_a_bar_once_the_work_takes_a_second(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    set_verbosity()
    with progress(10, "drawing", "products") as advance:
        clock.now += 0.5
        advance(2)
        assert terminal.getvalue() == ""
        clock.now += 1
        advance(3, "[note]")
    assert "drawing" in terminal.getvalue() and "5/10" in terminal.getvalue() and "[note]" in terminal.getvalue()


def test_work_within_work_shows_no_second_bar(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    set_verbosity()
    with progress(10, "drawing") as advance:
        clock.now += 5
        advance(1)
        with progress(None, "compile") as within:
            clock.now += 5
            within(1)
        advance(1)
    assert "drawing" in terminal.getvalue() and "compile" not in terminal.getvalue()
    with progress(None, "compile") as alone:
        clock.now += 5
        alone(1)
    assert "compile" in terminal.getvalue()


@pytest.mark.parametrize("quiet", [True, False])
def test_a_quiet_terminal_shows_no_bar(clock: Clock, monkeypatch: pytest.MonkeyPatch, quiet: bool) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    set_verbosity(quiet=quiet)
    with progress(10, "drawing") as advance:
        clock.now += 60
        advance(2)
    assert ("drawing" in terminal.getvalue()) != quiet


def test_progress_ends_with_the_work_whatever_happens(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    set_verbosity()
    with pytest.raises(ZeroDivisionError), progress(10, "drawing") as advance:
        clock.now += 5
        advance(1)
        shown = advance.__self__.shown  # type: ignore[attr-defined]
        assert shown.live.is_started
        _ = 1 / 0
    assert not shown.live.is_started
