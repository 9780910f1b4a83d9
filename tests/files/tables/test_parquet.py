"""Parquet tables: columns as Python values, in bounded memory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from fashret.errors import FashretError
from fashret.files.tables import parquet as tables
from fashret.files.tables.parquet import check_text_columns, parquet_names, read_columns, row_count

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def write(path: Path, **columns: Any) -> Path:
    """A table in row groups of two rows."""
    parquet.write_table(pa.table(columns), path, row_group_size=2)
    return path


def test_columns_and_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", name=["a", None, "c"], number=[1, 2, 3])
    assert parquet_names(path) == ["name", "number"] and row_count(path) == 3
    assert read_columns(path, ["number", "name"]) == {"number": [1, 2, 3], "name": ["a", None, "c"]}


@pytest.mark.parametrize("content", [b"", b"PAR1", b"<html></html>", b"PAR1" + bytes(100) + b"PAR1"])
def test_what_is_no_table_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(content)
    for look in (parquet_names, row_count):
        with pytest.raises(FashretError, match=r"a\.parquet: is not a sound Parquet table \(") as caught:
            look(tmp_path / "a.parquet")
        assert "\n" not in str(caught.value)
    with pytest.raises(FashretError, match="is not a sound Parquet table"):
        parquet_names(tmp_path / "none.parquet")


def test_without_pyarrow_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.parquet", name=["a"])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(FashretError, match=r"reading Parquet needs pyarrow: pip install 'fashret\[parquet\]'"):
        parquet_names(path)


def test_equal_cells_of_a_dictionary_are_one_object(tmp_path: Path) -> None:
    """A long text in each of a thousand rows takes little of the file, and is in memory once."""
    path = tmp_path / "a.parquet"
    long = "x" * 50_000
    cells = {"name": [long] * 999 + [None], "data": pa.array([{"bytes": long.encode(), "path": "p"}] * 999 + [None])}
    parquet.write_table(pa.table(cells), path, compression="zstd")
    columns = read_columns(path, ["name", "data"])
    assert columns["name"][998] == long and columns["name"][999] is None and columns["data"][999] is None
    assert columns["data"][998] == {"bytes": long.encode(), "path": "p"}
    assert (
        len({id(text) for text in columns["name"][:999]}) == len({id(c["bytes"]) for c in columns["data"][:999]}) == 1
    )


def test_what_claims_too_much_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.parquet", name=["a"] * 50, other=["b"] * 50)
    monkeypatch.setattr(tables, "MOST_CELLS", 99)
    with pytest.raises(FashretError, match=r"claims 50 rows of 2 columns, more than 99 cells; split the table"):
        read_columns(path, ["name", "other"])
    assert read_columns(path, ["name"])["name"] == ["a"] * 50
    monkeypatch.setattr(tables, "MOST_BYTES", 100)
    with pytest.raises(FashretError, match=r"name claim [\d,]+ bytes when unpacked, more than 100"):
        read_columns(path, ["name"])


def test_lists_and_objects_are_named_as_not_readable(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", name=[["a"], ["b"]], other=[{"x": 1}, None], plain=["a", "b"])
    check_text_columns(path, ["plain"])
    for name, kind in (("name", "list<"), ("other", "struct<")):
        with pytest.raises(FashretError, match=f"cells of the column {name} are of the type {kind}.*cannot be read"):
            check_text_columns(path, ["plain", name])
