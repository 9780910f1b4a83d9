"""Finished work survives: it is kept whole, taken up by the same task, and refused by another."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.files import hdf5, saved_arrays
from fashret.files.saved_arrays import open_arrays

TASK = {"inputs": ["sha256:1"], "options": {"k1": 20}}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_arrays, "SECONDS_BETWEEN", -1.0)


def test_what_was_kept_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "out.h5.unfinished"
    work = open_arrays(path, TASK, resume=False, restart=False)
    assert work.load("all") == {}
    work.offer("all", {"done": np.array(1), "rows": np.arange(3)})
    work.offer("one", {"done": np.array(5)})
    work.offer("all", {"done": np.array(2), "rows": np.arange(4)})
    again = open_arrays(path, TASK, resume=True, restart=False)
    assert int(again.load("all")["done"]) == 2 and list(again.load("all")["rows"]) == [0, 1, 2, 3]
    assert int(again.load("one")["done"]) == 5 and again.load("other") == {}
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_not_more_often_than_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_arrays, "SECONDS_BETWEEN", 1e6)
    work = open_arrays(tmp_path / "out.h5.unfinished", TASK, resume=True, restart=False)
    work.offer("all", {"done": np.array(1)})
    assert not list(tmp_path.iterdir())


def test_neither_resume_nor_restart(tmp_path: Path) -> None:
    path = tmp_path / "out.h5.unfinished"
    open_arrays(path, TASK, resume=True, restart=False).offer("all", {"done": np.array(1)})
    with pytest.raises(FashretError, match="resume it with --resume, or start over with --restart"):
        open_arrays(path, TASK, resume=False, restart=False)
    with pytest.raises(FashretError, match=r"cannot be resumed: --k1 20 → 10\."):
        open_arrays(path, {**TASK, "options": {"k1": 10}}, resume=True, restart=False)
    with pytest.raises(FashretError, match="exclude each other"):
        open_arrays(path, TASK, resume=True, restart=True)
    assert open_arrays(path, TASK, resume=False, restart=True).load("all") == {}
    assert not path.exists()


def test_a_half_written_result_is_no_finished_work(tmp_path: Path) -> None:
    path = tmp_path / "out.h5.unfinished"
    path.write_bytes(b"half")
    assert open_arrays(path, TASK, resume=False, restart=False).load("all") == {}
    with hdf5.write_whole(path, "fashret.ranking", 1):
        pass
    assert open_arrays(path, TASK, resume=True, restart=False).load("all") == {}


def test_what_no_run_left_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "out.h5.unfinished"
    with hdf5.write_whole(path, saved_arrays.KIND, 1) as file:
        hdf5.write_json(file, "task", TASK)
        file["all/rows"] = h5py.ExternalLink("other.h5", "/rows")
    for resume in (False, True):
        with pytest.raises(FashretError, match="all/rows is an external link .*, or start over with --restart"):
            open_arrays(path, TASK, resume=resume, restart=False)
    assert open_arrays(path, TASK, resume=False, restart=True).load("all") == {} and not path.exists()
    os.mkfifo(path)
    with pytest.raises(FashretError, match="out.h5.unfinished: is a pipe, not a file"):
        open_arrays(path, TASK, resume=True, restart=False)


def test_a_full_disk_does_not_stop_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise FashretError("out.h5.unfinished: the disk is full")

    work = open_arrays(tmp_path / "out.h5.unfinished", TASK, resume=False, restart=False)
    monkeypatch.setattr(work, "_save", full)
    warnings = []
    monkeypatch.setattr(saved_arrays.log, "warning", lambda text, *values: warnings.append(text % values))
    for done in range(3):
        work.offer("all", {"done": np.array(done)})
    assert warnings == ["finished work cannot be saved for --resume: out.h5.unfinished: the disk is full"]


def test_a_kill_while_keeping_leaves_the_one_before(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    class Poison:
        shape, dtype = (1,), np.dtype(float)

        def __array__(self, *_: object, **__: object) -> np.ndarray:
            raise Killed

    path = tmp_path / "out.h5.unfinished"
    work = open_arrays(path, TASK, resume=False, restart=False)
    work.offer("all", {"done": np.array(1)})
    with pytest.raises(Killed):
        work.offer("all", {"done": np.array(2), "rows": Poison()})  # type: ignore[dict-item]
    assert int(open_arrays(path, TASK, resume=True, restart=False).load("all")["done"]) == 1
