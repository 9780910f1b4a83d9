"""`fashret info`: what each kind of file is, without reading its images or vectors."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.files.columns import Role
from fashret.options import SearchOptions
from fashret.stages import info, search
from tests.conftest import invoke, make_rows, write_crops, write_embeddings
from tests.dataset_case import photo, write

ROLES = np.array([1, 2, 4, 4, 6, 0], np.uint8)


def test_crops(tmp_path: Path) -> None:
    rows = make_rows(6, role=ROLES, product=np.array(["a", "a", "b", "", "b", ""], object))
    found = info.run(write_crops(tmp_path / "a.crops.h5", rows))
    assert found.kind == "fashret.crops" and found.path == tmp_path / "a.crops.h5"
    assert found.sections["rows"] == {"rows": 6, "products": 2, "unlabelled": 2}
    assert found.sections["roles"] == {"train": 1, "query": 2, "gallery": 3}
    assert found.sections["domains"] == {"shop": 6} and found.sections["categories"] == {"tops": 6}
    assert found.sections["datasets"]["images"] == "6  variable-length uint8  chunked"
    assert found.sections["attributes"]["dataset"] == "test"


def test_embeddings_and_a_ranking_say_what_they_were_made_from(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    path = write_embeddings(tmp_path / "a.emb.h5", make_rows(8), vectors)
    assert info.run(path).sections["datasets"]["vectors"] == "8 × 4  float32  contiguous"
    search.run(path, None, tmp_path / "r.h5", SearchOptions(k=3))
    found = info.run(tmp_path / "r.h5")
    assert found.kind == "fashret.ranking"
    assert found.sections["rows"] == {"queries": 8, "results per query": 3, "positives": 8}
    assert list(found.sections["made from"]) == ["a.emb.h5"]


def test_many_categories_are_counted(tmp_path: Path) -> None:
    names = tuple(f"c{i}" for i in range(51))
    rows = make_rows(2, category=np.array([0, 50], np.int16), categories=names)
    assert info.run(write_crops(tmp_path / "a.h5", rows)).sections["categories"] == {"number": 51}


def test_a_table_and_a_folder_are_listings(tmp_path: Path) -> None:
    for name in ("p/street/a.png", "p/shop/b.png"):
        photo(tmp_path / "photos" / name)
    found = info.run(tmp_path / "photos")
    assert found.kind == "manifest" and found.sections["roles"] == {"query": 1, "gallery": 1}
    path = write(tmp_path / "c.csv", "image,product\na.png,p\na.png,p\nb.png,\n")
    found = info.run(path)
    assert found.sections["rows"] == {"rows": 2, "products": 1, "unlabelled": 1}
    assert found.sections["found"]["repeats"] == 1


def test_the_command_prints_names_as_they_are(tmp_path: Path) -> None:
    rows = make_rows(2, categories=("[bold]bags",))
    path = write_crops(tmp_path / "a.h5", rows)
    shown = invoke("info", path)
    assert shown.returncode == 0 and "[bold]bags" in shown.stdout and "fashret.crops" in shown.stdout
    assert json.loads(invoke("info", path, "--json").stdout)["categories"] == {"[bold]bags": 2}


def test_large_numbers_are_grouped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(info, "_counts", lambda file: {"rows": {"rows": 1234567, "sorted": True}})
    shown = invoke("info", write_crops(tmp_path / "a.h5", make_rows(1))).stdout
    assert "1,234,567" in shown and "True" in shown


def test_what_fashret_does_not_know_is_one_line(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.attrs["format"] = "somebody.else"
    with pytest.raises(FashretError, match="is a somebody.else file; fashret knows fashret.crops, "):
        info.run(tmp_path / "other.h5")
    with h5py.File(tmp_path / "bare.h5", "w"):
        pass
    with pytest.raises(FashretError, match="an HDF5 file without the attribute `format`"):
        info.run(tmp_path / "bare.h5")
    with pytest.raises(FashretError, match="no such file"):
        info.run(tmp_path / "none.h5")


def test_every_role_is_named() -> None:
    assert {role.name for role in Role} == {"TRAIN", "QUERY", "GALLERY", "VAL_QUERY", "VAL_GALLERY"}
