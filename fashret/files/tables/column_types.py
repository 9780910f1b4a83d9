"""Further columns of a table: their types, found from the cells of a CSV, or told by Parquet.

In: cells. Out: columns of `fashret.files.further_columns`. In a CSV a column whose cells, but for the empty ones, are

    whole numbers                   is integer; with leading zeros (00123), a plus, or more than 64 bits it is text
    whole numbers and decimals      is number (1.5, .5, 1e-05; a comma is none)
    true and false                  is boolean
    dates of ISO 8601               is date: 2026-11-29, perhaps with the time of day
    anything else                   is text

A cell is empty, too, if it is what programs write for one (nan, none, null), where it would be no value of its column's
type; a text may be that.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fashret.console import log
from fashret.files.columns import text_array
from fashret.files.further_columns import KINDS, UNSTORABLE, FurtherColumn, iso_date, name_fault
from fashret.files.tables.cells import EMPTY_WORDS, cell_text
from fashret.files.tables.parquet import attempt, open_table, read_columns, read_stored

MOST = 500  # further columns of a table
NAMED = 5  # that a message names
INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,18})")
DECIMAL = (
    re.compile(  # a whole number only while float64 holds all of its digits; an exponent only as programs write it
        r"-?(0|[1-9][0-9]{0,14}|(0|[1-9][0-9]*)?\.[0-9]+([eE][+-]?[0-9]+)?|(0|[1-9][0-9]*)\.|[1-9][eE][+-][0-9]+)"
    )
)
TRUTH = {"true": True, "false": False}

Parse = Callable[[str], Any]  # a cell → its value, None if it is none of the type


def _integer(cell: str) -> int | None:
    if INTEGER.fullmatch(cell) is None:
        return None
    value = int(cell)
    return value if -(2**63) < value < 2**63 else None  # −2^63 is null


def _number(cell: str) -> float | None:
    if DECIMAL.fullmatch(cell) is None:
        return None
    value = float(cell)
    return value if math.isfinite(value) else None


TYPES: dict[str, Parse] = {  # in the order in which they are tried
    "integer": _integer,
    "number": _number,
    "boolean": lambda cell: TRUTH.get(cell.lower()),
    "date": iso_date,
}


def column_of(cells: Sequence[str]) -> FurtherColumn:
    """A column of a CSV, in the first type that all its cells have.

    >>> [column_of(cells).kind for cells in (["1", ""], ["1", "2.5"], ["True"], ["2026-11-29"], ["00123"], ["", "nan"])]
    ['integer', 'number', 'boolean', 'date', 'text', 'empty']
    """
    if not any(_filled(cells)):
        return FurtherColumn.of_nulls("empty", len(cells))
    for kind, parse in TYPES.items():
        if all(parse(cell) is not None for cell in _filled(cells)):
            null = KINDS[kind].null
            values = (parse(cell) for cell in cells)
            kept = [null if value is None else value for value in values]
            return FurtherColumn(kind, text_array(kept) if kind == "date" else np.array(kept, KINDS[kind].stored))
    return FurtherColumn("text", text_array(cells))


def _filled(cells: Sequence[str]) -> Iterator[str]:
    return (cell for cell in cells if cell and cell.lower() not in EMPTY_WORDS)


def further_names(path: Path, names: Sequence[str], known: Collection[str]) -> list[str]:
    """The names of a table's further columns; those that cannot be kept are left out with a message.

    Parameters
    ----------
    names
        Of all its columns, as they are written.
    known
        Names in lower case of columns that mean something.
    """
    kept: list[str] = []
    left_out: dict[str, str] = {}
    for name in (name.strip() for name in names):
        if not name or name.lower() in known:
            continue
        fault = name_fault(name) or (f"is one of more than {MOST}" if len(kept) == MOST else "")
        if fault:
            left_out[name] = fault
        else:
            kept.append(name)
    _warn(path, left_out, "rename them to keep them")
    return kept


def csv_columns(path: Path, cells: Mapping[str, Sequence[str]]) -> dict[str, FurtherColumn]:
    """Further columns of a CSV, whose cells are stripped text."""
    return _said(path, {name: column_of(_sound(path, name, column)) for name, column in cells.items()})


def parquet_columns(path: Path, names: Sequence[str]) -> dict[str, FurtherColumn]:
    """Further columns of a Parquet table, in the types that it says; each is read by itself."""
    schema = open_table(path).schema_arrow
    written = {name.strip(): name for name in schema.names}
    found: dict[str, FurtherColumn] = {}
    left_out: dict[str, str] = {}
    for name in names:
        kind = _kind_of_arrow(schema.field(written[name]).type)
        if kind is None:
            left_out[name] = f"is {str(schema.field(written[name]).type)[:40]}"
        else:
            found[name] = _of_parquet(path, written[name], kind)
    _warn(path, left_out, "cells that are kept are texts, numbers, booleans or dates")
    return _said(path, found)


def _kind_of_arrow(kind: Any) -> str | None:
    from pyarrow import types

    if types.is_dictionary(kind):
        return _kind_of_arrow(kind.value_type)
    if types.is_decimal(kind):
        return "number" if kind.scale > 0 else "integer"
    tests = {
        "empty": (types.is_null,),
        "boolean": (types.is_boolean,),
        "integer": (types.is_integer,),
        "number": (types.is_floating,),
        "date": (types.is_date, types.is_timestamp),
        "text": (types.is_string, types.is_large_string, types.is_string_view),
    }
    return next((name for name, each in tests.items() if any(test(kind) for test in each)), None)


def _of_parquet(path: Path, name: str, kind: str) -> FurtherColumn:
    if kind in ("integer", "number", "boolean"):
        return attempt(path, lambda: _numbers(path, name, kind))
    if kind == "date":
        cells = attempt(path, lambda: read_stored(path, name).cast("string").to_pylist())
        texts = [iso_date(cell or "") or "" for cell in cells]
    else:
        texts = list(map(cell_text, read_columns(path, [name])[name]))
    if not any(texts):
        return FurtherColumn.of_nulls("empty" if kind == "text" else kind, len(texts))
    return FurtherColumn(kind, text_array(_sound(path, name, texts)))


def _numbers(path: Path, name: str, kind: str) -> FurtherColumn:
    """Numbers and booleans, without making an object of each; what 64 bits cannot hold is text."""
    import pyarrow as pa

    column, about = read_stored(path, name), KINDS[kind]
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if kind == "number" and pa.types.is_decimal(column.type):  # pyarrow's cast is off by the last bit
        column = pa.chunked_array([[None if cell is None else float(cell) for cell in column.to_pylist()]])
    try:
        cells = column.cast(pa.from_numpy_dtype(about.stored))
    except pa.ArrowInvalid:
        cells = None
    values = None if cells is None else cells.fill_null(about.null).to_numpy()
    if values is None or (kind == "integer" and np.count_nonzero(values == about.null) > cells.null_count):
        return FurtherColumn("text", text_array(map(cell_text, column.to_pylist())))
    if kind == "number":
        values = np.where(np.isfinite(values), values, np.nan)
    return FurtherColumn(kind, values)


def _sound(path: Path, name: str, texts: Sequence[str]) -> Sequence[str]:
    """Texts that HDF5 can hold: zero bytes and halves of characters become a mark."""
    wrong = sum(UNSTORABLE.search(text) is not None for text in texts)
    if not wrong:
        return texts
    log.warning("%s: %s: %s cells hold bytes that are no text; they are marked by �", path, name, f"{wrong:,}")
    return [UNSTORABLE.sub("�", text) for text in texts]


def _said(path: Path, found: dict[str, FurtherColumn]) -> dict[str, FurtherColumn]:
    if found:
        named = ", ".join(f"{name[:40]} ({column.kind})" for name, column in list(found.items())[:12])
        more = f" and {len(found) - 12} more" if len(found) > 12 else ""
        log.info("%s: further columns: %s%s", path, named, more)
    return found


def _warn(path: Path, left_out: Mapping[str, str], advice: str) -> None:
    if left_out:
        named = ", ".join(f"{name[:40]} {fault}" for name, fault in list(left_out.items())[:NAMED])
        more = f" and {len(left_out) - NAMED} more" if len(left_out) > NAMED else ""
        log.warning("%s: columns left out: %s%s; %s", path, named, more, advice)
