"""LookBench: small Parquet tables in its layout, rows typed by hand, photos out of the tables."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fashret.datasets import lookbench
from fashret.datasets.flags import CropFlags
from fashret.datasets.readers import load
from fashret.errors import FashretError
from fashret.files.crops import open_crops
from fashret.files.photos.in_parquet import ParquetPhotos
from fashret.files.photos.sources import MissingPhotoError, PhotoError
from fashret.stages import check, crop
from tests.dataset_case import photo, plain

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def png(colour: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 6), colour).save(stream, "PNG")
    return stream.getvalue()


def table(path: Path, **columns: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(columns), path, row_group_size=2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    version = tmp_path / "v20251201"
    table(
        version / "real_streetlook/query.parquet",
        image=[{"bytes": png("red"), "path": None}, {"bytes": png("blue"), "path": "q1.jpg"}],
        category=["dress", None],
        main_attribute=["floral", "plain"],
        task=["multi", "multi"],
        difficulty=["hard", "hard"],
        item_ID=["7", "8"],
        bbox_note=[1, 2],
    )
    table(
        version / "real_streetlook/gallery.parquet",
        image=[{"bytes": png(c), "path": None} for c in ("red", "green", "white")],
        category=["dress", "coat", "coat"],
        item_ID=[7.0, None, 12.0],  # numbers beside an empty cell become floats
    )
    table(version / "noise/gallery.parquet", image=[{"bytes": png("black"), "path": None}], item_ID=["900"])
    table(version / "aigen_studio/query.parquet", image=[{"bytes": b"", "path": None}], item_ID=["1"])
    table(version / "aigen_studio/gallery.parquet", image=[{"bytes": png("red"), "path": None}], item_ID=["1"])
    return tmp_path


def options(root: Path, subset: str = "real_streetlook") -> CropFlags:
    return CropFlags(root=root, subset=subset)


def test_rows_of_a_subset(root: Path) -> None:
    folder = "v20251201/real_streetlook"
    listing = load("lookbench", options(root))
    assert plain(listing.rows) == [
        (f"{folder}/query.parquet#0", None, "7", "query", "street", "dress"),
        (f"{folder}/query.parquet#1", None, "8", "query", "street", ""),
        (f"{folder}/gallery.parquet#0", None, "7", "gallery", "shop", "dress"),
        (f"{folder}/gallery.parquet#1", None, "", "gallery", "shop", "coat"),
        (f"{folder}/gallery.parquet#2", None, "12", "gallery", "shop", "coat"),
        ("v20251201/noise/gallery.parquet#0", None, "900", "gallery", "shop", ""),
    ]
    assert listing.name == "lookbench/real_streetlook"
    assert listing.notes == {"distractors of the noise tables": 1}
    assert list(listing.rows.further) == ["main_attribute", "task", "difficulty"]
    assert listing.rows.further["main_attribute"].plain() == ["floral", "plain", None, None, None, None]


def test_columns_that_are_not_known_are_named(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "fashret"):
        load("lookbench", options(root))
    assert "the columns bbox_note are not known" in caplog.text


def test_crops_come_out_of_the_tables_with_their_columns(root: Path, tmp_path: Path) -> None:
    crop.run("lookbench", tmp_path / "crops.h5", options(root))
    with open_crops(tmp_path / "crops.h5") as crops:
        colours = [crops.image(i)[3, 4].astype(int).round(-2).tolist() for i in range(6)]
        assert crops.block(1, 3).further["main_attribute"].plain() == ["plain", None]
    assert colours == [[300, 0, 0], [0, 0, 300], [300, 0, 0], [0, 100, 0], [300, 300, 300], [0, 0, 0]]


def test_several_subsets_ask_for_one(root: Path) -> None:
    with pytest.raises(FashretError, match="several subsets .*real_streetlook.*--subset NAME"):
        load("lookbench", options(root, ""))


def test_a_subset_that_is_not_there_names_those_that_are(root: Path) -> None:
    with pytest.raises(FashretError, match="no subset real_studio; found v20251201/aigen_studio"):
        load("lookbench", options(root, "real_studio"))


def test_a_missing_column_is_named_with_those_that_are_there(root: Path) -> None:
    table(root / "v20251201/real_streetlook/gallery.parquet", image=[b""], label=[1])
    with pytest.raises(FashretError, match=r"gallery\.parquet: lacks the column item_ID; it has image, label"):
        load("lookbench", options(root))


def test_a_missing_gallery_is_named(root: Path) -> None:
    (root / "v20251201/real_streetlook/gallery.parquet").unlink()
    with pytest.raises(FashretError, match=r"gallery\.parquet: no such file; found query\.parquet"):
        load("lookbench", options(root))


def test_a_query_without_identity_is_an_error(root: Path) -> None:
    table(root / "v20251201/real_streetlook/query.parquet", image=[b"", b""], item_ID=["1", None])
    with pytest.raises(FashretError, match=r"query\.parquet, row 1: has no item_ID"):
        load("lookbench", options(root))


def test_a_damaged_table_is_one_line(root: Path) -> None:
    (root / "v20251201/real_streetlook/query.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(FashretError, match="is not a sound Parquet table") as caught:
        load("lookbench", options(root))
    assert "\n" not in str(caught.value)


def test_photos_as_bytes_structs_and_paths(root: Path) -> None:
    folder = root / "v20251201/real_streetlook"
    photo(folder / "named.png", (5, 5))
    table(folder / "query.parquet", image=["named.png", "gone.png", "../out.png"], item_ID=["1", "2", "3"])
    photos = load("lookbench", options(root)).photos
    assert photos.read("v20251201/real_streetlook/query.parquet#0") == (folder / "named.png").read_bytes()
    with pytest.raises(MissingPhotoError):
        photos.read("v20251201/real_streetlook/query.parquet#1")
    with pytest.raises(PhotoError, match="must be relative to the root"):
        photos.read("v20251201/real_streetlook/query.parquet#2")
    table(folder / "query.parquet", image=[png("red"), None], item_ID=["1", "2"])
    photos = load("lookbench", options(root)).photos
    assert np.asarray(Image.open(io.BytesIO(photos.read("v20251201/real_streetlook/query.parquet#0")))).shape == (
        6,
        8,
        3,
    )
    with pytest.raises(MissingPhotoError):
        photos.read("v20251201/real_streetlook/query.parquet#1")


QUERY = "v20251201/real_streetlook/query.parquet"


def present(root: Path, cells: Any) -> list[bool]:
    """Which query photos are there, held against reading them."""
    table(root / QUERY, image=cells, item_ID=[str(i) for i in range(len(cells))])
    photos = load("lookbench", options(root)).photos
    sources = [f"{QUERY}#{i}" for i in range(len(cells))]
    found = photos.present(reversed(sources)).tolist()[::-1]
    for source, there in zip(sources, found, strict=True):
        if there:
            photos.read(source)
        else:
            with pytest.raises(PhotoError):
                photos.read(source)
    return found


def test_photos_that_are_not_there_are_known_without_reading(root: Path) -> None:
    photo((root / QUERY).parent / "below/named.png")
    (root / "out.png").touch()
    names = ["below/named.png", "gone.png", None, "below\\named.png", "../../out.png", ""]
    expected = [True, False, False, True, False, False]
    assert present(root, names) == expected
    assert present(root, pa.array(names).dictionary_encode()) == expected
    assert present(root, [{"bytes": None, "path": name} for name in names]) == expected
    assert present(root, [{"path": name} for name in names]) == expected
    held = [png("red"), None, None, None, png("blue"), png("green")]
    assert present(root, held) == [True, False, False, False, True, True]
    assert present(root, [{"bytes": b} for b in held] + [None]) == [True, False, False, False, True, True, False]
    both = [{"bytes": b, "path": name} for b, name in zip(held, names, strict=True)]
    assert present(root, both) == [True, False, False, True, True, True]
    assert present(root, [None, None]) == [False, False]
    assert present(root, [{"bytes": None, "path": None}]) == [False]


def test_check_counts_named_photos_that_are_missing(root: Path) -> None:
    photo((root / QUERY).parent / "named.png")
    table(root / QUERY, image=["named.png", "gone.png"], item_ID=["7", "8"])
    found = check.run("lookbench", options(root))
    assert found.photos_lost == 1 and found.search.queries_lost == 1


def test_which_photos_are_there_is_known_where_their_bytes_cannot_be_read(root: Path) -> None:
    cells = [{"bytes": png(colour), "path": "q.jpg"} for colour in ("red", "green", "blue")]
    table(root / QUERY, image=cells, item_ID=["1", "2", "3"])
    data = (root / QUERY).read_bytes()
    chunk = parquet.ParquetFile(root / QUERY).metadata.row_group(0).column(0)
    first = chunk.dictionary_page_offset or chunk.data_page_offset
    (root / QUERY).write_bytes(
        data[:first] + bytes(chunk.total_compressed_size) + data[first + chunk.total_compressed_size :]
    )
    photos = load("lookbench", options(root)).photos
    assert photos.present([f"{QUERY}#{i}" for i in range(3)]).all()
    with pytest.raises(PhotoError, match="not a sound Parquet table"):
        photos.read(f"{QUERY}#0")


@pytest.mark.parametrize(
    "cells", [[0.0, 1.5], [0, 10**12], [True, False], [[1, 2], [3]], [{"bytes": 7}] * 2, [{"url": "a"}] * 2]
)
def test_a_column_of_no_photos_is_one_line(root: Path, cells: list[Any]) -> None:
    table(root / QUERY, image=cells, item_ID=["1", "2"])
    with pytest.raises(
        FashretError, match=r"query\.parquet: the column image is of the type .*; expected bytes"
    ) as caught:
        load("lookbench", options(root))
    assert "\n" not in str(caught.value)
    with pytest.raises(PhotoError, match="holds no photo here"):
        ParquetPhotos(root).read(f"{QUERY}#1")


def test_a_table_without_its_identity_is_named(tmp_path: Path) -> None:
    table(tmp_path / "one/query.parquet", image=[{"bytes": png("red"), "path": None}], item_ID=["1"])
    table(tmp_path / "one/gallery.parquet", image=[{"bytes": png("red"), "path": None}], category=["coat"])
    with pytest.raises(FashretError, match=r"one/gallery\.parquet.*item_ID"):
        lookbench.read(tmp_path, CropFlags(root=tmp_path))


def test_the_only_subset_needs_no_name(tmp_path: Path) -> None:
    for part in ("query", "gallery"):
        table(tmp_path / f"one/{part}.parquet", image=[{"bytes": png("red"), "path": None}], item_ID=["1"])
    listing = lookbench.read(tmp_path, CropFlags(root=tmp_path))
    assert listing.name == "lookbench/one" and [row[3] for row in plain(listing.rows)] == ["query", "gallery"]
