"""`fashret export` by its input: crops as COCO, whole or not at all, embeddings as a table, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.stages import export
from tests.conftest import invoke, make_rows, write_crops, write_embeddings
from tests.dataset_case import photo


def test_export_on_the_command_line(tmp_path: Path) -> None:
    photo(tmp_path / "photos/p/street/a.png")
    photo(tmp_path / "photos/p/shop/b.png")
    assert invoke("crop", tmp_path / "photos", "-o", tmp_path / "c.h5").returncode == 0
    done = invoke("export", tmp_path / "c.h5", "-o", tmp_path / "coco", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "output": str(tmp_path / "coco"), "train": 0, "query": 1, "gallery": 1, "left_out": 0,
    }  # fmt: skip
    assert json.loads((tmp_path / "coco/gallery.json").read_text())["annotations"][0]["source"] == "shop"


def test_a_folder_that_holds_something_is_left_as_it_was(tmp_path: Path) -> None:
    crops = write_crops(tmp_path / "c.h5", make_rows(2))
    photo(tmp_path / "coco/old.jpg")
    with pytest.raises(FashretError, match="coco: already exists; give a new folder"):
        export.run(crops, tmp_path / "coco")
    assert [path.name for path in (tmp_path / "coco").iterdir()] == ["old.jpg"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    crops = write_crops(tmp_path / "c.h5", make_rows(4))  # query and gallery
    (tmp_path / "coco").mkdir()
    summary = export.run(crops, tmp_path / "coco")
    assert (summary.train, summary.query, summary.gallery, summary.left_out) == (0, 4, 4, 0)
    assert (tmp_path / "coco/query.json").is_file()


def test_what_is_no_crops_file_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "c.h5").write_text("no HDF5")
    with pytest.raises(FashretError, match=r"c\.h5"):
        export.run(tmp_path / "c.h5", tmp_path / "coco")
    assert [path.name for path in tmp_path.iterdir()] == ["c.h5"]


@pytest.mark.parametrize(
    ("source", "output", "said"),
    [
        (
            "crops.h5",
            "a.parquet",
            r"crops\.h5: is crops\.h5, which is not exported to \.parquet; there is crops\.h5 to a",
        ),
        ("crops.h5", "a.onnx", r"is crops\.h5, which is not exported to \.onnx"),
        ("a.emb.h5", "folder", r"is embeddings\.h5, which is not exported to a folder"),
        ("a.emb.h5", "a.ONNX", r"is embeddings\.h5, which is not exported to \.onnx"),
        ("model", "a.onnx", r"is a model, which is not exported to \.onnx; .* a model to \.onnx is not available yet$"),
        ("model/model.json", "a.parquet", r"is a model, which is not exported to \.parquet"),
        ("none.h5", "a.parquet", r"none\.h5: no such file"),
        ("a.emb.h5", "missing/a.parquet", "does not exist"),
    ],
)
def test_other_pairs_are_named_in_one_line(tmp_path: Path, source: str, output: str, said: str) -> None:
    folder = tmp_path
    write_crops(folder / "crops.h5", make_rows(2))
    write_embeddings(folder / "a.emb.h5", make_rows(2), np.ones((2, 3), np.float32))
    (folder / "model").mkdir()
    (folder / "model/model.json").write_text("{}")
    before = sorted(folder.rglob("*"))
    with pytest.raises(FashretError, match=said) as error:
        export.run(folder / source, folder / output)
    assert "\n" not in str(error.value) and sorted(folder.rglob("*")) == before


def test_embeddings_become_a_table_on_the_command_line(tmp_path: Path) -> None:
    catalogue = write_embeddings(tmp_path / "a.emb.h5", make_rows(5), np.ones((5, 3), np.float32))
    done = invoke("export", catalogue, "-o", tmp_path / "a.parquet", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"output": str(tmp_path / "a.parquet"), "rows": 5, "width": 3}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.emb.h5", "a.parquet"]
