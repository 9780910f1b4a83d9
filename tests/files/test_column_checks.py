"""Columns of other software: any type and form that holds the same values is read, any other is one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.files import column_checks, hdf5
from fashret.files.columns import COLUMNS, RowFile
from fashret.files.crops import open_crops
from fashret.files.embeddings import open_embeddings
from tests.conftest import make_rows, write_crops, write_embeddings

ROWS = make_rows(4, category=np.array([0, 1, -1, 1], np.int16), categories=("tops", "bags"))


def replace(path: Path, name: str, values: Any) -> Path:
    with h5py.File(path, "r+") as file:
        del file[name]
        file[name] = values
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_embeddings(tmp_path / "a.emb.h5", ROWS, np.eye(4, dtype=np.float32))


def check_same(file: RowFile) -> None:
    for name in COLUMNS:
        found, expected = getattr(file, name), getattr(ROWS, name)
        assert found.dtype == expected.dtype and found.shape == expected.shape, name
        np.testing.assert_array_equal(found, expected)
    block = file.block(1, 3)
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(block, name), getattr(ROWS.take(slice(1, 3)), name))


TEXTS = {name: [str(text) for text in getattr(ROWS, name)] for name in ("crop_id", "source", "product")}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        *((name, np.array([text.encode() for text in texts])) for name, texts in TEXTS.items()),
        *((name, np.array(texts, object)[:, None]) for name, texts in TEXTS.items()),
        ("box", ROWS.box.astype(np.float64)),
        ("box", ROWS.box.astype(np.float16)),
        ("role", ROWS.role.astype(np.int64)),
        ("role", ROWS.role[:, None]),
        ("role", ROWS.role[:, None, None]),
        ("domain", ROWS.domain.astype(">u4")),
        ("category", ROWS.category.astype(np.int64)),
        ("category", ROWS.category.astype(np.int8)[:, None]),
        ("category", np.array([0, 1, -7, 1])),  # below zero: none
    ],
)
def test_the_same_values_in_another_form_are_read(path: Path, name: str, values: Any) -> None:
    with open_embeddings(replace(path, name, values)) as file:
        check_same(file)


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("source", np.arange(4), r"source should be N text and is int64 of shape \(4,\)"),
        ("source", np.array([["a", "b"]] * 4, object), r"source should be N text and is text of shape \(4, 2\)"),
        ("product", np.zeros(4, "V3"), r"product should be N text and is \|V3"),
        ("product", "p1", r"product should be N text and is text of shape \(\)"),
        ("box", np.zeros(4), r"box should be N×4 numbers and is float64 of shape \(4,\)"),
        ("box", np.zeros((4, 5)), r"box should be N×4 numbers"),
        ("box", np.zeros((4, 4), complex), r"box should be N×4 numbers and is complex128"),
        ("role", np.full(4, 6.0), r"role should be N whole numbers and is float64"),
        ("role", np.zeros((1, 4), int), r"role should be N whole numbers and is int64 of shape \(1, 4\)"),
        ("role", np.array([6, 256, 6, 6]), r"role 256 of row 1 is not one of 0 to 255"),
        ("role", np.array([6, 6, 6, -1]), r"role -1 of row 3 is not one of 0 to 255"),
        ("domain", np.array([0, 1, 2, 1]), r"domain 2 of row 2 is not one of 0 to 1"),
        ("category", np.array([0, 1, 40_000, 1]), r"category 40000 of row 2 is not one of -32,768 to 32,767"),
        ("category", np.array([0, 1, 2, 1]), r"category 2 of row 2 has no name among the 2 of"),
        ("category", np.array([0, 2**63, 2, 1], np.uint64), r"category 9223372036854775808 of row 1 is not one"),
        ("vectors", np.zeros(4), r"vectors should be N×D fractions and is float64 of shape \(4,\)"),
        ("vectors", np.zeros((4, 3), int), r"vectors should be N×D fractions and is int64"),
        ("vectors", np.zeros((4, 3, 1)), r"vectors should be N×D fractions and is float64 of shape \(4, 3, 1\)"),
        ("vectors", h5py.Empty("f4"), r"vectors should be N×D fractions"),
        ("domain", np.zeros(3, np.uint8), "columns differ in length: .*'domain': 3"),
    ],
)
def test_anything_else_is_one_line_and_closes_the_file(path: Path, name: str, values: Any, said: str) -> None:
    replace(path, name, values)
    for read in (lambda file: file.rows, lambda file: file.block(0, 4)):
        with pytest.raises(FashretError, match=said) as error, open_embeddings(path) as file:
            read(file)
        assert "\n" not in str(error.value)
        with h5py.File(path, "r+"):  # not while it is open anywhere
            pass


def test_a_group_is_no_column(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["role"]
        file["role/0"] = np.zeros(4)
    with pytest.raises(FashretError, match="lacks role; it holds"):
        open_embeddings(path)


def test_more_rows_than_bytes(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        for name in (*COLUMNS, "vectors"):
            kind, shape = file[name].dtype, file[name].shape[1:]
            del file[name]
            file.create_dataset(name, (1_000_000, *shape), kind, chunks=(1000, *shape))
    with pytest.raises(FashretError, match="a.emb.h5: claims 1,000,000 rows in [0-9,]+ bytes"):
        open_embeddings(path)


NAMES: dict[str, Callable[[h5py.File], None]] = {
    "list of strings": lambda file: file.attrs.create("categories", ["tops", "bags"], dtype=h5py.string_dtype()),
    "strings of fixed length": lambda file: file.attrs.create("categories", np.array([b"tops", b"bags"])),
    "column of strings": lambda file: file.attrs.create("categories", np.array([[b"tops"], [b"bags"]])),
    "JSON": lambda file: file.attrs.create("categories", '["tops", "bags"]'),
    "JSON as bytes": lambda file: file.attrs.create("categories", np.bytes_(b'["tops", "bags"]')),
    "JSON in an array of one": lambda file: file.attrs.create("categories", np.array([b'["tops", "bags"]'])),
    "JSON as a dataset": lambda file: file.create_dataset("categories", data='["tops", "bags"]'),
    "a dataset of strings": lambda file: file.create_dataset("categories", data=["tops", "bags"]),
}


@pytest.mark.parametrize("form", NAMES)
def test_names_of_categories_in_any_form(path: Path, form: str) -> None:
    with h5py.File(path, "r+") as file:
        del file.attrs["categories"]
        NAMES[form](file)
    with open_embeddings(path) as file:
        assert file.categories == ("tops", "bags")
        check_same(file)


def test_a_list_of_one_name_is_a_list(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["category"][:] = [0, 0, -1, 0]
        file.attrs["categories"] = ["tops"]
    with open_embeddings(path) as file:
        assert file.categories == ("tops",)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (None, "category 0 of row 0 has no name among the 0 of the attribute categories"),
        ("[]", "category 0 of row 0 has no name among the 0"),
        (["tops"], "category 1 of row 1 has no name among the 1"),
        ("tops", "the attribute categories is not JSON"),
        ("[1, 2]", "categories should be a list of texts"),
        ('{"tops": 0}', "the attribute categories should be a JSON list"),
        (np.arange(2), "the attribute categories is not JSON"),
        (5, "the attribute categories is not JSON"),
    ],
)
def test_missing_names_are_an_error(path: Path, names: Any, said: str) -> None:
    with h5py.File(path, "r+") as file:
        del file.attrs["categories"]
        if names is not None:
            file.attrs["categories"] = names
    with pytest.raises(FashretError, match=said), open_embeddings(path) as file:
        assert file.category is None


def test_without_categories_no_names_are_needed(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file.attrs["categories"]
        file["category"][:] = -1
    with open_embeddings(path) as file:
        assert file.categories == () and set(file.category) == {-1}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros((4, 8, 8), np.uint8), r"images should be N variable-length uint8 or N×H×W×3 uint8 and are uint8 of"),
        (np.zeros((4, 8, 8, 4), np.uint8), r"of shape \(4, 8, 8, 4\)"),
        (np.zeros((4, 8, 8, 3), np.float32), "are float32"),
        (np.array(["a"] * 4, object), "are object"),
        (np.zeros(4, np.uint8), r"are uint8 of shape \(4,\)"),
    ],
)
def test_images_are_bytes_or_frames(tmp_path: Path, values: Any, said: str) -> None:
    path = replace(write_crops(tmp_path / "a.h5", ROWS), "images", values)
    with pytest.raises(FashretError, match=said):
        open_crops(path)


@pytest.mark.parametrize("extent", [np.zeros((3, 2), int), np.zeros((4, 3), int), np.zeros((4, 2))])
def test_extents_are_checked(tmp_path: Path, extent: Any) -> None:
    path = replace(write_crops(tmp_path / "a.h5", ROWS), "images", np.zeros((4, 8, 8, 3), np.uint8))
    with h5py.File(path, "r+") as file:
        file["extent"] = extent
    with pytest.raises(FashretError, match="extent"):
        open_crops(path)


@pytest.mark.parametrize("version", [1, 1.0, "1", b"1", "1.0", np.array([1.0]), np.uint8(1), np.array([["1"]], "S1")])
def test_one_is_one(path: Path, version: Any) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = version
    with open_embeddings(path) as file:
        assert len(file) == 4


@pytest.mark.parametrize("version", [0, -1, 1.5, "", "x", np.nan, np.inf, [1, 1], h5py.Empty("i4"), None])
def test_what_is_no_version_is_one_line(path: Path, version: Any) -> None:
    with h5py.File(path, "r+") as file:
        del file.attrs["format_version"]
        if version is not None:
            file.attrs["format_version"] = version
    with pytest.raises(FashretError, match="has format version .* reads 1 to 1: write the file again"):
        open_embeddings(path)


def test_a_newer_version_asks_for_a_newer_fashret(path: Path) -> None:
    for version in (2, "2", 99.0):
        with h5py.File(path, "r+") as file:
            file.attrs["format_version"] = version
        with pytest.raises(FashretError, match="use a newer fashret"):
            open_embeddings(path)


def test_the_columns_that_are_written_are_those_that_are_read() -> None:
    assert list(column_checks.ROW_COLUMNS) == ["crop_id", "source", "product", "box", "role", "domain", "category"]
    assert set(column_checks.ROW_COLUMNS) == set(COLUMNS) and hdf5.storable("ü")
