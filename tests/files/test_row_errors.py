"""The rows that did not get into an output are named beside it, as long as there are any."""

from __future__ import annotations

import json
from pathlib import Path

from fashret.files.manifests import LeftOut
from fashret.files.row_errors import errors_path, left_out_lines, write_errors


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


def test_files_that_are_not_listed_are_one_line_per_ending_and_reason() -> None:
    assert left_out_lines([LeftOut(".txt", "no photo", 3, "a/b.txt")]) == [
        {"source": "a/b.txt", "status": "left out", "reason": "no photo", "ending": ".txt", "files": 3}
    ]
