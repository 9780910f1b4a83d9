"""`<output>.errors.jsonl`: rows and files that did not get into an output, and why, one JSON object per line.

In: what is to be said of each row. Out: the file; none where there is nothing to say.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashret.console import counted
from fashret.errors import FashretError
from fashret.files.atomic import whole_file
from fashret.files.record_log import RecordLog, Status
from fashret.files.tables.manifests import LeftOut

NO_PHOTO = b"no such photo"  # how the reason of a `MissingPhotoError` begins
ALLOWED_SHARE, ALLOWED_PHOTOS = 0.01, 10  # that may be unreadable, whichever is more


def errors_path(output: Path) -> Path:
    """Where the rows that could not be used are named."""
    return output.with_name(output.name + ".errors.jsonl")


def limit_passed(failed: Collection[str], rows: int, max_errors: float | None) -> str:
    """Which limit so many rows without a readable photo pass, in words; "" if none.

    Parameters
    ----------
    failed
        The photo of each such row.
    rows
        How many rows there are in all.

    >>> limit_passed(["a.jpg"] * 3, 100, None), limit_passed(["a.jpg"] * 3, 100, 0.02)
    ('', 'more than --max-errors 0.02')
    """
    if max_errors is not None:
        return f"more than --max-errors {max_errors:g}" if len(failed) > max_errors * rows else ""
    if len(failed) <= ALLOWED_SHARE * rows or len(set(failed)) <= ALLOWED_PHOTOS:
        return ""
    return f"more than {ALLOWED_SHARE:.0%} and than {ALLOWED_PHOTOS} photos (--max-errors SHARE allows more)"


def errors_there(output: Path) -> Path | None:
    """The file that names them, if there are any."""
    path = errors_path(output)
    return path if path.exists() else None


def check_errors(
    output: Path,
    sources: NDArray[np.object_],
    done: RecordLog,
    max_errors: float | None,
    *,
    unit: str = "crop",
    verb: str = "made",
) -> None:
    """End a run of which too many rows failed: crops that cannot be made, photos that cannot be read.

    Raises
    ------
    FashretError
        With the number, the limit, and the first reason.
    """
    failed = np.flatnonzero(done.status == Status.FAILED)
    if passed := limit_passed(sources[failed], len(sources), max_errors):
        nowhere = not done.count(Status.DONE) and all(done.read(int(row)).startswith(NO_PHOTO) for row in failed)
        raise FashretError(
            f"{len(failed):,} of {counted(len(sources), unit)} cannot be {verb}, {passed}"
            f"{'; is --root right?' if nowhere else ''}{_first_reason(sources, [done])}; all: {errors_path(output)}"
        )


def none_read(name: str, sources: NDArray[np.object_], there: NDArray[np.bool_], logs: Iterable[RecordLog]) -> str:
    """What to say where nothing could be used: how many photos were found at all, and the first reason.

    Parameters
    ----------
    sources, there
        The photo of each row, and whether there is one of that name.
    """
    photos, found, first = len(set(sources)), len(set(sources[there])), _first_reason(sources, logs)
    if not found:
        said = f"none of its {photos:,} photos was found" if photos > 1 else "its only photo was not found"
        return f"{name}: {said}; is --root right?{first}"
    said = f"none of its {photos:,} photos could be used" if photos > 1 else "its only photo could not be used"
    missing = f" ({found:,} found, {photos - found:,} not)" if found < photos else ""
    return f"{name}: {said}{missing}{first}"


def _first_reason(sources: NDArray[np.object_], logs: Iterable[RecordLog]) -> str:
    wrong = [(int(row), each) for each in logs for row in np.flatnonzero(each.status > Status.DONE)[:1]]
    return f"; the first: {sources[wrong[0][0]]}: {wrong[0][1].read(wrong[0][0]).decode()}" if wrong else ""


def left_out_lines(left_out: Iterable[LeftOut]) -> list[dict[str, Any]]:
    """What is to be said of files that are not listed: one line per ending and reason."""
    return [
        {"source": each.first, "status": "left out", "reason": each.reason, "ending": each.ending, "files": each.count}
        for each in left_out
    ]


def write_errors(output: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Name the rows of an output that could not be used, in place of those of an earlier run."""
    path = errors_path(output)
    if not rows:
        path.unlink(missing_ok=True)
        return
    with whole_file(path) as part, part.open("w", encoding="utf-8") as stream:
        for row in rows:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
