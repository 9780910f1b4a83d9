"""`fashret export`: crops as COCO, whole or not at all."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fashret.errors import FashretError
from fashret.stages import export
from tests.conftest import make_rows, write_crops
from tests.dataset_case import photo

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_export_on_the_command_line(tmp_path: Path, fashret: Run) -> None:
    photo(tmp_path / "photos/p/street/a.png")
    photo(tmp_path / "photos/p/shop/b.png")
    assert fashret("crop", tmp_path / "photos", "-o", tmp_path / "c.h5").returncode == 0
    done = fashret("export", tmp_path / "c.h5", "-o", tmp_path / "coco", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "output": str(tmp_path / "coco"), "train": 0, "query": 1, "gallery": 1, "left_out": 0,
    }  # fmt: skip
    assert json.loads((tmp_path / "coco/gallery.json").read_text())["annotations"][0]["source"] == "shop"


def test_a_folder_that_holds_something_is_left_as_it_was(tmp_path: Path) -> None:
    crops = write_crops(tmp_path / "c.h5", make_rows(2))
    photo(tmp_path / "coco/old.jpg")
    with pytest.raises(FashretError, match="coco: is there already; give a new folder"):
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
