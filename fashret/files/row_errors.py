"""`<output>.errors.jsonl`: the rows that did not get into an output, and why, one JSON object per line.

In: what is to be said of each row. Out: the file; none where there is nothing to say.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fashret.files.atomic import whole_file


def errors_path(output: Path) -> Path:
    """Where the rows that could not be used are named."""
    return output.with_name(output.name + ".errors.jsonl")


def write_errors(output: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Name the rows of an output that could not be used, in place of those of an earlier run."""
    path = errors_path(output)
    if not rows:
        path.unlink(missing_ok=True)
        return
    with whole_file(path) as part, part.open("w", encoding="utf-8") as stream:
        for row in rows:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
