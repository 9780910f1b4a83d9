"""What `fashret evaluate` gives: tables, and the form to print them in.

In: tables, the options of forms. Out: `Evaluation`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fashret.errors import FashretError
from fashret.options import EvaluateOptions
from fashret.report.tables import Table, to_json, write_tables


@dataclass(frozen=True)
class Evaluation:
    """Tables of scores, the form to print them in ("" = for the terminal), and the page of the report."""

    tables: list[Table]
    form: str = ""
    report: Path | None = None

    @property
    def text(self) -> str:
        """The tables in their form; empty for the terminal."""
        return write_tables(self.tables, self.form) if self.form else ""

    def as_json(self) -> dict[str, Any]:
        """The same as plain values, not rounded."""
        report = {"report": str(self.report)} if self.report else {}
        return {"tables": [to_json(table) for table in self.tables], **report}


def chosen_form(options: EvaluateOptions) -> str:
    """The form that options ask for, as `write_tables` calls it. Raises FashretError if they ask for several."""
    form = [name for name in ("csv", "markdown", "latex") if getattr(options, name)]
    if len(form) > 1:
        raise FashretError(f"--{' and --'.join(form)}: choose one form to print the tables in")
    return "csv with formulas" if options.csv and options.formulas else "".join(form)
