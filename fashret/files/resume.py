"""What every command does about an interrupted run: the rule of --resume and --restart, and where finished work is.

In: what an interrupted run left beside its output, and two tasks, its own and that of this run. A task is everything
that a result depends on, as JSON values. Out: whether this run resumes the other, or one line that says why not.

    what is there                       neither    --resume                     --restart
    nothing                             begin      begin                        begin
    finished work of the same task      refuse     resume                       discard it and begin
    finished work of another task       refuse     refuse, with what differs    discard it and begin

`crop` and `embed` keep finished rows in a log (`fashret.files.record_log`), `rerank` keeps arrays
(`fashret.files.saved_arrays`), and `train` its last checkpoint (`fashret.files.models`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from fashret.errors import FashretError
from fashret.files.digests import Content

LOG = ".spool"  # ending of the log of finished rows, and
ARRAYS = ".unfinished"  # of the arrays: neither has changed since version 0.1

DIGEST = re.compile(r"(\w+:)?[0-9a-f]{32,}")  # which tell nobody anything

Task = dict[str, Any]  # JSON values, and the `Content` of files, which is kept as its digest


def log_path(output: Path) -> Path:
    """Where the finished rows of an output are kept until it is complete."""
    return output.with_name(output.name + LOG)


def arrays_path(output: Path) -> Path:
    """Where the arrays of unfinished work are kept: not the partial file, which is lost if it cannot be completed."""
    return output.with_name(output.name + ARRAYS)


def check_flags(resume: bool, restart: bool) -> None:
    """Refuse --resume together with --restart, before any work."""
    if resume and restart:
        raise FashretError("--resume and --restart exclude each other")


def is_resumed(left: Path, found: Task | None, task: Task, *, resume: bool, restart: bool) -> bool:
    """Decide by the rule whether a run resumes an interrupted one; otherwise it begins.

    Parameters
    ----------
    left
        What the interrupted run left, for messages.
    found
        Its task; None if it left nothing that could be resumed.

    Raises
    ------
    FashretError
        If finished work would be lost, or is that of another task.
    """
    check_flags(resume, restart)
    if found is None or restart:
        return False
    check_resume_given(left, resume)
    check_same_task(left, found, task)
    return True


def check_resume_given(left: Path, resume: bool) -> None:
    """Refuse to lose finished work that nobody asked to resume."""
    if not resume:
        raise FashretError(
            f"{left} was left by an interrupted run: resume it with --resume, or start over with --restart"
        )


def check_same_task(left: Path, found: Task, task: Task) -> None:
    """Refuse to resume another task, and say what differs."""
    different = changes(found, task)
    if different:
        raise FashretError(f"{left} cannot be resumed: {'; '.join(different)}. Undo this, or start over with --restart")


def changes(before: Task, now: Task) -> list[str]:
    """What differs between two tasks, in words; `options` are named as flags, and digests are compared by one hash.

    >>> changes({"rows": 3, "options": {"size": 320}}, {"rows": 4, "options": {"size": 320}})
    ['rows 3 → 4']
    >>> changes({"options": {"size": 320}}, {"options": {"size": 256}})
    ['--size 320 → 256']
    >>> changes({"model": "sha256:" + 64 * "0"}, {"model": "sha256:" + 64 * "1"})
    ['the weights of the model differ']
    """
    different = []
    for name in before | now:
        was, value = before.get(name), now.get(name)
        if isinstance(value, Content):
            value = value.like(was)
        if was == value:
            continue
        if name == "options" and isinstance(was, dict) and isinstance(value, dict):
            pairs = {key: (was.get(key), value.get(key)) for key in was | value}
            different += [f"--{key.replace('_', '-')} {a} → {b}" for key, (a, b) in pairs.items() if a != b]
        elif name == "columns" and isinstance(was, dict) and isinstance(value, dict):
            different += [f"the manifest has another {key} column" for key in value if was.get(key) != value[key]]
        elif all(isinstance(each, str) and DIGEST.fullmatch(each) for each in (was, value)):
            different.append(
                "the weights of the model differ" if name == "model" else f"other {name.removeprefix('digest of the ')}"
            )
        else:
            different.append(f"{name} {was} → {value}")
    return different
