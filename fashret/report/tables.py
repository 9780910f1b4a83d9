"""A table of scores, and the forms it is printed in.

In: `Table`, whose cells are names, counts and `Score`s. Out: the same table as JSON, CSV, Markdown and LaTeX;
`fashret.terminal` prints it on a terminal. Names come from data and are escaped for each form; numbers in JSON and CSV
are not rounded.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from fashret.errors import visible

LONGEST_NAME = 48  # characters of a name that the terminal, Markdown and LaTeX show
NOTHING = "–"  # a score that is not defined because there are no queries
FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # how text begins that spreadsheets take for a formula
FORMS = ("json", "csv", "markdown", "latex")


@dataclass(frozen=True)
class Score:
    """A share from 0 to 1, or the difference of two, shown in percent.

    Attributes
    ----------
    value
        NaN where it is not defined: no query to average over.
    low, high
        Ends of its 95 % interval; NaN where none was computed.
    change
        It is a difference: shown with its sign.
    best
        It is the best of its column: shown in bold.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    change: bool = False
    best: bool = False

    def __str__(self) -> str:
        """The score in percent, one decimal.

        >>> str(Score(0.5478)), str(Score(-0.0213, change=True)), str(Score(float("nan")))
        ('54.8', '−2.1', '–')
        """
        if math.isnan(self.value):
            return NOTHING
        text = f"{100 * self.value:+.1f}" if self.change else f"{100 * self.value:.1f}"
        return text.replace("-", "−")

    @property
    def interval(self) -> str:
        """The 95 % interval in percent, empty if there is none.

        >>> Score(0.5, 0.45, 0.552).interval
        '45.0–55.2'
        """
        if math.isnan(self.low) or math.isnan(self.high):
            return ""
        low, high = (str(Score(end, change=self.change)) for end in (self.low, self.high))
        return f"{low}…{high}" if self.change else f"{low}–{high}"


Cell = Score | str | int


