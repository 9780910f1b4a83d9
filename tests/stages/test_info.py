"""`fashret info`: what each kind of file is, without reading its images or vectors."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from fashret.errors import FashretError
from fashret.files import hdf5, models
from fashret.files.columns import Role
from fashret.options import SearchOptions
from fashret.stages import info, search
from tests.conftest import invoke, make_rows, write_crops, write_embeddings
from tests.dataset_case import photo, write
from tests.files.test_further_columns import column as further_column

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
    monkeypatch.setattr(info, "_counts", lambda *_: {"rows": {"rows": 1234567, "sorted": True}})
    shown = invoke("info", write_crops(tmp_path / "a.h5", make_rows(1))).stdout
    assert "1,234,567" in shown and "True" in shown


def test_json_in_a_file_is_json_of_the_result(tmp_path: Path) -> None:
    path = write_embeddings(tmp_path / "a.emb.h5", make_rows(8), np.eye(8, dtype=np.float32), {"settings": {"dim": 4}})
    search.run(path, None, tmp_path / "r.h5", SearchOptions(k=3))
    shown = json.loads(invoke("info", tmp_path / "r.h5", "--json").stdout)
    about = shown["attributes"]
    assert about["options"]["k"] == 3 and about["reranking"] == {} and about["query"]["path"] == "a.emb.h5"
    assert set(shown["made from"]["a.emb.h5"]) == {"size", "digest"}
    assert shown["made from"]["a.emb.h5"]["size"] == path.stat().st_size
    assert info.run(path).sections["attributes"]["model"] == {"settings": {"dim": 4}}
    lines = [line.split(None, 1) for line in invoke("info", tmp_path / "r.h5").stdout.splitlines()]
    text = {name: value for name, value in (line for line in lines if len(line) == 2)}
    assert "k 3, " in text["options"] and text["reranking"] == "–" and text["query"].startswith("path a.emb.h5, size ")
    assert text["a.emb.h5"].startswith("size ")


def test_long_json_is_shown_as_well(tmp_path: Path) -> None:
    path = write_embeddings(tmp_path / "a.emb.h5", make_rows(2), np.eye(2, dtype=np.float32))
    with h5py.File(path, "r+") as file:
        del file.attrs["options"]
        hdf5.write_json(file, "options", {"names": ["x" * 100] * 1000})
        assert "options" in file
    assert len(info.run(path).sections["attributes"]["options"]["names"]) == 1000


def test_inputs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    path = write_crops(tmp_path / "a.h5", make_rows(2))
    with h5py.File(path, "r+") as file:
        del file.attrs["inputs"]
        hdf5.write_json(file, "inputs", [{"name": "a.h5", "size": 1}, {"name": "a.h5", "size": 2}, 7])
    assert info.run(path).sections["made from"] == {"a.h5": {"size": 1}, "a.h5 (2)": {"size": 2}}


def test_rows_are_counted_block_by_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    products = np.array(["", *(f"p{i}" for i in range(40))], object)[generator.integers(0, 41, 200)]
    columns = {
        "product": products,
        "role": generator.integers(0, 32, 200, np.uint8),
        "domain": generator.integers(0, 2, 200, np.uint8),
        "category": generator.integers(-1, 2, 200).astype(np.int16),
    }
    rows = make_rows(200, **columns, categories=("a", "b"))
    path = write_embeddings(tmp_path / "a.h5", rows, np.zeros((200, 2), np.float32))
    monkeypatch.setattr(info, "BLOCK", 7)
    found = info.run(path).sections
    assert found["rows"] == {
        "rows": 200,
        "products": len(set(products) - {""}),
        "unlabelled": int((products == "").sum()),
    }
    assert found["roles"] == {role.name.lower(): int((columns["role"] & role > 0).sum()) for role in Role}
    for title, column, names in (("categories", "category", "ab"), ("domains", "domain", ("street", "shop"))):
        assert found[title] == {name: int((columns[column] == i).sum()) for i, name in enumerate(names)}


def test_further_columns_are_counted_block_by_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    further = {
        "title": further_column("text", ["a", None, "c", "d", "e"]),
        "price": further_column("number", [19.5, None, 5.0, 7.0, None]),
        "sale": further_column("boolean", [True, None, None, None, False]),
        "added": further_column("date", [None, "2026-11-29", "2026-01-01T08:30:00", None, None]),
        "seen": further_column("date", ["2026-11-29T06:30:00Z", None, None, "2026-11-29T06:30:00.500000Z", None]),
        "note": further_column("empty", [None] * 5),
    }
    rows = make_rows(5, further=further)
    monkeypatch.setattr(info, "BLOCK", 2)
    for path in (
        write_embeddings(tmp_path / "a.emb.h5", rows, np.eye(5, dtype=np.float32)),
        write_crops(tmp_path / "a.crops.h5", rows),
    ):
        assert info.run(path).sections["columns"] == {
            "title": "text, 4 of 5 rows",
            "price": "number, 3 of 5 rows, 5 to 19.5",
            "sale": "boolean, 2 of 5 rows",
            "added": "date, 2 of 5 rows, 2026-01-01T08:30:00 to 2026-11-29",
            "seen": "date, 2 of 5 rows, 2026-11-29T06:30:00Z to 2026-11-29T06:30:00.500000Z",
            "note": "empty, 0 of 5 rows",
        }
    (tmp_path / "a.csv").write_text("image,product,n\na.jpg,p,3\nb.jpg,p,\n")
    assert info.run(tmp_path / "a.csv").sections["columns"] == {"n": "integer, 1 of 2 rows, 3 to 3"}


def test_of_many_attributes_and_datasets_some_are_shown(tmp_path: Path) -> None:
    path = write_crops(tmp_path / "a.h5", make_rows(2))
    with h5py.File(path, "r+") as file:
        before = len(set(file.attrs) - {"format", "categories", "inputs"})
        for i in range(300):
            file.attrs[f"z{i:03}"] = np.arange(1000)
            file[f"more/{i:03}"] = i
        file.attrs["a reference"], file.attrs["nothing"] = file.ref, h5py.Empty("f4")
    shown = json.loads(invoke("info", path, "--json").stdout)
    assert shown["attributes"]["not shown"] == before + 302 - 100 and len(shown["attributes"]) == 101
    assert shown["attributes"]["z000"] == list(range(100)) and len(shown["datasets"]) == 101


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("customer.jpg", b"\xff\xd8\xff\xe0", "is a JPEG photo; to find it in a catalogue: fashret search .* --image "),
        ("empty.h5", b"", "is an empty file; a copy or a download was interrupted"),
        ("a.h5.spool", b'{"format": "fashret.spool", "version": 1}\nBLOCK', "is finished work of an interrupted run"),
        ("notes.txt", b"notes", "is a text file; fashret info says what fashret's files are"),
    ],
)
def test_what_is_no_file_of_fashret_is_called_what_it_is(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FashretError, match=f"{name}: {said}"):
        info.run(tmp_path / name)


def test_out_of_memory_is_one_line_about_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(info, "_counts", none)
    with pytest.raises(FashretError, match="a.h5: cannot be described in the memory that is free"):
        info.run(write_crops(tmp_path / "a.h5", make_rows(1)))


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


@pytest.mark.parametrize("kind", models.KINDS, ids=lambda kind: kind.what)
def test_folders_of_models_and_of_detectors(tmp_path: Path, kind: models.FolderKind) -> None:
    about = {"settings": {kind.setting: "x"}, "classes": ["a", "b"], "validation": {"AP50": 0.5}}
    models.write_model(tmp_path, {"a": torch.zeros(1)}, about, kind)
    for path in (tmp_path, tmp_path / kind.description):
        found = info.run(path)
        assert found.kind == f"fashret.{kind.what}" and found.sections["validation"] == {"AP50": 0.5}
        assert found.sections[kind.what]["classes"] == 2
