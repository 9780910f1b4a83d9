"""One writer per output: who holds a lock, whose is taken over, and what is said of the others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from fashret.errors import FashretError
from fashret.files import locks
from fashret.files.atomic import partial_path, whole_file
from fashret.files.hdf5 import open_any
from fashret.files.locks import LockedError, Owner, lock_path, locked, process_start, writer


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out.h5"


def holder(output: Path, **changes: object) -> Owner:
    """Let another process hold the lock: the one that started this one, which runs; or one that `changes` describe."""
    with locked(output):
        mine = writer(output)
    assert mine is not None
    other = replace(mine, pid=os.getppid(), started=process_start(os.getppid()))
    other = replace(other, **changes)
    lock_path(output).write_text(json.dumps(asdict(other)))
    return other


def ended() -> int:
    """The number of a process that has ended."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def test_a_lock_is_there_while_its_block_lasts(output: Path) -> None:
    with locked(output):
        owner = writer(output)
        assert owner is not None and (owner.pid, owner.started) == (os.getpid(), process_start(os.getpid()))
        with locked(output):  # a run writes its log and then its output
            pass
        assert lock_path(output).exists()
    assert list(output.parent.iterdir()) == [] and writer(output) is None


def test_an_error_lets_go_of_it(output: Path) -> None:
    with pytest.raises(KeyboardInterrupt), locked(output):
        raise KeyboardInterrupt
    assert not lock_path(output).exists()


def test_one_output_has_one_lock_however_it_is_spelled(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (output.parent / "link").symlink_to(output.parent)
    holder(output)
    monkeypatch.chdir(output.parent)
    for spelled in (Path("out.h5"), Path("./link/out.h5"), output):
        with pytest.raises(LockedError, match=f"out.h5: process {os.getppid()} is writing it"), locked(spelled):
            pass
        assert writer(spelled) is not None


def test_a_run_that_writes_is_left_alone(output: Path) -> None:
    other = holder(output)
    partial_path(output).write_text("half of it")
    before = lock_path(output).read_text()
    with pytest.raises(FashretError, match="wait for it, or choose another output"), whole_file(output):
        pytest.fail("two writers")
    assert partial_path(output).read_text() == "half of it" and lock_path(output).read_text() == before
    assert writer(output) == other


@pytest.mark.parametrize(
    "changes",
    [
        {"pid": ended},
        {"started": lambda: "long ago"},  # the number is used again
        {"pid": lambda: 2**22 + 7},
        {"pid": lambda: -1},
    ],
)
def test_what_a_stopped_run_left_is_taken_over(output: Path, changes: dict) -> None:
    holder(output, **{name: value() for name, value in changes.items()})
    assert writer(output) is None
    with locked(output):
        owner = writer(output)
        assert owner is not None and owner.pid == os.getpid()
    assert not lock_path(output).exists()


def test_a_process_that_has_ended_and_is_not_cleared_away_does_not_run() -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, done.pid, os.WEXITED | os.WNOWAIT)
    assert process_start(done.pid) == ""
    done.wait()


def test_a_run_of_another_machine_is_never_taken_over(output: Path) -> None:
    other = holder(output, host="far", machine="another", pid=7)
    line = rf"out.h5: process 7 on far writes it, or was stopped .*; if it no longer runs, remove {lock_path(output)}"
    for _ in range(2):
        with pytest.raises(LockedError, match=line), locked(output):
            pass
    assert writer(output) == other
    lock_path(output).unlink()
    with locked(output):
        pass


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b"{}", b'{"host": 1, "machine": 2, "pid": "x", "started": 3}', b"\xff"]
)
def test_a_lock_that_names_nobody_is_not_taken(output: Path, content: bytes) -> None:
    lock_path(output).write_bytes(content)
    with (
        pytest.raises(LockedError, match="does not say who writes it; if no run does, remove that file"),
        locked(output),
    ):
        pass
    assert lock_path(output).read_bytes() == content


def test_an_empty_lock_is_of_a_run_that_was_stopped_at_once(output: Path) -> None:
    lock_path(output).touch()
    with locked(output):
        pass


def test_of_many_that_find_a_stopped_run_one_takes_over(output: Path) -> None:
    holder(output, pid=ended())
    start, inside, taken, refused = threading.Barrier(8), [], [], []

    def run() -> None:
        start.wait()
        for _ in range(20):
            try:
                with locked(output):
                    inside.append(1)
                    taken.append(len(inside))
                    inside.pop()
            except LockedError as error:
                refused.append(str(error))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) + len(refused) == 160 and set(taken) == {1}
    assert not lock_path(output).exists()


def test_a_stale_lock_is_looked_at_by_one_run_at_a_time(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")
    holder(output, pid=ended())
    real, turned, said = locks._wait_for_turn, threading.Event(), []
    monkeypatch.setattr(locks, "_wait_for_turn", lambda file: (real(file), turned.set()))

    def run() -> None:
        try:
            with locked(output):
                said.append("two writers")
        except LockedError as error:
            said.append(str(error))

    with lock_path(output).open("r+b") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        second = threading.Thread(target=run)
        second.start()
        assert not turned.wait(0.2)
        here = Owner("here", locks._machine(), os.getppid(), process_start(os.getppid()))
        first.write(json.dumps(asdict(here)).encode())
        first.truncate()
    second.join()
    assert turned.is_set() and f"process {os.getppid()} is writing it" in said[0]


def test_a_missing_file_that_is_being_written_is_not_called_interrupted(output: Path) -> None:
    partial_path(output).touch()
    with pytest.raises(FashretError, match=r"partial is there: the command that makes it was interrupted"):
        open_any(output)
    other = holder(output)
    with pytest.raises(FashretError, match=rf"no such file \(process {other.pid} on {other.host} is writing it\)"):
        open_any(output)


@pytest.mark.skipif(not locks.PROC.joinpath("self/stat").exists(), reason="no /proc")
def test_without_proc_ps_tells_when_a_process_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gone = ended()
    monkeypatch.setattr(locks, "PROC", tmp_path)
    here = process_start(os.getpid())
    assert here and process_start(gone) in ("", "unknown")
    for zone in ("UTC", "Asia/Tokyo"):
        monkeypatch.setenv("TZ", zone)
        assert process_start(os.getpid()) == here
    monkeypatch.setenv("PATH", str(tmp_path))
    assert process_start(os.getpid()) == "unknown"
