"""Embeddings as a Parquet table: what was written is read back, as a catalogue too, whole or not at all."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from fashret.errors import FashretError
from fashret.files.tables import vectors as vector_tables
from fashret.files.tables.catalogue_tables import read_table
from fashret.stages import export
from tests.conftest import make_rows, write_embeddings
from tests.files.test_further_columns import column


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    rows = make_rows(
        5,
        product=np.array(["a", "", "ü/ß", "a", "b"], object),
        role=np.array([1, 6, 4, 24, 0], np.uint8),
        domain=np.array([0, 1, 1, 0, 1], np.uint8),
        category=np.array([0, 1, -1, 1, 0], np.int16),
        categories=("tops", "bags"),
        box=np.array([[np.nan] * 4, [1, 2, 3.5, 4], *[[np.nan] * 4] * 3], np.float32),
    )
    vectors = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    return write_embeddings(tmp_path / "a.emb.h5", rows, vectors, {"name": "résumé"})


@pytest.mark.parametrize("block", [1 << 20, 24])  # bytes of vectors at a time: all rows, or two
def test_embeddings_become_a_table(catalogue: Path, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_tables, "BLOCK_BYTES", block)
    summary = export.run(catalogue, catalogue.with_name("a.parquet"))
    assert summary == export.TableSummary(catalogue.with_name("a.parquet"), 5, 3)
    table = parquet.read_table(summary.output)
    rows = table.to_pydict()
    assert rows["image"] == [f"photos/{i}.jpg" for i in range(5)] and len(set(rows["crop_id"])) == 5
    assert rows["product"] == ["a", None, "ü/ß", "a", "b"]
    assert rows["domain"] == ["street", "shop", "shop", "street", "shop"]
    assert rows["category"] == ["tops", "bags", None, "bags", "tops"]
    assert rows["role"] == ["train", "query+gallery", "gallery", "val_query+val_gallery", None]
    assert [rows[name][1] for name in ("x1", "y1", "x2", "y2")] == [1, 2, 3.5, 4]
    assert rows["x1"][0] is None and rows["y2"][4] is None
    vectors = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    np.testing.assert_array_equal(np.array(rows["vector"], np.float32), vectors)
    assert str(table.schema.field("vector").type).startswith("fixed_size_list<")
    about = json.loads(table.schema.metadata[b"fashret"])
    assert about == {"model": {"name": "résumé"}, "dataset": "test", "normalized": False, "centroids": False}


@pytest.mark.parametrize("block", [1 << 20, 24])
def test_further_columns_are_in_the_table_and_read_from_it(
    tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(vector_tables, "BLOCK_BYTES", block)
    further = {
        "Title": column("text", ["<b>", None, "c"]),
        "stock": column("integer", [3, None, 2**63 - 1]),
        "price": column("number", [19.99, None, -0.5]),
        "sale": column("boolean", [True, None, False]),
        "day": column("date", ["2026-11-29", None, "0001-01-01"]),
        "moment": column("date", ["2026-11-29", None, "2026-11-29T08:30:00Z"]),
        "odd": column("date", ["tomorrow", None, None]),  # of other software
        "note": column("empty", [None] * 3),
        "Image": column("text", ["x"] * 3),
    }
    path = write_embeddings(tmp_path / "a.emb.h5", make_rows(3, further=further), np.eye(3, dtype=np.float32))
    export.run(path, tmp_path / "a.parquet")
    table = parquet.read_table(tmp_path / "a.parquet")
    types = {name: str(table.schema.field(name).type) for name in further if name != "Image"}
    assert list(types.values()) == ["string", "int64", "double", "bool", "date32[day]", "string", "string", "null"]
    for name in types.keys() - {"day"}:
        assert table[name].to_pylist() == further[name].plain(), name
    assert [str(day) for day in table["day"].to_pylist()] == ["2026-11-29", "None", "0001-01-01"]
    assert "columns/Image is left out: the table has a column of that name" in caplog.text
    again = read_table(tmp_path / "a.parquet").rows.further
    assert {name: each.plain() for name, each in again.items()} == {name: further[name].plain() for name in types}
    assert again["day"].kind == "date" and again["moment"].kind == "text"


def test_the_table_is_a_catalogue_again(catalogue: Path) -> None:
    export.run(catalogue, catalogue.with_name("a.parquet"))
    rows = read_table(catalogue.with_name("a.parquet"), None).rows
    assert list(rows.source) == [f"photos/{i}.jpg" for i in range(5)]
    assert list(rows.role) == [1, 6, 4, 24, 0]
    np.testing.assert_array_equal(rows.box[1], [1, 2, 3.5, 4])


@pytest.mark.parametrize(("dtype", "kept"), [("float16", "halffloat"), ("float32", "float")])
def test_vectors_keep_their_type(tmp_path: Path, dtype: str, kept: str) -> None:
    path = write_embeddings(tmp_path / "a.emb.h5", make_rows(2), np.ones((2, 3), dtype))
    export.run(path, tmp_path / "a.parquet")
    assert str(parquet.read_table(tmp_path / "a.parquet").schema.field("vector").type.value_type) == kept


def test_no_rows_make_an_empty_table(tmp_path: Path) -> None:
    export.run(
        write_embeddings(tmp_path / "a.emb.h5", make_rows(0), np.zeros((0, 3), np.float32)), tmp_path / "a.parquet"
    )
    table = parquet.read_table(tmp_path / "a.parquet")
    assert table.num_rows == 0 and table.schema.field("vector").type.list_size == 3


def test_an_interrupted_export_leaves_nothing(catalogue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = vector_tables._table

    def interrupted(file: object, rows: slice, types: dict[str, object]) -> object:
        if rows.stop:
            raise KeyboardInterrupt
        return real(file, rows, types)  # type: ignore[arg-type]

    monkeypatch.setattr(vector_tables, "_table", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export.run(catalogue, catalogue.with_name("a.parquet"))
    assert [path.name for path in catalogue.parent.iterdir()] == [catalogue.name]


def test_without_pyarrow_the_extra_is_named(catalogue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(FashretError, match=r"a\.parquet: writing Parquet needs pyarrow: pip install 'fashret\[parquet"):
        export.run(catalogue, catalogue.with_name("a.parquet"))
