"""Types of a table's further columns: from the cells of a CSV, from a Parquet schema; hostile names and cells."""

from __future__ import annotations

import datetime
import logging
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashret.files.further_columns import in_words
from fashret.files.tables.catalogue_tables import read_table
from fashret.files.tables.column_types import MOST, column_of, csv_columns, further_names, parquet_columns
from tests.dataset_case import write


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["1", "-20", "0", ""], "integer", [1, -20, 0, None]),
        (["9223372036854775807", "nan"], "integer", [2**63 - 1, None]),
        (["00123", "45"], "text", ["00123", "45"]),
        (["+49123", "45"], "text", ["+49123", "45"]),
        (["9223372036854775808"], "text", ["9223372036854775808"]),
        (["-9223372036854775808"], "text", ["-9223372036854775808"]),
        (["1", "2.5", "NaN", "<NA>"], "number", [1.0, 2.5, None, None]),
        ([".5", "5.", "1e-05", "1.5E3", "-0.0"], "number", [0.5, 5.0, 1e-05, 1500.0, 0.0]),
        (["12E4", "1.5"], "text", ["12E4", "1.5"]),  # a product's number
        (["12345678901234567", "1.5"], "text", ["12345678901234567", "1.5"]),  # no float64 has these digits
        (["1.0e999"], "text", ["1.0e999"]),
        (["inf", "1.5"], "text", ["inf", "1.5"]),
        (["19,99"], "text", ["19,99"]),
        (["$5"], "text", ["$5"]),
        (["1_000"], "text", ["1_000"]),
        (["١٢"], "text", ["١٢"]),  # digits of another script
        (["True", "false", "TRUE", "none"], "boolean", [True, False, True, None]),
        (["true", "0"], "text", ["true", "0"]),
        (["2026-11-29", "2026-11-29 08:30:00", "NaT"], "date", ["2026-11-29", "2026-11-29T08:30:00", None]),
        (["2026-11-29T23:30:00-05:00"], "date", ["2026-11-30T04:30:00Z"]),
        (["2026-02-30"], "text", ["2026-02-30"]),
        (["9999-12-31T23:59:59-01:00"], "text", ["9999-12-31T23:59:59-01:00"]),  # no year 10000
        (["None", "Acme"], "text", ["None", "Acme"]),  # which may be a name
        (["", "nan"], "empty", [None, None]),
        ([], "empty", []),
    ],
)
def test_types_of_cells(cells: list[str], kind: str, values: list[Any]) -> None:
    found = column_of(cells)
    assert (found.kind, found.plain()) == (kind, values)


@given(st.lists(st.text(max_size=8) | st.from_regex(r"\A-?\d{1,4}(\.\d{0,3})?\Z") | st.sampled_from(["", "true"])))
def test_no_cell_is_lost(cells: list[str]) -> None:
    """What is no text is written as a number or truth value that is the cell's."""
    column = column_of(cells)
    for cell, value in zip(cells, column.plain(), strict=True):
        if column.kind in ("integer", "number") and value is not None:
            assert Decimal(cell.rstrip(".")) == Decimal(in_words(value))
        elif value is not None:
            assert in_words(value).lower().replace("t", " ") == cell.lower().replace("t", " ")
        else:
            assert cell.lower() in ("", "nan", "none", "null", "<na>", "nat")


