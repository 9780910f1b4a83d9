"""Tables of scores on a terminal, made to fit its width.

In: an `Evaluation` with `fashret.report.tables.Table`s, or one table. Out: rich's tables; what there is no room for is
left out and named below them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fashret.console import counted
from fashret.report.tables import Cell, Score, Table, cell_text, has_intervals, is_number
from fashret.terminal.text import lines, one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable

    from fashret.report.evaluation import Evaluation

MOST_ROWS = 40  # categories that are shown
DROPPED_FIRST = ("Acc@5", "Acc@10", "Acc@50", "Acc@20")  # measures left out, in this order, where it is narrow


def evaluation(result: Evaluation, console: Console) -> Iterator[Any]:
    """The tables, in the form that was asked for, and where the report is."""
    for table in result.tables:
        yield fitted(table, console)
    if result.report:
        yield one_line(f"Report: {result.report}")


def to_rich(table: Table, intervals: bool = True) -> RichTable:
    """The table for a terminal; intervals are in a second, dim line."""
    from rich import box
    from rich.table import Table as RichTable

    shown = RichTable(title=one_line(table.title, "bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(table.columns):
        number = is_number(table, i)
        heading = column.rsplit(" ", 1) if number else [column]
        shown.add_column(lines(*heading), justify="right" if number else "left", no_wrap=number or i > 0)
    for i, row in enumerate(table.rows):
        shown.add_row(*(_rich_cell(cell, intervals) for cell in row), end_section=i + 1 in table.sections)
    if table.notes:
        shown.caption, shown.caption_justify = lines(*table.notes, style="dim"), "left"
    return shown


def _rich_cell(cell: Cell, intervals: bool) -> Any:

    if not isinstance(cell, Score):
        return one_line(cell_text(cell))
    style = "bold green" if cell.best else "" if not cell.change else "green" if cell.value > 0 else "red"
    text = one_line(str(cell), "dim" if math.isnan(cell.value) else style)
    return text.append(f"\n{cell.interval}", "dim not bold") if intervals and cell.interval else text


def fitted(table: Table, console: Console) -> RichTable:
    """`to_rich`, made to fit: with fewer k, then without intervals, and never more than `MOST_ROWS` rows.

    What is left out is named under the table; the other forms leave out nothing.
    """
    table = _shortened(table)
    wide = console.options.update(max_width=10_000)
    for intervals, drop in _narrower(table):
        shown = to_rich(_without(table, drop, intervals), intervals)
        if console.measure(shown, options=wide).minimum <= console.width:
            break
    return shown


def _narrower(table: Table) -> Iterator[tuple[bool, tuple[str, ...]]]:
    """Ways to show a table, each narrower: with its intervals or not, and the measures that are left out."""
    yield True, ()
    if {"Acc@1", "Acc@20"} <= set(table.columns):  # the paper's measures and how sure they are come before more k
        yield from ((True, DROPPED_FIRST[:n]) for n in range(1, len(DROPPED_FIRST)))
    yield from ((False, DROPPED_FIRST[:n]) for n in range(len(DROPPED_FIRST) + 1))


def _without(table: Table, measures: Sequence[str], intervals: bool) -> Table:
    """The same without the columns of some measures, and the note that says so."""
    kept = [i for i, column in enumerate(table.columns) if column.split(" ")[0] not in measures]
    there = {column.split(" ")[0] for column in table.columns}
    gone = [measure for measure in measures if measure in there]
    gone += ["the intervals"] if not intervals and any(has_intervals(table, i) for i in kept) else []
    note = (f"Left out to fit the width: {', '.join(gone)}; --json and --csv have all.",) if gone else ()
    return replace(
        table,
        columns=tuple(table.columns[i] for i in kept),
        rows=tuple(tuple(row[i] for i in kept) for row in table.rows),
        notes=table.notes + note,
    )


def _shortened(table: Table) -> Table:
    """The same with at most `MOST_ROWS` rows of the first section; what follows it stays."""
    body = table.sections[0] if table.sections else len(table.rows)
    if body <= MOST_ROWS:
        return table
    note = f"{counted(body - MOST_ROWS, 'more row is', 'more rows are')} not shown; --json and --csv have all."
    sections = tuple(s - body + MOST_ROWS for s in table.sections)
    return replace(
        table, rows=table.rows[:MOST_ROWS] + table.rows[body:], sections=sections, notes=(*table.notes, note)
    )
