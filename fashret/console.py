"""Messages and progress, both on stderr; results go to stdout and only through the command line.

In: what a stage wants to say. Out: a progress bar on a terminal, a log line from time to time elsewhere.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Protocol

from fashret.errors import visible

log = logging.getLogger("fashret")

KEPT = "finished work is kept"  # note on an exception that ended a run which can be resumed
SECONDS_BETWEEN_LINES = 20.0  # how often progress becomes a log line when stderr is not a terminal
SECONDS_BEFORE_BAR = 1.0  # shorter work shows nothing


class Advance(Protocol):
    """What `progress` yields: call it with the number of units done since the last call."""

    def __call__(self, units: int = 1, note: str = "") -> None: ...


def set_verbosity(quiet: bool = False, verbose: bool = False) -> None:
    """Send the package's messages to stderr: warnings only if quiet, debugging too if verbose."""
    from rich.console import Console
    from rich.logging import RichHandler

    handler: logging.Handler
    if sys.stderr.isatty():
        handler = RichHandler(console=Console(stderr=True), show_time=False, show_path=False, markup=False)
        handler.setFormatter(_OneLine("%(message)s"))
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_OneLine("%(levelname)s: %(message)s"))
    log.handlers[:] = [handler]
    log.propagate = False
    log.setLevel(logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO)


class _OneLine(logging.Formatter):
    """Messages with names from files in them, none of which can steer the terminal or begin a line."""

    def format(self, record: logging.LogRecord) -> str:
        """A message as it is shown."""
        return visible(super().format(record))


@contextmanager
def noted_if_stopped(kept: Callable[[], str]) -> Iterator[None]:
    """Whatever ends a block early, say what it keeps, and note it on the exception for the command line.

    Parameters
    ----------
    kept
        Says what is kept, and how to continue; "" if it is nothing.
    """
    try:
        yield
    except BaseException as error:
        if KEPT not in getattr(error, "__notes__", ()) and (said := kept()):
            log.warning("%s", said)
            error.add_note(KEPT)
        raise


@contextmanager
def progress(total: int | None, title: str, unit: str = "rows", done: int = 0) -> Iterator[Advance]:
    """Show how far a long piece of work is, with its rate and the time left.

    Parameters
    ----------
    total
        Number of units of the whole work, None if unknown.
    title, unit
        What is being done, and to what.
    done
        Units that an earlier, interrupted run has done already; they do not count in the rate.
    """
    bar = _TerminalBar if sys.stderr.isatty() and log.isEnabledFor(logging.INFO) else _LogLines
    shown = bar(total, title, unit, done)
    try:
        yield shown.advance
    finally:
        shown.close()


def duration(seconds: float) -> str:
    """Write a time span as people do.

    >>> duration(4.2), duration(75), duration(7500)
    ('4.2 s', '1 min 15 s', '2 h 5 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def counted(number: int, one: str, many: str = "") -> str:
    """A number and what it counts, in words that go with it; `many` where more than one is not just an s at the end.

    >>> counted(1, "photo"), counted(1200, "photo"), counted(1, "query is", "queries are")
    ('1 photo', '1,200 photos', '1 query is')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _at_most(done: int, total: int | None) -> int:
    """What is shown as done: never more than there is."""
    return done if total is None else min(done, total)


class _LogLines:
    """Progress for files and pipes: one line every `SECONDS_BETWEEN_LINES`."""

    def __init__(self, total: int | None, title: str, unit: str, done: int) -> None:
        self.total, self.title, self.unit = total, title, unit
        self.first = self.done = _at_most(done, total)
        self.started = self.last_line = time.monotonic()

    def advance(self, units: int = 1, note: str = "") -> None:
        self.done = _at_most(self.done + units, self.total)
        now = time.monotonic()
        if now - self.last_line < SECONDS_BETWEEN_LINES:
            return
        self.last_line = now
        rate = (self.done - self.first) / max(now - self.started, 1e-9)
        of_total = f" of {self.total:,}" if self.total is not None else ""
        left = ""
        if self.total is not None and rate > 0:
            left = f", {duration((self.total - self.done) / rate)} left"
        tail = f", {note}" if note else ""
        log.info("%s: %s%s %s, %.1f/s%s%s", self.title, f"{self.done:,}", of_total, self.unit, rate, left, tail)

    def close(self) -> None:
        pass


class _TerminalBar:
    """Progress for people: one bar, shown once the work has taken a second, and no other bar is shown."""

    live: ClassVar[list[_TerminalBar]] = []

    def __init__(self, total: int | None, title: str, unit: str, done: int) -> None:
        self.total, self.title, self.unit, self.done = total, title, unit, _at_most(done, total)
        self.started = time.monotonic()
        self.shown: Any = None

    def advance(self, units: int = 1, note: str = "") -> None:
        self.done = _at_most(self.done + units, self.total)
        if self.shown is None:
            if self.live or time.monotonic() - self.started < SECONDS_BEFORE_BAR:
                return
            self._show()
        self.shown.update(self.task, completed=self.done, note=note)

    def _show(self) -> None:
        from rich import progress as bars
        from rich.console import Console

        self.shown = bars.Progress(
            bars.TextColumn("{task.description}"),
            bars.BarColumn(),
            bars.MofNCompleteColumn(),
            bars.TextColumn("{task.fields[unit]}"),
            _Rate(),
            bars.TimeRemainingColumn(),
            bars.TextColumn("{task.fields[note]}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self.task = self.shown.add_task(self.title, total=self.total, completed=self.done, unit=self.unit, note="")
        self.shown.start()
        self.live.append(self)

    def close(self) -> None:
        if self.shown is not None:
            self.shown.stop()
            self.live.remove(self)


def _Rate():  # noqa: N802  a rich column, made here so that importing this module does not import rich
    from rich.progress import ProgressColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task):
            return Text(f"{task.speed:,.1f}/s" if task.speed else "")

    return Rate()
