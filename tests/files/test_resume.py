"""The rule of --resume and --restart, and what every command says about an interrupted run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import fashret
from fashret.errors import FashretError
from fashret.files.resume import arrays_path, changes, check_flags, is_resumed, log_path

LEFT = Path("out.h5.spool")
TASK = {"rows": 9, "options": {"size": 320}, "columns": {"box": "1f"}}
OTHER = {**TASK, "rows": 8}
REFUSED = "out.h5.spool was left by an interrupted run: resume it with --resume, or start over with --restart"
DIFFERS = r"out.h5.spool cannot be resumed: rows 8 → 9\. Undo this, or start over with --restart"


@pytest.mark.parametrize(
    ("found", "flags", "expected"),
    [
        (None, (False, False), False),
        (None, (True, False), False),
        (None, (False, True), False),
        (TASK, (False, False), REFUSED),
        (TASK, (True, False), True),
        (TASK, (False, True), False),
        (OTHER, (False, False), REFUSED),
        (OTHER, (True, False), DIFFERS),
        (OTHER, (False, True), False),
        (None, (True, True), "--resume and --restart exclude each other"),
        (TASK, (True, True), "--resume and --restart exclude each other"),
    ],
)
def test_the_rule(found: dict | None, flags: tuple[bool, bool], expected: bool | str) -> None:
    resume, restart = flags
    if isinstance(expected, str):
        with pytest.raises(FashretError, match=expected):
            is_resumed(LEFT, found, TASK, resume=resume, restart=restart)
    else:
        assert is_resumed(LEFT, found, TASK, resume=resume, restart=restart) is expected


def test_the_flags_exclude_each_other_before_any_work() -> None:
    for flags in ((False, False), (True, False), (False, True)):
        check_flags(*flags)
    with pytest.raises(FashretError, match="--resume and --restart exclude each other"):
        check_flags(True, True)


def test_changes_are_listed_by_name() -> None:
    now = {"rows": 10, "options": {"size": 256}, "columns": {"box": "2e"}}
    assert changes(TASK, now) == ["rows 9 → 10", "--size 320 → 256", "the manifest has another box column"]
    assert changes(TASK, TASK) == []


def test_what_only_one_of_two_tasks_has_is_a_change() -> None:
    before, now = {"root": "a", "options": {"quality": 95, "size": 9}}, {"options": {"size": 9, "per_query": True}}
    assert changes(before, now) == ["root a → None", "--quality 95 → None", "--per-query None → True"]


def test_what_is_left_is_beside_the_output() -> None:
    assert [str(path(Path("x/out.h5"))) for path in (log_path, arrays_path)] == [
        "x/out.h5.spool",
        "x/out.h5.unfinished",
    ]


def test_the_rule_is_stated_once() -> None:
    package = Path(fashret.__file__).parent
    said = re.compile(r"exclude each other\"\)|left by an interrupted run|cannot be resumed:")
    found = [
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if said.search(line) and "--centroids" not in line and "--model" not in line
    ]
    assert found == ["files/resume.py"] * 3
