"""Tables of scores on terminals of any width."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fashret.report.tables import Score, Table, to_json
from fashret.stages.evaluate import Evaluation
from fashret.terminal.scores import MOST_ROWS
from tests import terminal
from tests.report.test_tables import TABLE


def printed(table: Table, width: int) -> str:
    return terminal.printed(Evaluation([table]), width)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_terminal_shows_nothing_cut_off(width):
    bags, hostile, average = TABLE.rows
    text = printed(replace(TABLE, rows=(bags, ("<b>|\x1b\n\u202e", *hostile[1:]), average)), width)
    assert max(len(line) for line in text.splitlines()) <= width
    for shown in ("bags", "54.8", "+2.1", "−2.1", "A note."):
        assert shown in text
    assert "\x1b" not in text and "\u202e" not in text and "…" not in text.replace("…+", "")


def test_a_narrow_terminal_leaves_out_whole_measures_and_says_which():
    text = printed(TABLE, 40)
    assert "33.3" not in text and "54.8" in text
    assert "Left out to fit the width: Acc@5" in " ".join(text.split())


def test_further_k_go_before_the_intervals_do():
    columns = ("Run", "Queries", "mAP", *(f"Acc@{k}" for k in (1, 5, 10, 20, 50)))
    cells = [Score(0.1 * i, 0.1 * i - 0.05, 0.1 * i + 0.05) for i in range(1, 7)]
    table = Table("runs", "Runs", columns, (("a run", 40, *cells),))
    text = " ".join(printed(table, 70).split())
    assert "5.0–15.0" in text and "45.0–55.0" in text and "25.0–35.0" not in text  # mAP and Acc@20, not Acc@5
    assert "Left out to fit the width: Acc@5, Acc@10; --json" in text
    chosen = replace(table, columns=(*columns[:3], "Acc@5", "Acc@10", "Acc@50"), rows=(table.rows[0][:6],))
    text = " ".join(printed(chosen, 50).split())
    assert "Acc@5" in text and "20.0" in text and "Left out to fit the width: the intervals;" in text


def test_the_terminal_shows_the_first_categories_of_thousands_and_the_overall_rows():
    rows = tuple((f"category {i}", 1, Score(0.5)) for i in range(3000)) + (("Average", 3000, Score(0.25)),)
    table = Table("scores", "Many", ("Category", "Queries", "mAP"), rows, (3000,))
    text = printed(table, 100)
    assert f"category {MOST_ROWS - 1}" in text and f"category {MOST_ROWS}" not in text
    assert "25.0" in text and "2,960 more rows are not shown" in text
    assert len(to_json(table)["rows"]) == 3001


def test_tables_in_another_form_are_not_wrapped() -> None:
    table = Table("scores", "S", ("Run", "mAP"), (("[b]" + "x" * 200, Score(0.5)),))
    assert Evaluation([table], "csv").text == f"table,Run,mAP\nscores,[b]{'x' * 200},0.5\n"


def test_names_are_printed_as_they_are() -> None:
    table = Table("scores", "Scores of [b]", ("Run", "mAP"), (("[i]x", Score(0.5)),))
    text = terminal.printed(Evaluation([table], report=Path("[b]/index.html")))
    assert "Scores of [b]" in text and "[i]x" in text and text.endswith("Report: [b]/index.html\n")
