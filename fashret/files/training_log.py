"""log.csv of a model folder: one line per epoch, counted from 1.

In: what an epoch gave, as names and numbers. Out: the file, always with the same columns, and its lines again.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fashret.errors import FashretError
from fashret.files.atomic import output_errors, whole_file


class TrainingLog:
    """A log that grows by one line per epoch; numbers that an epoch does not have stay empty."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path = path
        self.columns = list(columns)

    def begin(self, step: int = 0) -> None:
        """Begin the file; of an earlier run, keep the lines up to a step."""
        lines = read_log(self.path) if step and self.path.exists() else []
        kept = [line for line in lines if int(line["step"]) <= step]
        cells = [self.columns, *([line.get(name) or "" for name in self.columns] for line in kept)]
        text = "".join(",".join(line) + "\n" for line in cells)
        with whole_file(self.path) as part:
            part.write_text(text, encoding="utf-8")

    def append(self, values: Mapping[str, Any]) -> None:
        """Append one line; the operating system has it when this returns."""
        cells = [f"{value:.8g}" if isinstance(value, float) else str(value) for value in
                 (values.get(name, "") for name in self.columns)]  # fmt: skip
        with output_errors(self.path), self.path.open("a", encoding="utf-8") as stream:
            stream.write(",".join(cells) + "\n")


def read_log(path: Path) -> list[dict[str, str]]:
    """Lines of a log.csv, by column.

    Raises
    ------
    FashretError
        If it is missing or has lines without a step.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            lines = list(csv.DictReader(stream))
            if any(not re.fullmatch(r"\d{1,15}", line.get("step") or "") for line in lines):
                raise ValueError
    except (OSError, UnicodeDecodeError, ValueError):
        raise FashretError(f"{path}: is missing or no log of a training run") from None
    return lines
