"""A limit on time and on memory for what runs in this process, and a watch on files that must not be opened."""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

SECONDS = 60  # for all commands of one hostile file, on a busy machine
MEMORY = 3 << 30  # bytes of address space besides those that the process has
IN_OPEN, IN_NONBLOCK = 0x20, 0o4000  # of <sys/inotify.h>


class TookTooLongError(BaseException):
    """The time is over."""


@contextmanager
def limited(seconds: int = SECONDS, memory: int = MEMORY) -> Iterator[None]:
    """Stop what takes more time, and refuse what asks for more memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGALRM, _stop)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + memory, before[1]))
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, before)


def _stop(number: int, frame: FrameType | None) -> None:
    raise TookTooLongError


@contextmanager
def watched(*paths: Path) -> Iterator[list[str]]:
    """Names of the files that were opened, by whomever, once the block has ended."""
    system, opened = ctypes.CDLL(None, use_errno=True), list[str]()
    queue = system.inotify_init1(IN_NONBLOCK)
    assert queue >= 0, os.strerror(ctypes.get_errno())
    try:
        names = {system.inotify_add_watch(queue, os.fsencode(path), IN_OPEN): path.name for path in paths}
        assert len(names) == len(paths) and min(names, default=1) > 0, os.strerror(ctypes.get_errno())
        yield opened
        events = os.read(queue, 1 << 16) if select.select([queue], [], [], 0)[0] else b""
        while events:
            watch, length = int.from_bytes(events[:4], "little"), int.from_bytes(events[12:16], "little")
            opened.append(names[watch])
            events = events[16 + length :]
    finally:
        os.close(queue)
