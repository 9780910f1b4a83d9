"""Further columns: written and read by blocks, as other software writes them, and one line for what is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashret.errors import FashretError
from fashret.files import further_columns
from fashret.files.columns import Rows, text_array
from fashret.files.crops import open_crops
from fashret.files.embeddings import open_embeddings
from fashret.files.further_columns import KINDS, FurtherColumn, in_utc, in_words, iso_date, name_fault, wider
from tests.conftest import make_rows, write_crops, write_embeddings

VALUES: dict[str, tuple[str, list[Any]]] = {
    "title": ("text", ["Kleid \u202e<b>", None, "帽子\n\x1b[31m", "a"]),
    "stock": ("integer", [3, None, -(2**63) + 1, 2**63 - 1]),
    "price": ("number", [19.99, None, -0.5, 1e300]),
    "sale": ("boolean", [True, None, False, True]),
    "added": ("date", ["2026-11-29", None, "2026-11-29T08:30:00Z", "0001-01-01"]),
    "note": ("empty", [None] * 4),
    "..": ("text", ["x"] * 4),
    "a b;€=\\\x01": ("integer", [1, 2, 3, 4]),
}


def column(kind: str, values: list[Any]) -> FurtherColumn:
    made = FurtherColumn.of_nulls(kind, len(values))
    for i, value in enumerate(values):
        if value is not None:
            made.values[i] = value
    return made


def further(count: int = 4) -> dict[str, FurtherColumn]:
    return {name: column(kind, values[:count]) for name, (kind, values) in VALUES.items()}


def embeddings(path: Path, rows: Rows) -> Path:
    return write_embeddings(path, rows, np.eye(len(rows), dtype=np.float32))


@pytest.mark.parametrize("write", [write_crops, embeddings])
def test_columns_are_read_as_they_were_written(tmp_path: Path, write: Callable[..., Path]) -> None:
    path = write(tmp_path / "a.h5", make_rows(4, further=further()))
    with (open_crops if write is write_crops else open_embeddings)(path) as file:
        assert file.further_kinds == {name: kind for name, (kind, _) in VALUES.items()}
        assert list(file.further_kinds) == list(VALUES)  # the order of the table
        for found in (file.rows.further, file.block(0, 4).further):
            assert {name: (each.kind, each.plain()) for name, each in found.items()} == VALUES
        assert file.block(1, 3).further["stock"].plain() == VALUES["stock"][1][1:3]
        for name, (_, values) in VALUES.items():
            assert file.further_column(name, np.array([3, 0, 0, 1])).plain() == [values[i] for i in (3, 0, 0, 1)]
            assert file.further_column(name, np.array([], np.int64)).plain() == []


def test_blocks_may_bring_columns_that_others_lack(tmp_path: Path) -> None:
    from fashret.files import hdf5
    from fashret.files.columns import append_columns, create_columns

    with hdf5.write_whole(tmp_path / "a.h5", "k", 1) as file:
        create_columns(file, ("tops",))
        append_columns(file, make_rows(2))
        append_columns(file, make_rows(3, further={"price": column("number", [1.0, None, 2.0])}))
        append_columns(file, make_rows(1, further={"stock": column("integer", [7])}))
        append_columns(file, make_rows(0))
        with pytest.raises(ValueError, match="price: integer after number"):
            append_columns(file, make_rows(1, further={"price": column("integer", [7])}))
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["columns/price"][:6], [math.nan, math.nan, 1, math.nan, 2, math.nan])
        assert file["columns/stock"][:6].tolist() == [-(2**63)] * 5 + [7]


def test_rows_and_their_columns_have_one_length() -> None:
    with pytest.raises(FashretError, match="columns differ in length"):
        make_rows(3, further={"price": column("number", [1.0])})


def test_reading_some_rows_needs_few_neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = make_rows(1000, further={"stock": FurtherColumn("integer", np.arange(1000))})
    path = write_embeddings(tmp_path / "a.emb.h5", rows, np.ones((1000, 1), np.float32))
    most = []
    read = further_columns.read_further

    def watched(*arguments: Any) -> FurtherColumn:
        most.append(arguments[4] - arguments[3])
        return read(*arguments)

    monkeypatch.setattr(further_columns, "read_further", watched)
    with open_embeddings(path) as file:
        asked = np.array([999, 5, 100, 100, 163, 0])
        assert further_columns.read_further_rows(file.file, "stock", "integer", asked, 64).plain() == asked.tolist()
    assert most == [6, 1, 1, 1] and max(most) <= 64


# --- other software ---


@pytest.mark.parametrize(
    ("stored", "kind", "values"),
    [
        (np.array([b"a", b"", b"\xc3\xa9", b"d"], h5py.string_dtype("utf-8", 2)), "text", ["a", None, "é", "d"]),
        (np.array([[1], [2], [3], [4]], np.uint8), "integer", [1, 2, 3, 4]),
        (np.array([1, np.nan, np.inf, -2.5], np.float32), "number", [1.0, None, None, -2.5]),
        (np.array([True, False, True, True]), "boolean", [True, False, True, True]),
    ],
)
def test_columns_of_other_software_are_what_their_type_says(
    tmp_path: Path, stored: Any, kind: str, values: list[Any]
) -> None:
    path = embeddings(tmp_path / "a.emb.h5", make_rows(4))
    with h5py.File(path, "r+") as file:
        file["columns/x"] = stored
    with open_embeddings(path) as file:
        assert file.further_kinds == {"x": kind}
        assert file.block(0, 4).further["x"].plain() == values


def group_in(file: h5py.File) -> None:
    file.create_group("columns/x")


def with_type(values: Any, **attributes: Any) -> Callable[[h5py.File], None]:
    def write(file: h5py.File) -> None:
        file["columns/x"] = values
        file["columns/x"].attrs.update(attributes)

    return write


def not_a_group(file: h5py.File) -> None:
    file["columns"] = [1, 2, 3, 4]


def not_utf8(file: h5py.File) -> None:
    made = h5py.h5d.create(
        file.create_group("columns").id, b"\xff", h5py.h5t.NATIVE_INT64, h5py.h5s.create_simple((4,))
    )
    assert made


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (group_in, "columns/x should be a dataset"),
        (not_a_group, "columns should be a group"),
        (not_utf8, "its name is not UTF-8"),
        (with_type([1, 2, 3]), "x should be integer, one value for each of 4 rows, and is int64 of shape \\(3,\\)"),
        (with_type(np.ones((4, 2))), "x should be number, .* and is float64 of shape \\(4, 2\\)"),
        (with_type(1), "x should be integer, .* and is int64 of shape \\(\\)"),
        (with_type(np.ones(4, complex)), "x is complex128 of shape \\(4,\\); fashret knows text, integer"),
        (with_type([1, 2, 3, 4], type="colour"), "x is colour; fashret knows text, integer, number"),
        (with_type([1, 2, 3, 4], type="text"), "x should be text, .* and is int64 of shape"),
        (with_type(["a"] * 4, type="integer"), "x should be integer, .* and is text of shape"),
        (with_type([1.5] * 4, type="boolean"), "x should be boolean, .* and is float64"),
        (with_type([1, 2, 3, 4], type=[1, 2]), "x is of a type that is no text; fashret knows"),
    ],
)
def test_a_column_that_is_something_else_is_one_line_on_opening(
    tmp_path: Path, spoil: Callable[[h5py.File], None], message: str
) -> None:
    path = embeddings(tmp_path / "a.emb.h5", make_rows(4))
    with h5py.File(path, "r+") as file:
        spoil(file)
    with pytest.raises(FashretError, match=message) as caught:
        open_embeddings(path)
    assert "\n" not in str(caught.value)


def test_values_out_of_range_are_one_line(tmp_path: Path) -> None:
    path = embeddings(tmp_path / "a.emb.h5", make_rows(4))
    with h5py.File(path, "r+") as file:
        file["columns/big"] = np.array([1, 2**63, 3, 4], np.uint64)
        file["columns/odd"] = [0, 1, 2, 0]
        file["columns/odd"].attrs["type"] = "boolean"
    with open_embeddings(path) as file:
        for name, message in (("big", "columns/big 9223372036854775808 of row 1"), ("odd", "columns/odd 2 of row 2")):
            with pytest.raises(FashretError, match=message):
                file.further_column(name, np.arange(4))


def test_a_column_may_not_lead_out_of_the_file(tmp_path: Path) -> None:
    path = embeddings(tmp_path / "a.emb.h5", make_rows(4))
    with h5py.File(path, "r+") as file:
        file["columns/secret"] = h5py.ExternalLink("/etc/passwd", "/x")
    with pytest.raises(FashretError, match="columns/secret is an external link"):
        open_embeddings(path)


# --- types ---


@given(st.sampled_from(sorted(KINDS)), st.sampled_from(sorted(KINDS)), st.sampled_from(sorted(KINDS)))
def test_widening_has_no_order(a: str, b: str, c: str) -> None:
    assert wider(a, b) == wider(b, a) and wider(a, a) == a
    assert wider(wider(a, b), c) == wider(a, wider(b, c)) or "text" in (wider(wider(a, b), c), wider(a, wider(b, c)))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "empty"])
def test_values_of_a_wider_type_are_the_same(kind: str) -> None:
    values = next(values for each, values in VALUES.values() if each == kind)
    as_text = column(kind, values).become("text")
    assert as_text.plain() == [None if value is None else in_words(value) for value in values]
    assert column("empty", [None, None]).become(kind).plain() == [None, None]
    assert column("integer", [3, None]).become("number").plain() == [3.0, None]


MOMENTS = st.datetimes(timezones=st.none() | st.timezones())


@given(one=MOMENTS, other=MOMENTS | st.none(), apart=st.integers(-1500, 1500))
def test_moments_sort_as_text(one: Any, other: Any, apart: int) -> None:
    """In seconds or parts of them, with a zone or without one, which is UTC."""
    if other is None:  # a near one
        other = one.replace(tzinfo=None, microsecond=one.microsecond // 1000 * 1000 + abs(apart) % 1000)
    found = [iso_date(moment.isoformat(" ")) for moment in (one, other)]
    assert all(text is None or iso_date(text) == text for text in found)
    if None not in found:  # a time zone whose offset has seconds
        first, second = (moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in (one, other))
        before, now = map(in_utc, found)
        assert (before < now, before == now) == (first < second, first == second)


@pytest.mark.parametrize(
    "texts", [("06:30:00Z", "06:30:00.500000Z"), ("06:30:00", "06:30:00.5Z"), ("06:30Z", "06:30:01")]
)
def test_parts_of_seconds_come_after_the_second(texts: tuple[str, str]) -> None:
    first, second = (in_utc(iso_date(f"2026-11-29T{text}") or "") for text in texts)
    assert first < second


@given(st.text(max_size=12))
def test_text_that_is_no_date_is_refused_without_an_error(text: str) -> None:
    found = iso_date(text)
    assert found is None or text[:4].isascii()


@pytest.mark.parametrize("name", ["", ".", "a/b", "a\0b", "\udcff", "x" * 201])
def test_names_that_hdf5_cannot_hold(name: str) -> None:
    assert name_fault(name)


def test_names_of_any_script_are_held(tmp_path: Path) -> None:
    names = ["prix €", "価格", "..", "-", "x" * 200, "\u202e", "columns", "'\";--"]
    assert not any(map(name_fault, names))
    rows = make_rows(1, further={name: FurtherColumn("text", text_array([name])) for name in names})
    path = write_embeddings(tmp_path / "a.emb.h5", rows, np.ones((1, 1), np.float32))
    with open_embeddings(path) as file:
        assert [each.plain() for each in file.rows.further.values()] == [[name] for name in names]
