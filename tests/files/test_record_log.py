"""The log of finished rows: what was appended is read back, and what a kill cut off is not."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashret.errors import FashretError
from fashret.files import json_text
from fashret.files.record_log import HEAD, Record, RecordLog, Status, noted_if_interrupted, open_log, task_of
from fashret.files.resume import changes

TASK = {"rows": 9, "options": {"size": 320}, "columns": {"box": "1f"}}
RECORDS = st.lists(
    st.builds(Record, st.integers(0, 8), st.sampled_from(list(Status)[1:]), st.binary(max_size=20)), max_size=4
)


def contents(log: RecordLog) -> dict[int, tuple[int, bytes]]:
    return {i: (int(log.status[i]), log.read(i)) for i in range(9) if log.status[i]}


@settings(max_examples=60)
@given(blocks=st.lists(RECORDS, max_size=4), data=st.data())
def test_a_log_cut_anywhere_holds_its_whole_blocks(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[list[Record]], data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "a.spool"
    path.unlink(missing_ok=True)
    ends = []
    with RecordLog(path, 9, TASK) as log:
        ends.append(path.stat().st_size)
        for block in blocks:
            log.append(block)
            ends.append(path.stat().st_size)
    cut = data.draw(st.integers(ends[0], ends[-1]))
    torn = data.draw(st.booleans())
    whole = path.read_bytes()
    left = whole[:cut] + (b"\0" * (len(whole) - cut) if torn else b"")  # a block of which a part was written
    path.write_bytes(left)
    kept = max(i for i, end in enumerate(ends) if left[:end] == whole[:end])  # zeros may be what was written
    expected = {r.row: (int(r.status), r.data) for block in blocks[:kept] for r in block}
    with RecordLog(path, 9, TASK, resume=True) as log:
        found = contents(log)
        assert found == expected
        log.append([Record(8, Status.DONE, b"new")])
    with RecordLog(path, 9, TASK, resume=True) as log:
        assert contents(log) == {**found, 8: (1, b"new")}


@pytest.mark.parametrize(
    ("rows", "lengths", "size"),
    [([9], [3], 3), ([-1], [3], 3), ([0], [-3], 3), ([0], [4], 3), ([0, 1], [2**62, 2**62], 3), ([0], [3], 1 << 60)],
)
def test_a_block_that_cannot_be_ends_what_is_kept(
    tmp_path: Path, rows: list[int], lengths: list[int], size: int
) -> None:
    path = tmp_path / "a.spool"
    with RecordLog(path, 9, TASK) as log:
        log.append([Record(5, Status.DONE, b"sound")])
    sound = path.stat().st_size
    numbers = [struct.pack(f"<{len(rows)}q", *values) for values in (rows, lengths)]
    payload = numbers[0] + bytes([1] * len(rows)) + numbers[1] + b"abc"
    claimed = len(payload) if size == 3 else size
    with path.open("ab") as file:
        file.write(HEAD.pack(b"BLOCK", claimed, zlib.crc32(payload), len(rows)) + payload)
    with RecordLog(path, 9, TASK, resume=True) as log:
        assert contents(log) == {5: (1, b"sound")} and path.stat().st_size == sound


def test_a_pipe_is_no_log_and_a_long_line_no_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "a.spool")
    with pytest.raises(FashretError, match="a.spool: is a pipe, not a file"):
        open_log(tmp_path / "a.spool", 9, TASK, resume=True, restart=False)
    monkeypatch.setattr(json_text, "LONGEST", 1 << 16)
    (tmp_path / "b.spool").touch()
    os.truncate(tmp_path / "b.spool", 1 << 40)
    assert task_of(tmp_path / "b.spool") is None


def test_a_damaged_byte_ends_what_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.spool"
    with RecordLog(path, 9, TASK) as log:
        log.append([Record(0, Status.DONE, b"first")])
        middle = path.stat().st_size
        log.append([Record(1, Status.DONE, b"second")])
        log.append([Record(2, Status.DONE, b"third")])
    data = bytearray(path.read_bytes())
    data[middle + 30] ^= 1
    path.write_bytes(data)
    with RecordLog(path, 9, TASK, resume=True) as log:
        assert contents(log) == {0: (1, b"first")}
        assert log.kept == 1
    assert path.stat().st_size == middle


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"format": "fashret.spool", "version": 1, "ta', b"[]\n", b"\x89HDF\n"]
)
def test_what_is_no_log_has_no_task_and_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.spool"
    path.write_bytes(content)
    assert task_of(path) is None
    with open_log(path, 9, TASK, resume=False, restart=False) as log:
        assert contents(log) == {}
    assert task_of(path) == TASK


def test_an_interrupted_run_is_taken_up_begun_anew_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.spool"
    with open_log(path, 9, TASK, resume=False, restart=False) as log:
        log.append([Record(3, Status.DONE, b"x")])
    with pytest.raises(FashretError, match="resume it with --resume, or start over with --restart"):
        open_log(path, 9, TASK, resume=False, restart=False)
    with open_log(path, 9, TASK, resume=True, restart=False) as log:
        assert log.kept == 1
    with pytest.raises(FashretError, match="rows 9 → 8.*--restart"):
        open_log(path, 8, {**TASK, "rows": 8}, resume=True, restart=False)
    with open_log(path, 9, TASK, resume=False, restart=True) as log:
        assert log.kept == 0 and contents(log) == {}


def test_a_run_that_made_nothing_is_not_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / "a.spool"
    open_log(path, 8, {**TASK, "rows": 8}, resume=False, restart=False).close()
    with open_log(path, 9, TASK, resume=False, restart=False) as log:
        assert log.kept == 0
    assert task_of(path) == TASK


def test_rows_that_could_not_be_used_are_no_work_to_resume(tmp_path: Path) -> None:
    path = tmp_path / "a.spool"
    with pytest.raises(KeyError), open_log(path, 9, TASK, resume=False, restart=False) as log:
        log.append([Record(3, Status.FAILED, b"no such photo"), Record(4, Status.LOST, b"no such photo")])
        with noted_if_interrupted(log, "crop"):
            raise KeyError
    assert not path.exists()
    with open_log(path, 8, {**TASK, "rows": 8}, resume=False, restart=False) as log:
        log.append([Record(3, Status.FAILED, b"no such photo")])
    with open_log(path, 9, TASK, resume=True, restart=False) as log:  # killed, and run with other options
        assert log.kept == 0 and contents(log) == {}


def test_changes_are_listed_by_name() -> None:
    now = {"rows": 10, "options": {"size": 256}, "columns": {"box": "2e"}}
    assert changes(TASK, now) == ["rows 9 → 10", "--size 320 → 256", "the manifest has another box column"]
    assert changes(TASK, TASK) == []