@dataclass(frozen=True)
class Table:
    """Rows of cells under a title.

    Attributes
    ----------
    name
        Short name, for files and scripts.
    columns
        Heading of each column; no two alike.
    sections
        Positions of the rows above which a line is drawn.
    notes
        Definitions and counts that belong to the numbers, one sentence each.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    sections: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def printable(name: str, longest: int = LONGEST_NAME) -> str:
    r"""A name as one line that cannot steer the terminal: what is not seen is escaped, the middle cut out if long.

    >>> print(printable("a\x1b[31m\nb"), printable("abcdefghij", 7))
    a\x1b[31m\nb abc…hij
    """
    text = visible(name.strip(" "))
    if len(text) <= longest:
        return text
    half = (longest - 1) // 2
    return f"{text[: longest - 1 - half]}…{text[-half:]}"


def cell_text(cell: Cell) -> str:
    """A cell as plain text, with its interval in brackets behind it."""
    if isinstance(cell, Score):
        return f"{cell} ({cell.interval})" if cell.interval else str(cell)
    return f"{cell:,}" if isinstance(cell, int) else printable(cell)


def is_number(table: Table, column: int) -> bool:
    """Whether a column holds numbers, perhaps with a word in place of some: it is then right-aligned."""
    return column > 0 and any(not isinstance(row[column], str) for row in table.rows)


# --- for scripts ---


def to_json(table: Table) -> dict[str, Any]:
    """The table as plain values: shares from 0 to 1, None where undefined, `<column> low`, `<column> high` beside."""
    keys = script_columns(table)
    rows = [dict(zip(keys, cells, strict=True)) for cells in script_rows(table)]
    return {"name": table.name, "title": table.title, "rows": rows, "notes": list(table.notes)}


def to_csv(table: Table, formulas: bool = False) -> str:
    """The table as CSV with a heading, its name before every row; an undefined score is an empty cell.

    Text that a spreadsheet would run as a formula gets an apostrophe before it, unless `formulas` are let through.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    for row in (script_columns(table), *script_rows(table)):
        first = "table" if not stream.tell() else table.name
        writer.writerow([csv_cell(cell, formulas) for cell in (first, *row)])
    return stream.getvalue()


def csv_cell(cell: Any, formulas: bool = False) -> Any:
    r"""The cell as text for a spreadsheet; numbers as they are. (Python's writer leaves carriage returns unquoted.)

    >>> [csv_cell(cell) for cell in ("=1+1", "tops", -0.5, None)]
    ["'=1+1", 'tops', -0.5, None]
    """
    if not isinstance(cell, str):
        return cell
    guard = "'" if cell.startswith(FORMULAS) and not formulas else ""
    return guard + cell.replace("\r", r"\r")


def script_columns(table: Table) -> list[str]:
    """Headings of JSON and CSV: a column with intervals has two more for their ends."""
    names = []
    for i, column in enumerate(table.columns):
        names += [column, f"{column} low", f"{column} high"] if has_intervals(table, i) else [column]
    return names


def script_rows(table: Table) -> Iterator[list[Any]]:
    """Plain values of each row, under `script_columns`."""
    wide = [has_intervals(table, i) for i in range(len(table.columns))]
    for row in table.rows:
        values: list[Any] = []
        for cell, with_ends in zip(row, wide, strict=True):
            ends = (cell.low, cell.high) if isinstance(cell, Score) else (math.nan, math.nan)
            values.append(_defined(cell.value) if isinstance(cell, Score) else cell)
            values += [_defined(end) for end in ends] if with_ends else []
        yield values


def has_intervals(table: Table, column: int) -> bool:
    """Whether any score of a column has an interval."""
    return any(isinstance(row[column], Score) and row[column].interval for row in table.rows)  # type: ignore[union-attr]


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


# --- for papers and pages ---


def to_markdown(table: Table) -> str:
    """The table in GitHub's Markdown, the best of a column in bold."""
    lines = [f"**{_markdown(table.title)}**", ""]
    lines.append("| " + " | ".join(_markdown(column) for column in table.columns) + " |")
    lines.append("|" + "|".join(" ---: " if is_number(table, i) else " --- " for i in range(len(table.columns))) + "|")
    for row in table.rows:
        cells = (_bold(cell, _markdown(cell_text(cell)), "**{}**") for cell in row)
        lines.append("| " + " | ".join(cells) + " |")
    notes = [f"{_markdown(note)}  " for note in table.notes]
    return "\n".join([*lines, *([""] if notes else []), *notes]) + "\n"


def _bold(cell: Cell, text: str, bold: str) -> str:
    return bold.format(text) if isinstance(cell, Score) and cell.best else text


def _markdown(text: str) -> str:
    escaped = re.sub(r"([\\`*_\[\]|~])", r"\\\1", text)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
    "–": "--",
    "Δ": r"$\Delta$",
    "×": r"$\times$",
    "→": r"$\rightarrow$",
    "≤": r"$\leq$",
    "…": r"\dots{}",
} | {c: "\\" + c for c in "&%$#_{}"}


def to_latex(table: Table) -> str:
    """The table as a LaTeX `table` for the package booktabs."""
    kinds = "".join("r" if is_number(table, i) else "l" for i in range(len(table.columns)))
    lines = [r"\begin{table}", r"\centering", rf"\begin{{tabular}}{{{kinds}}}", r"\toprule"]
    lines += [" & ".join(_latex(column) for column in table.columns) + r" \\", r"\midrule"]
    for i, row in enumerate(table.rows):
        lines += [r"\midrule"] if i in table.sections else []
        cells = " & ".join(_bold(c, _latex(cell_text(c)), r"\textbf{{{}}}") for c in row)
        lines.append((f"{{}}{cells}" if cells.startswith(("[", "*")) else cells) + r" \\")  # else an argument of \\
    title = [] if table.notes and table.notes[0].startswith(table.title) else [table.title.rstrip(".") + "."]
    caption = " ".join([*title, *table.notes])
    lines += [r"\bottomrule", r"\end{tabular}", rf"\caption{{{_latex(caption)}}}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def _latex(text: str) -> str:
    return "".join(LATEX.get(c, c) for c in text)


def write_tables(tables: Sequence[Table], form: str) -> str:
    """Several tables as one text in one of `FORMS` but JSON, whose values `to_json` gives."""
    return "\n".join(WRITERS[form](table) for table in tables)


WRITERS: dict[str, Callable[[Table], str]] = {
    "csv": to_csv,
    "csv with formulas": partial(to_csv, formulas=True),
    "markdown": to_markdown,
    "latex": to_latex,
}
