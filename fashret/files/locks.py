"""One writer per output: a lock beside it, `<name>.lock`, from the first byte of a run to the last.

In: the path of an output. Out: the lock while a block lasts, or who holds it, in one line. The lock is a small
JSON file with host, process id and that process's start time, by which a process is known even when its id is used
again. A lock whose process has ended is taken over; one of another machine cannot be checked from here and is never
taken over.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import IO

PROC = Path("/proc")

_ours: dict[Path, int] = {}  # locks that this process holds, and the thread that took each


class LockedError(Exception):
    """Another run writes an output, or may do so; the message says who, and what to do."""


@dataclass(frozen=True)
class Owner:
    """A process, described so that no other is taken for it."""

    host: str
    machine: str  # tells apart machines of one name, and containers with process numbers of their own
    pid: int
    started: str

    @property
    def is_here(self) -> bool:
        """Whether it is a process of this machine, which can be looked up."""
        return self.machine == _machine()

    @property
    def runs(self) -> bool:
        """Whether it is a process of this machine that has not ended."""
        return self.is_here and process_start(self.pid) == self.started


def lock_path(output: Path) -> Path:
    """Where the lock of an output is."""
    return output.with_name(output.name + ".lock")


def _lock_of(output: Path) -> Path:
    """The lock of the file that an output leads to; realpath, because `resolve` raises at a link to itself."""
    return lock_path(Path(os.path.realpath(output)))


@contextmanager
def locked(output: Path) -> Iterator[None]:
    """Be the only writer of an output while the block lasts; blocks of one thread can be inside each other.

    Raises
    ------
    LockedError
        If another run writes it, or one of another machine may do so.
    OSError
        If the operating system refuses to make the lock.
    """
    lock = _lock_of(output)
    if _ours.get(lock) == threading.get_ident():
        yield
        return
    mine = Owner(socket.gethostname(), _machine(), os.getpid(), process_start(os.getpid()))
    while not _take(lock, mine, output):
        pass
    _ours[lock] = threading.get_ident()
    try:
        yield
    finally:
        del _ours[lock]
        if _read(lock) == mine:  # unless somebody removed it
            lock.unlink(missing_ok=True)


def writer(output: Path) -> Owner | None:
    """Who writes an output, or on another machine may do so; None if nobody does."""
    owner = _read(_lock_of(output))
    return owner if owner is not None and (owner.runs or not owner.is_here) else None


def _take(lock: Path, mine: Owner, output: Path) -> bool:
    """Take the lock; False if its file was removed meanwhile, so that it is to be tried again."""
    with os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as file:
        _wait_for_turn(file)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), lock.stat()):
                _refuse_if_held(file.read(), lock, output)
                file.seek(0)
                file.truncate()
                file.write(json.dumps(asdict(mine)).encode() + b"\n")
                return True
    return False


def _wait_for_turn(file: IO[bytes]) -> None:
    """Let runs look at a lock one after the other; a turn ends when its file is closed, a few instructions later."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)
    except (ImportError, OSError):  # a system, or a file system, without such turns
        return


def _refuse_if_held(content: bytes, lock: Path, output: Path) -> None:
    owner = _parsed(content)
    if owner is None and content:
        raise LockedError(f"{output}: {lock} does not say who writes it; if no run does, remove that file")
    if owner is not None and not owner.is_here:
        raise LockedError(
            f"{output}: process {owner.pid} on {owner.host} writes it, or was stopped while it did; "
            f"if it no longer runs, remove {lock}"
        )
    if owner is not None and owner.runs:
        raise LockedError(f"{output}: process {owner.pid} is writing it; wait for it, or choose another output")


def _read(lock: Path) -> Owner | None:
    """The owner that a lock names; None if there is no lock, or it names none."""
    try:
        return _parsed(lock.read_bytes())
    except OSError:
        return None


def _parsed(content: bytes) -> Owner | None:
    try:
        about = json.loads(content)
        return Owner(str(about["host"]), str(about["machine"]), int(about["pid"]), str(about["started"]))
    except (ValueError, KeyError, TypeError):
        return None


@cache
def _machine() -> str:
    """What tells this machine, and this space of process numbers, from others of its name."""
    known = [socket.gethostname()]
    with suppress(OSError):
        known.append(Path("/etc/machine-id").read_text(encoding="ascii").strip())
    with suppress(OSError):
        known.append(os.readlink(PROC / "self/ns/pid"))
    return hashlib.sha256("\n".join(known).encode()).hexdigest()[:16]


def process_start(pid: int) -> str:
    """When a process of this machine started, as the system says it; empty if there is none."""
    if not (PROC / "self/stat").exists():
        return _listed_start(pid)
    boot = ""
    with suppress(OSError):
        boot = (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    try:
        stat = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    state, *numbers = stat.rpartition(")")[2].split()  # the name before it may hold anything
    return "" if state in ("Z", "X") else f"{numbers[18]} {boot}".strip()  # Z, X: it has ended, and is not cleared away


def _listed_start(pid: int) -> str:
    """The same, from `ps`; without that, any process counts as the one with its number."""
    try:
        asked = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)],
            env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},  # the same words in every shell
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return "unknown"
    return asked.stdout.strip()
