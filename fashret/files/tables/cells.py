"""Cells of tables as text, whatever wrote them: pandas keeps an empty cell as NaN, and numbers beside one as decimals.

In: values of a table of any kind. Out: text, "" for an empty cell.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fashret.console import counted, log

SHOWN = 60  # characters of a cell that a message shows
EMPTY_WORDS = ("nan", "none", "null", "<na>", "nat")  # that programs write for an empty cell
WHOLE_DECIMAL = re.compile(r"-?\d+\.0")


def cell_text(value: Any) -> str:
    """A cell as text: nothing and NaN are empty, a whole number is its digits, blanks around a text are left out.

    >>> [cell_text(value) for value in (None, float("nan"), 108775015.0, 1.5, " a ", b"b", 7)]
    ['', '', '108775015', '1.5', 'a', 'b', '7']
    """
    if isinstance(value, str):
        return value.strip()
    if value is None or value != value:  # only NaN differs from itself
        return ""
    if isinstance(value, bytes):  # text of programs that do not say so
        return value.decode("utf-8", "surrogateescape").strip()
    if isinstance(value, bool):
        return str(value)
    try:
        return str(int(value)) if value == int(value) else str(value)
    except (TypeError, ValueError, OverflowError):  # no number, or an infinite one
        return str(value).strip()


def is_blank(cell: Any) -> bool:
    """Whether a cell says nothing: empty, NaN, a word that programs write for it, or a list or object of only these.

    >>> [is_blank(cell) for cell in (None, " ", "NaN", [None, float("nan")], {"x": ""}, "0", 0, [0])]
    [True, True, True, True, True, False, False, False]
    """
    if isinstance(cell, Mapping):
        cell = list(cell.values())
    if isinstance(cell, np.ndarray):
        cell = cell.tolist()
    if isinstance(cell, list | tuple):
        return not any(isinstance(each, list | tuple | Mapping) or not is_blank(each) for each in cell)
    text = cell_text(cell)
    return not text or text.lower() in EMPTY_WORDS


def shown_cell(value: Any) -> str:
    """A cell as a message of one line shows it, cut short.

    >>> shown_cell("a" * 100) == "'" + "a" * 58 + "…"
    True
    """
    text = repr(value[: 2 * SHOWN] if isinstance(value, str | bytes | list) else value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def identities(path: Path, column: str, texts: Sequence[str]) -> list[str]:
    """A column of names as its author meant it: whole numbers that were written as decimals are whole numbers.

    That is so where every cell is one, or empty: a column of "1.0" and "1.1" is left as it is. Names that programs
    write for an empty cell are kept, and said with their number.
    """
    names = list(texts)
    filled = [name for name in names if name]
    if filled and all(map(WHOLE_DECIMAL.fullmatch, filled)):
        log.info(
            "%s: %s: %s as %s is read as %s",
            path,
            column,
            counted(len(filled), "cell such", "cells such"),
            filled[0],
            filled[0][:-2],
        )
        names = [name[:-2] for name in names]
    words = Counter(name for name in filled if name.lower() in EMPTY_WORDS)
    for word, count in words.items():
        log.warning(
            "%s: %s the %s %s; leave the cell empty if there is none",
            path,
            counted(count, "row has", "rows have"),
            column,
            word,
        )
    return names
