"""`<output>.errors.jsonl`: rows and files that did not get into an output, and why, one JSON object per line.

In: what is to be said of each row. Out: the file; none where there is nothing to say.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fashret.files.atomic import whole_file
from fashret.files.manifests import LeftOut


def errors_path(output: Path) -> Path:
    """Where the rows that could not be used are named."""
    return output.with_name(output.name + ".errors.jsonl")


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
