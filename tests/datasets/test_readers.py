"""Every readable dataset has a reader, which gets the flags of single datasets whatever it is called with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fashret.datasets import readers
from fashret.datasets.flags import CropFlags
from fashret.errors import FashretError
from fashret.files.tables.manifests import Listing, find_manifest
from fashret.options import CropOptions


@pytest.mark.parametrize("options", [CropOptions, CropFlags])
def test_a_reader_gets_every_flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: type) -> None:
    seen = []

    def read(root: Path, given: CropFlags) -> Listing:
        seen.append(given)
        raise FashretError("seen")

    monkeypatch.setitem(readers.READERS, "street2shop", read)
    with pytest.raises(FashretError, match="^seen$"):
        readers.load("street2shop", options(root=tmp_path, size=7))
    assert seen == [CropFlags(root=tmp_path, size=7)]


def test_every_reader_is_of_a_dataset_that_has_pairs() -> None:
    assert not [name for name in readers.READERS if find_manifest(name).no_pairs]


def test_a_public_dataset_needs_its_folder() -> None:
    with pytest.raises(FashretError, match="^coco: pass its folder with --root FOLDER$"):
        readers.load("coco", CropOptions())


def test_boxes_can_be_ignored(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("image,product,x1,y1,x2,y2\na.jpg,p,1,2,30,40\na.jpg,p,5,6,70,80\nb.jpg,p,,,,\n")
    found = readers.load(str(table), CropOptions(boxes="ignore"))
    assert found.rows.source.tolist() == ["a.jpg", "b.jpg"] and np.isnan(found.rows.box).all() and found.repeats == 1
