"""Parquet tables: columns as Python values, and photos in them, as bytes or by their paths."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from fashret.errors import FashretError
from fashret.files import parquet as tables
from fashret.files.parquet import ParquetPhotos, check_photo_column, parquet_names, read_columns, row_count
from fashret.files.photo_sources import MissingPhotoError, PhotoError

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


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
    for look in (parquet_names, row_count, check_photo_column):
        with pytest.raises(FashretError, match=r"a\.parquet: is not a sound Parquet table \(") as caught:
            look(tmp_path / "a.parquet")
        assert "\n" not in str(caught.value)
    with pytest.raises(FashretError, match="is not a sound Parquet table"):
        parquet_names(tmp_path / "none.parquet")


@pytest.mark.parametrize(
    ("cells", "fits"),
    [
        (pa.array([b"x"]), True),
        (pa.array([b"x"], pa.large_binary()), True),
        (pa.array(["a.jpg"]), True),
        (pa.array(["a.jpg"]).dictionary_encode(), True),
        (pa.array([None]), True),
        (pa.array([{"bytes": b"x", "path": None}], STRUCT), True),
        (pa.array([1.5]), False),
        (pa.array([["a.jpg"]]), False),
        (pa.array([{"data": b"x"}]), False),
        (pa.array([{"bytes": "text"}]), False),
    ],
)
def test_the_type_decides_whether_a_column_can_hold_photos(tmp_path: Path, cells: Any, fits: bool) -> None:
    path = write(tmp_path / "a.parquet", image=cells)
    if fits:
        check_photo_column(path)
        return
    with pytest.raises(FashretError, match=r"a\.parquet: the column image is of the type .*; expected bytes, text"):
        check_photo_column(path)


def test_photos_are_found_in_the_table_and_beside_it(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/b.jpg").write_bytes(b"beside")
    cells = [{"bytes": b"inside", "path": "a.jpg"}, {"bytes": None, "path": "b.jpg"}, {"bytes": None, "path": "c.jpg"},
             {"bytes": b"", "path": None}, None]  # fmt: skip
    write(tmp_path / "deep/t.parquet", image=pa.array(cells, STRUCT))
    photos = ParquetPhotos(tmp_path)
    sources = [f"deep/t.parquet#{i}" for i in range(5)]
    assert photos.present(sources).tolist() == [True, True, False, False, False]
    assert photos.present([]).tolist() == []
    assert [photos.read(source) for source in sources[:2]] == [b"inside", b"beside"]
    for source in sources[2:]:
        with pytest.raises(MissingPhotoError):
            photos.read(source)


def test_paths_in_a_table_stay_beside_it(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    write(tmp_path / "deep/t.parquet", image=["../secret.jpg", str(tmp_path / "secret.jpg"), ""])
    photos = ParquetPhotos(tmp_path)
    assert not photos.present([f"deep/t.parquet#{i}" for i in range(3)]).any()
    for row in range(2):
        with pytest.raises(PhotoError, match="paths must be relative to the root and stay inside it"):
            photos.read(f"deep/t.parquet#{row}")


def test_rows_are_read_in_any_order_with_few_groups_in_memory(tmp_path: Path) -> None:
    write(tmp_path / "t.parquet", image=[bytes([i]) for i in range(9)])
    photos = ParquetPhotos(tmp_path)
    for row in (8, 0, 5, 1, 7, 3):
        assert photos.read(f"t.parquet#{row}") == bytes([row])
        assert len(photos.groups) <= tables.GROUPS_KEPT


def test_without_pyarrow_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.parquet", name=["a"])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(FashretError, match=r"reading Parquet needs pyarrow: pip install 'fashret\[parquet\]'"):
        parquet_names(path)
