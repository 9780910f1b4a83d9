"""Cells as text, as their author meant them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fashret.files.tables.cells import SHOWN, cell_text, identities, shown_cell


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, ""), (float("nan"), ""), (np.float32("nan"), ""), ("", ""), ("  ", ""), (" p 1\t", "p 1"), (7, "7"),
        (108775015.0, "108775015"), (np.float32(8), "8"), (-0.0, "0"), (1.5, "1.5"), (1e15, "1000000000000000"),
        (float("inf"), "inf"), (True, "True"), (Decimal("5.00"), "5"), (Decimal("5.25"), "5.25"),
        (b" caf\xc3\xa9", "café"), (date(2024, 5, 1), "2024-05-01"), (2**70, str(2**70)),
    ],
)  # fmt: skip
def test_a_cell_is_the_text_that_its_author_meant(cell: Any, text: str) -> None:
    assert cell_text(cell) == text


def test_what_a_message_shows_is_short_and_one_line() -> None:
    for value in ("a\nb", "x" * 10**6, b"x" * 10**6, ["a"] * 10**6, {"a": "b" * 100}, None, 5):
        assert len(shown_cell(value)) <= SHOWN and "\n" not in shown_cell(value)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["5.0", "", "17.0"], ["5", "", "17"]),
        (["1.0", "1.1", ""], ["1.0", "1.1", ""]),  # versions
        (["1.0", "x"], ["1.0", "x"]),
        (["1.00"], ["1.00"]),
        (["", ""], ["", ""]),
        (["-3.0"], ["-3"]),
        (["5", "17.0"], ["5", "17.0"]),
    ],
)
def test_whole_numbers_written_as_decimals(texts: list[str], expected: list[str]) -> None:
    assert identities(Path("a.csv"), "product", texts) == expected


def test_words_for_an_empty_cell_are_kept_and_said(caplog: pytest.LogCaptureFixture) -> None:
    assert identities(Path("a.csv"), "product", ["nan", "p", "nan", "None"]) == ["nan", "p", "nan", "None"]
    assert "a.csv: 2 rows have the product nan; leave the cell empty if there is none" in caplog.text
    assert "a.csv: 1 row has the product None" in caplog.text
