"""What ends a training run before its time, and what is kept of it.

In: Ctrl-C and SIGTERM, or a step that fails. Out: the signal, later: when the step is over and its checkpoint written
(a second one acts at once); the step's error, when the last checkpoint is safe.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from fashret.console import log
from fashret.errors import FashretError
from fashret.learning.steps import NotFiniteError, StepMemoryError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Held:
    """While the block lasts, the first signal only sets `caught`; `release` lets it act."""

    def __init__(self, what: str, active: bool = True) -> None:
        self.what = what  # what is finished first, for the message
        self.active = active  # False: the signals act at once, as always
        self.caught: int | None = None
        self.before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if self.active and threading.current_thread() is threading.main_thread():  # elsewhere Python does not allow it
            self.before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.caught is not None:
            self.release()
            return
        self.caught = number
        log.warning("stopping after %s; once more to stop at once", self.what)

    def _restore(self) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.before = {}

    def release(self) -> None:
        """Let a caught signal act as it would have."""
        if self.caught is not None:
            self._restore()
            signal.raise_signal(self.caught)


@contextmanager
def last_checkpoint_kept(last: Path, save: Callable[[], None]) -> Iterator[None]:
    """Save a run of which a step does not fit into memory; say what is kept of one whose loss is not finite."""
    try:
        yield
    except StepMemoryError:
        save()
        raise
    except NotFiniteError as error:
        kept = ", in a new folder; the last good checkpoint is kept" if last.exists() else ""
        raise FashretError(f"{error}{kept}") from None
