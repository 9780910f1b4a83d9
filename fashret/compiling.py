"""Loops are compiled for the processor at hand when they are first used, and kept for the next run.

In: numba, before it meets the first compiled function: importing this module is enough. Out: a folder that it keeps
them in (beside the package, else `fashret.caches`, else none at all), and one line when something is compiled, with
progress.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from numba.core import config, event
from numba.core.dispatcher import Dispatcher

import fashret
from fashret.caches import cache_folder, is_writable
from fashret.console import Advance, log, progress

COMPILED = ("detection", "knn", "reranking")  # packages with compiled functions


def keep_compiled() -> None:
    """Choose where compiled functions are kept; to be called before the first of them is defined."""
    settings: Any = config
    if settings.CACHE_DIR:  # NUMBA_CACHE_DIR, which the user has set
        return
    package = Path(fashret.__file__).parent
    if all(is_writable(package / part / "__pycache__") for part in COMPILED):  # what numba does by itself
        return
    folder = cache_folder()
    if folder is not None:
        settings.CACHE_DIR = str(folder / "numba")
    else:
        setattr(Dispatcher, "enable_caching", lambda self: None)  # noqa: B010  it would find no place and give up


class Announcer(event.Listener):
    """Says once that functions of fashret are compiled, and shows how many are done."""

    def __init__(self) -> None:
        self.said = False
        self.depth = self.done = 0
        self.shown = contextlib.ExitStack()
        self.advance: Advance | None = None

    def on_start(self, event: Any) -> None:
        """A function is being compiled; functions that it calls are compiled within."""
        if not _is_ours(event):
            return
        if not self.said:
            log.info("compiling for this machine, once")
            self.said = True
        if not self.depth:
            self.advance = self.shown.enter_context(progress(None, "compile", "functions", done=self.done))
        self.depth += 1

    def on_end(self, event: Any) -> None:
        """It is compiled."""
        if not _is_ours(event):
            return
        self.depth -= 1
        self.done += 1
        if self.advance is not None:
            self.advance()
        if not self.depth:
            self.shown.close()


def _is_ours(event: Any) -> bool:
    return event.data["dispatcher"].py_func.__module__.startswith("fashret.")


keep_compiled()
event.register("numba:compile", Announcer())
