"""Photos in Parquet tables, as bytes or by their paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fashret.errors import FashretError
from fashret.files.photos import in_parquet as parquet_photos
from fashret.files.photos.in_parquet import ParquetPhotos, check_photo_column, holds_photos
from fashret.files.photos.sources import MissingPhotoError, PhotoError
from fashret.files.tables import parquet as tables
from tests.files.tables.test_parquet import write

pa = pytest.importorskip("pyarrow")
STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


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
        assert len(photos.groups) <= parquet_photos.GROUPS_KEPT


def test_paths_start_from_another_folder_if_told(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").write_bytes(b"beside")
    write(tmp_path / "t.parquet", image=pa.array([{"bytes": None, "path": "a.jpg"}], STRUCT))
    photos = ParquetPhotos(tmp_path, tmp_path / "photos")
    assert photos.present(["t.parquet#0"]).all() and photos.read("t.parquet#0") == b"beside"


def test_absolute_paths_inside_the_root_are_taken(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").write_bytes(b"beside")
    cells = [{"bytes": None, "path": f"{tmp_path}/photos/a.jpg"}, {"bytes": b"x", "path": None}]
    write(tmp_path / "t.parquet", image=pa.array(cells, STRUCT))
    photos = ParquetPhotos(tmp_path, tmp_path / "photos")
    assert photos.present(["t.parquet#0"]).all() and photos.read("t.parquet#0") == b"beside"


def test_which_columns_hold_photos_instead_of_their_paths(tmp_path: Path) -> None:
    cells = {"bytes": ([b"x"], True), "struct": (pa.array([None], STRUCT), True), "text": (["a.jpg"], False)}
    for name, (column, holds) in (cells | {"nothing": ([None], False), "number": ([1], False)}).items():
        assert holds_photos(write(tmp_path / f"{name}.parquet", image=column)) is holds
    assert not holds_photos(write(tmp_path / "none.parquet", product=["a"]))


def test_only_a_table_that_holds_its_photos_is_the_file_of_one(tmp_path: Path) -> None:
    write(tmp_path / "in.parquet", image=[b"x"])
    write(tmp_path / "out.parquet", image=pa.array([{"bytes": None, "path": "a.jpg"}], STRUCT))
    photos = ParquetPhotos(tmp_path)
    assert photos.file_of("in.parquet#0") == tmp_path / "in.parquet"
    with pytest.raises(PhotoError, match="is named by the table"):
        photos.file_of("out.parquet#0")


def test_a_row_group_that_claims_too_much_is_an_error_of_its_photos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "t.parquet", image=[b"x" * 100] * 4)
    monkeypatch.setattr(tables, "MOST_BYTES", 50)
    with pytest.raises(PhotoError, match="image claim .* bytes when unpacked, more than 50; .* in smaller row groups"):
        ParquetPhotos(tmp_path).read("t.parquet#0")
