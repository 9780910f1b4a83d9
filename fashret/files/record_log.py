"""A log of finished rows, crops or vectors, in a plain file beside the output until all of them are there.

In: records in any order, block by block. Out: the data of each row again. The file only ever grows, a block at a time,
and each block has a checksum: whatever moment a run is killed at, everything up to the last complete block is sound,
and the next run cuts off the rest and resumes. (An HDF5 file that is being changed gives no such promise: its index and
its data are written at different moments.)

    line 1     JSON: `format` "fashret.spool", `version`, `task`: everything that the result depends on; `origins`:
               bytes at the end of each record's data that say what it was made from (none in version 0.1)
    blocks     "BLOCK", payload length (uint64), CRC-32 of the payload (uint32), number of records n (uint32);
               payload: row (n int64), status (n uint8, see `Status`), length (n int64), then the n data one by one
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fashret import console
from fashret.errors import FashretError
from fashret.files import json_text
from fashret.files import resume as rule
from fashret.files.atomic import output_errors
from fashret.files.file_kinds import check_ordinary
from fashret.files.origins import PACKED

FORMAT, VERSION = "fashret.spool", 1
HEAD = struct.Struct("<5sQII")
UNKNOWN = bytes(PACKED.size)  # an origin
RECORD = 8 + 1 + 8  # bytes of a record besides its data


class Status(IntEnum):
    """What became of a row."""

    WAITING = 0
    DONE = 1  # the data are its crop
    LOST = 2  # there is no photo; the data are the reason as text
    FAILED = 3  # the photo or the box cannot be used; the data are the reason as text


@dataclass(frozen=True)
class Record:
    """What became of one row."""

    row: int
    status: Status
    data: bytes
    origin: bytes = UNKNOWN  # what it was made from, see `fashret.files.origins`


class RecordLog:
    """An open log of N rows.

    `status`, `offset` and `length` (each N) say what is there and where; `kept`, how many rows were done when it was
    opened.

    Parameters
    ----------
    rows
        N.
    task
        Everything that the result depends on, as JSON values; written into a new log.
    resume
        Keep the complete blocks of a log that is there; otherwise it starts empty.
    """

    def __init__(self, path: Path, rows: int, task: dict[str, Any], resume: bool = False) -> None:
        self.path = path
        self.status = np.zeros(rows, np.uint8)
        self.offset = np.zeros(rows, np.int64)
        self.length = np.zeros(rows, np.int64)
        self.origins = PACKED.size  # bytes of an origin, 0 in logs without
        self.mapped: mmap.mmap | None = None
        with output_errors(path):
            self.file = path.open("r+b" if path.exists() else "x+b", buffering=0)
            if resume:
                self._scan()
            else:
                self.file.truncate(0)
                head = {"format": FORMAT, "version": VERSION, "origins": PACKED.size, "task": task}
                self._write(json.dumps(head, default=str).encode() + b"\n")
        self.kept = self.count(Status.DONE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._unmap()
        self.file.close()

    def append(self, records: list[Record]) -> None:
        """Write one block and hand it to the operating system, after which a kill cannot undo it."""
        if not records:
            return
        row = np.array([r.row for r in records], "<i8")
        status = np.array([r.status for r in records], np.uint8)
        data = [r.data + r.origin[: self.origins] for r in records]
        length = np.array([len(each) for each in data], "<i8")
        payload = b"".join((row.tobytes(), status.tobytes(), length.tobytes(), *data))
        with output_errors(self.path):
            start = self.file.seek(0, 2) + HEAD.size
            self._write(HEAD.pack(b"BLOCK", len(payload), zlib.crc32(payload), len(records)) + payload)
        self._note(start, row, status, length)

    def count(self, status: Status) -> int:
        """How many rows are in that state."""
        return int(np.count_nonzero(self.status == status))

    def read(self, row: int) -> bytes:
        """The data of one row."""
        data = self._stored(row)
        return data[: len(data) - self.origins]

    def origin(self, row: int) -> bytes:
        """What a row was made from; b"" if the log does not tell."""
        data = self._stored(row)
        return data[len(data) - self.origins :]

    def _stored(self, row: int) -> bytes:
        offset, length = int(self.offset[row]), int(self.length[row])
        if self.mapped is None or len(self.mapped) < offset + length:  # the file has grown since
            self._unmap()
            self.mapped = mmap.mmap(self.file.fileno(), 0, access=mmap.ACCESS_READ)
        return self.mapped[offset : offset + length]

    def _unmap(self) -> None:
        if self.mapped is not None:
            self.mapped.close()

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:  # an unbuffered write may take only a part
            view = view[self.file.write(view) :]

    def _note(self, start: int, row: NDArray[Any], status: NDArray[Any], length: NDArray[Any]) -> None:
        self.status[row] = status
        self.length[row] = length
        self.offset[row] = start + RECORD * len(row) + np.cumsum(length) - length

    def _scan(self) -> None:
        """Read every complete block, and cut off what follows the last of them."""
        self.file.seek(0)
        line = _first_line(self.file)
        end, self.origins = len(line), PACKED.size if "origins" in json.loads(line) else 0
        for start, payload, count in _blocks(self.file):
            row, status, length = _columns(payload, count)
            if not self._sound(row, length, len(payload)):
                break
            self._note(start, row, status, length)
            end = start + len(payload)
        self.file.truncate(end)

    def _sound(self, row: NDArray[Any], length: NDArray[Any], size: int) -> bool:
        """Whether a block's records are of this log's rows and fill it."""
        inside = len(row) == 0 or (row.min() >= 0 and row.max() < len(self.status) and length.min() >= 0)
        return bool(inside) and sum(length.tolist()) + RECORD * len(row) == size


def _blocks(file: Any) -> Iterator[tuple[int, bytes, int]]:
    """Every complete block: where its payload starts, the payload, the number of records."""
    file.seek(0)
    position = len(_first_line(file))
    while True:
        file.seek(position)
        head = file.read(HEAD.size)
        if len(head) < HEAD.size:
            return
        sign, size, checksum, count = HEAD.unpack(head)
        left = os.fstat(file.fileno()).st_size - position - HEAD.size
        payload = file.read(size) if sign == b"BLOCK" and size <= left else b""
        if len(payload) < size or size < RECORD * count or zlib.crc32(payload) != checksum:
            return
        yield position + HEAD.size, payload, count
        position += HEAD.size + size


def _columns(payload: bytes, count: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    row = np.frombuffer(payload, "<i8", count)
    status = np.frombuffer(payload, np.uint8, count, 8 * count)
    return row, status, np.frombuffer(payload, "<i8", count, 9 * count)


def _first_line(file: Any) -> bytes:
    line = b""
    while not line.endswith(b"\n") and len(line) <= json_text.LONGEST:
        part = file.read(65536)
        if not part:
            break
        line += part[: part.find(b"\n") + 1] or part
        if b"\n" in part:
            break
    return line


def task_of(path: Path) -> dict[str, Any] | None:
    """The task of a log; None if the file is none, or was cut off within its first line."""
    check_ordinary(path)
    try:
        with path.open("rb") as file:
            head = json_text.parse(_first_line(file), str(path))
        good = head["format"] == FORMAT and head["version"] == VERSION and isinstance(head["task"], dict)
        return head["task"] if good else None
    except (FashretError, OSError, KeyError, TypeError):
        return None


def _holds_work(path: Path) -> bool:
    """Whether any row of a log is done: not where none could be read, or the run was stopped before the first."""
    with path.open("rb") as file:
        return any((_columns(payload, count)[1] == Status.DONE).any() for _, payload, count in _blocks(file))


def open_log(path: Path, rows: int, task: dict[str, Any], *, resume: bool, restart: bool) -> RecordLog:
    """Begin a log, or resume the one that an interrupted run of the same task left.

    Raises
    ------
    FashretError
        If one is there and neither was asked for, or it is another task's: with what changed.
    """
    found = task_of(path) if os.path.lexists(path) else None
    if found is not None and not _holds_work(path):
        found = None
    if not rule.is_resumed(path, found, task, resume=resume, restart=restart):
        return RecordLog(path, rows, task)
    log = RecordLog(path, rows, task, resume=True)
    console.log.info("%s: resuming, %s done", path, console.counted(log.kept, "row is", "rows are"))
    return log


@contextmanager
def noted_if_interrupted(log: RecordLog, what: str) -> Iterator[None]:
    """Whatever ends the run early, say what --resume continues with: `what` is "crop" or "vector".

    A log without any is removed.
    """

    def kept() -> str:
        if count := log.count(Status.DONE):
            return f"{console.counted(count, f'{what} is', f'{what}s are')} kept in {log.path}; --resume continues"
        log.path.unlink(missing_ok=True)
        return ""

    with console.noted_if_stopped(kept):
        yield
