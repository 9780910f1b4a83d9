"""What `fashret evaluate` gives, in the form that was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from fashret.errors import FashretError
from fashret.options import EvaluateOptions
from fashret.report.evaluation import Evaluation, chosen_form
from fashret.report.tables import Score, Table

TABLE = Table("scores", "Scores", ("run", "mAP"), (("=a", Score(0.5)),))


@pytest.mark.parametrize(
    ("flags", "form"),
    [
        ({}, ""),
        ({"csv": True}, "csv"),
        ({"csv": True, "formulas": True}, "csv with formulas"),
        ({"latex": True}, "latex"),
    ],
)
def test_the_form_is_the_one_asked_for(flags: dict[str, bool], form: str) -> None:
    assert chosen_form(EvaluateOptions(**flags)) == form


def test_two_forms_are_refused() -> None:
    with pytest.raises(FashretError, match="--csv and --markdown: choose one form"):
        chosen_form(EvaluateOptions(csv=True, markdown=True))


def test_tables_are_text_in_a_form_and_plain_values_in_json() -> None:
    assert Evaluation([TABLE]).text == ""
    assert "'=a,0.5" in Evaluation([TABLE], "csv").text and "\n=a" not in Evaluation([TABLE], "csv").text
    assert Evaluation([TABLE], report=Path("r/index.html")).as_json() == {
        "tables": [{"name": "scores", "title": "Scores", "rows": [{"run": "=a", "mAP": 0.5}], "notes": []}],
        "report": "r/index.html",
    }