def test_columns_of_a_csv_keep_their_names_and_order(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fashret")
    long = "x" * 201
    content = f"image,Title , product,a/b,.,,{long},PRICE,Domain,vector,w\na.jpg,<b>,p,1,2,3,4,5.5,shop,7,8\n"
    rows = read_table(write(tmp_path / "c.csv", content)).rows
    assert {name: each.plain() for name, each in rows.further.items()} == {"Title": ["<b>"], "PRICE": [5.5]}
    said = [record.getMessage() for record in caplog.records]
    assert any("columns left out: a/b has a slash, . is no name, xxx" in line for line in said)
    assert any("further columns: Title (text), PRICE (number)" in line for line in said)


def test_columns_go_with_the_first_of_equal_rows(tmp_path: Path) -> None:
    rows = read_table(write(tmp_path / "c.csv", "image,product,n\na.jpg,p,1\nb.jpg,p,2\na.jpg,p,3\n")).rows
    assert rows.source.tolist() == ["a.jpg", "b.jpg"] and rows.further["n"].plain() == [1, 2]


def test_very_many_columns_are_cut_off_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    names = [f"c{i}" for i in range(MOST + 7)]
    assert further_names(tmp_path / "c.csv", names, ()) == names[:MOST]
    assert f"c{MOST} is one of more than {MOST}" in caplog.text and "and 2 more; rename" in caplog.text


def test_cells_that_hdf5_cannot_hold_are_marked(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = csv_columns(tmp_path / "c.csv", {"x": ["a\0b?", "\udcff", "ok"]})
    assert found["x"].plain() == ["a�b?", "�", "ok"] and "x: 2 cells hold bytes that are no text" in caplog.text


def test_types_of_a_parquet_table(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    utc = datetime.UTC
    noon = datetime.datetime(2026, 11, 29, 12, 0, 0, 5, utc)
    columns = {
        "image": ["a.jpg", "b.jpg"],
        "product": ["p", "q"],
        "text": [" é ", None],
        "digits": ["123", "45"],
        "category_text": pa.array(["x", None]).dictionary_encode(),
        "codes": pa.array([7, None], pa.int32()).dictionary_encode(),
        "small": pa.array([-1, None], pa.int8()),
        "big": pa.array([2**64 - 1, None], pa.uint64()),
        "float": pa.array([1.5, float("nan")], pa.float32()),
        "infinite": [float("inf"), 1.0],
        "decimal": pa.array([Decimal("19.99"), None]),
        "whole": pa.array([Decimal(2**53 + 1), None], pa.decimal128(38, 0)),
        "wide": pa.array([Decimal(-7), None], pa.decimal256(70, 0)),
        "digits_38": pa.array([Decimal("9" * 38), Decimal(-5)], pa.decimal128(38, 0)),
        "coded": pa.array([Decimal(2**62 + 1), None], pa.decimal128(20, 0)).dictionary_encode(),
        "least": pa.array([-(2**63), 4], pa.int64()),
        "truth": [True, None],
        "day": [datetime.date(2026, 11, 29), None],
        "moment": pa.array([noon, None], pa.timestamp("ns", "Europe/Berlin")),
        "local": pa.array([noon.replace(tzinfo=None, microsecond=0), None], pa.timestamp("us")),
        "nothing": pa.nulls(2),
        "blank": ["", None],
        "list": [[1], [2]],
        "bytes": [b"x", b"y"],
    }
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet", row_group_size=1)
    further = read_table(tmp_path / "a.parquet").rows.further
    assert {name: (each.kind, each.plain()) for name, each in further.items()} == {
        "text": ("text", ["é", None]),
        "digits": ("text", ["123", "45"]),
        "category_text": ("text", ["x", None]),
        "codes": ("integer", [7, None]),
        "small": ("integer", [-1, None]),
        "big": ("text", ["18446744073709551615", None]),
        "float": ("number", [1.5, None]),
        "infinite": ("number", [None, 1.0]),
        "decimal": ("number", [19.99, None]),
        "whole": ("integer", [2**53 + 1, None]),
        "wide": ("integer", [-7, None]),
        "digits_38": ("text", ["9" * 38, "-5"]),
        "coded": ("integer", [2**62 + 1, None]),
        "least": ("text", ["-9223372036854775808", "4"]),
        "truth": ("boolean", [True, None]),
        "day": ("date", ["2026-11-29", None]),
        "moment": ("date", ["2026-11-29T12:00:00.000005Z", None]),
        "local": ("date", ["2026-11-29T12:00:00", None]),
        "nothing": ("empty", [None, None]),
        "blank": ("empty", [None, None]),
    }
    assert "list is list<" in caplog.text and "bytes is binary" in caplog.text
    assert further["small"].values.dtype == np.int64 and parquet_columns(tmp_path / "a.parquet", []) == {}
