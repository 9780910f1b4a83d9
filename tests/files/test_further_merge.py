"""Further columns of a file that is appended to: both sides' columns, each in a type that holds both."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fashret.files.columns import Rows
from fashret.files.embeddings import Embeddings, open_embeddings
from fashret.files.further_merge import Merge, kinds_of
from tests.conftest import make_rows, write_embeddings
from tests.files.test_further_columns import column


@pytest.fixture
def old(tmp_path: Path) -> Embeddings:
    further = {
        "price": column("integer", [10, None, 30, 40]),
        "sku": column("integer", [1, 2, 3, 4]),
        "brand": column("text", ["a", "b", None, "d"]),
        "note": column("empty", [None] * 4),
        "cost": column("number", [1.5, 2.0, 3.0, 4.0]),
    }
    path = write_embeddings(tmp_path / "a.emb.h5", make_rows(4, further=further), np.eye(4, dtype=np.float32))
    return open_embeddings(path)


def new_rows() -> Rows:
    further = {
        "stock": column("integer", [7, 8, 9]),
        "price": column("number", [10.5, None, 31.0]),
        "sku": column("text", ["x", "2", None]),
        "note": column("date", ["2026-11-29", None, None]),
        "cost": column("integer", [2, None, 3]),
    }
    return make_rows(3, further=further)


PLACE = np.array([2, -1, 0])  # rows of the old file
EXPECTED: dict[str, tuple[str, list[Any]]] = {
    "stock": ("integer", [7, 8, 9]),
    "price": ("number", [10.5, None, 31.0]),
    "sku": ("text", ["x", "2", None]),
    "note": ("date", ["2026-11-29", None, None]),
    "cost": ("number", [2.0, None, 3.0]),
    "brand": ("text", [None, None, "a"]),
}


@pytest.mark.parametrize("blocks", [[[0, 1, 2]], [[0], [1], [2]], [[0, 2]], [[1]]])
def test_rows_get_the_columns_of_both(old: Embeddings, blocks: list[list[int]]) -> None:
    rows = new_rows()
    merge = Merge.of(rows, old, PLACE)
    for block in map(np.array, blocks):
        found = merge.block(rows.take(block), block).further
        expected = {name: (kind, [values[i] for i in block]) for name, (kind, values) in EXPECTED.items()}
        assert {name: (each.kind, each.plain()) for name, each in found.items()} == expected
        assert list(found) == list(EXPECTED)


def test_a_type_that_changes_is_said(old: Embeddings, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "fashret")
    Merge.of(new_rows(), old, PLACE)
    said = [record.getMessage().partition(": ")[2] for record in caplog.records]
    assert said == [
        "price was integer and is now number",
        "sku was integer and is now text",
        "cost is number and is now integer; it is written as number",
    ]


def test_without_a_file_rows_stay_as_they_are() -> None:
    rows = new_rows()
    found = Merge.of(rows, None, np.full(3, -1)).block(rows, np.arange(3)).further
    assert {name: (each.kind, each.plain()) for name, each in found.items()} == {
        name: (each.kind, each.plain()) for name, each in rows.further.items()
    }


def test_types_of_rows_in_memory_and_in_a_file(old: Embeddings) -> None:
    assert kinds_of(old) == kinds_of(old.rows) == dict(old.further_kinds)
