"""The rows that did not get into an output are named beside it, as long as there are any."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.files.record_log import Record, RecordLog, Status
from fashret.files.row_errors import check_errors, errors_path, left_out_lines, limit_passed, none_read, write_errors
from fashret.files.tables.manifests import LeftOut


def test_the_rows_of_the_last_run_are_named(tmp_path: Path) -> None:
    output = tmp_path / "a.crops.h5"
    path = tmp_path / "a.crops.h5.errors.jsonl"
    assert errors_path(output) == path
    for rows in ([{"row": 3, "reason": "Größe"}, {"row": 5, "box": None}], [{"row": 5}]):
        write_errors(output, rows)
        lines = path.read_text(encoding="utf-8").splitlines()
        assert [json.loads(line) for line in lines] == rows
        assert "\\u" not in lines[0]
    write_errors(output, [])
    write_errors(output, [])
    assert list(tmp_path.iterdir()) == []


def log_of(path: Path, reasons: list[str]) -> RecordLog:
    log = RecordLog(path, len(reasons), {})
    log.append([Record(row, Status.FAILED, reason.encode()) for row, reason in enumerate(reasons)])
    return log


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ([0], "shop: its only photo was not found; is --root right?; the first: 0.jpg: why"),
        ([1], "shop: its only photo could not be used; the first: 0.jpg: why"),
        ([0, 0], "shop: none of its 2 photos was found; is --root right?; the first: 0.jpg: why"),
        ([1, 1], "shop: none of its 2 photos could be used; the first: 0.jpg: why"),
        ([0, 1, 0], "shop: none of its 3 photos could be used (1 found, 2 not); the first: 0.jpg: why"),
    ],
)
def test_photos_that_are_not_found_are_told_from_damaged_ones(tmp_path: Path, there: list[int], said: str) -> None:
    sources = np.array([f"{row}.jpg" for row in range(len(there))], object)
    with log_of(tmp_path / "a.spool", ["why"] * len(there)) as log:
        assert none_read("shop", sources, np.array(there, bool), [log]) == said


def test_too_many_failures_end_a_run_with_the_first_reason(tmp_path: Path) -> None:
    sources = np.array(["a.jpg", "b.jpg"], object)
    with log_of(tmp_path / "a.spool", ["is empty", "is torn"]) as log:
        check_errors(tmp_path / "a.h5", sources, log, 1.0)
        with pytest.raises(FashretError, match=r"^2 of 2 crops .* --max-errors 0.5; the first: a.jpg: is empty; all: "):
            check_errors(tmp_path / "a.h5", sources, log, 0.5)


@pytest.mark.parametrize(("reasons", "hint"), [(["no such photo"] * 3, True), (["no such photo", "is torn"], False)])
def test_where_no_photo_at_all_is_found_the_root_may_be_wrong(tmp_path: Path, reasons: list[str], hint: bool) -> None:
    with log_of(tmp_path / "a.spool", reasons) as log, pytest.raises(FashretError) as caught:
        check_errors(tmp_path / "a.h5", np.array([f"{i}.jpg" for i in range(len(reasons))], object), log, 0.5)
    assert ("; is --root right?; the first: 0.jpg: no such photo" in str(caught.value)) is hint


def test_files_that_are_not_listed_are_one_line_per_ending_and_reason() -> None:
    assert left_out_lines([LeftOut(".txt", "no photo", 3, "a/b.txt")]) == [
        {"source": "a/b.txt", "status": "left out", "reason": "no photo", "ending": ".txt", "files": 3}
    ]


@pytest.mark.parametrize(
    ("failed", "photos", "rows", "share", "passed"),
    [
        (10, 10, 20, None, False), (11, 11, 20, None, True), (11, 11, 1100, None, False), (12, 12, 1100, None, True),
        (50, 10, 60, None, False), (1, 1, 20, 0.0, True), (0, 0, 20, 0.0, False), (5, 5, 20, 0.25, False),
        (6, 6, 20, 0.25, True), (20, 20, 20, 1.0, False),
    ],
)  # fmt: skip
def test_the_limit_is_the_larger_of_a_share_and_ten_photos(
    failed: int, photos: int, rows: int, share: float | None, passed: bool
) -> None:
    assert bool(limit_passed([f"{i % max(photos, 1)}.jpg" for i in range(failed)], rows, share)) is passed
