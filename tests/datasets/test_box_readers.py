"""Which reader finds the boxes of what a detector is to be trained on."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fashret.datasets.flags import CropFlags
from fashret.datasets.readers import BOX_READERS, COCO, READERS, load_boxes
from fashret.errors import FashretError
from fashret.files.columns import Role
from fashret.files.tables.boxes import Boxes
from fashret.files.tables.manifests import find_manifest, manifest_names
from tests.detector_case import draw

NOTES = {"images": [{"id": 1, "file_name": "1.jpg"}], "categories": [{"id": 1, "name": "bag"}],
         "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}]}  # fmt: skip


def boxes_of(manifest: Any, root: Path | None = None) -> Boxes:
    return load_boxes(str(manifest), CropFlags(root=root))


def test_every_dataset_that_is_good_for_detection_has_a_reader() -> None:
    boxed = {name for name in manifest_names() if find_manifest(name).boxed}
    assert boxed == {*COCO, *BOX_READERS, "deepfashion2", "street2shop", "deepfashion", "deepfashion-inshop"}
    assert all(name in (*COCO, *BOX_READERS, *READERS) for name in boxed)


def test_a_table_needs_no_products_and_keeps_its_roles(tmp_path: Path) -> None:
    split = ("train", "test", "val")
    table = draw(tmp_path, 6, split=lambda photo, garment: split[photo % 3], product=lambda photo, garment: "")
    rows = boxes_of(table).listing.rows
    assert [Role.TRAIN in Role(role) for role in rows.role.tolist()] == [True, False, False] * 2
    header, *lines = table.read_text().splitlines()
    place = header.split(",").index("product")
    cut = [",".join(c for i, c in enumerate(line.split(",")) if i != place) for line in (header, *lines)]
    table.write_text("\n".join(cut) + "\n")
    assert boxes_of(table).listing.rows.role.tolist() == rows.role.tolist() and boxes_of(table).annotated == ""


def test_a_coco_file_is_read_with_its_own_folder_or_the_root(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "photos" / "1.jpg")
    (tmp_path / "notes.json").write_text(json.dumps(NOTES))
    found = boxes_of(tmp_path / "notes.json")
    assert found.annotated == "all" and found.listing.rows.source.tolist() == ["photos/1.jpg"]
    assert boxes_of(tmp_path / "notes.json", tmp_path / "photos").listing.rows.source.tolist() == ["1.jpg"]
    assert boxes_of("modanet", tmp_path).listing.name == "modanet"


def test_deepfashion2_has_all_garments_of_a_photo(tmp_path: Path) -> None:
    item = {
        "category_id": 1,
        "category_name": "short sleeve top",
        "style": 1,
        "bounding_box": [1, 2, 9, 9],
        "segmentation": [[1, 2, 9, 2, 9, 9]],
    }
    photo = {
        "source": "shop",
        "pair_id": 1,
        "item1": item,
        "item2": item | {"style": 0, "bounding_box": [3, 3, 8, 8], "segmentation": []},
    }
    for part in ("train", "validation"):
        (tmp_path / part / "annos").mkdir(parents=True)
        (tmp_path / part / "annos" / "000001.json").write_text(json.dumps(photo))
    found = boxes_of("deepfashion2", tmp_path)
    assert found.annotated == "all" and len(found.outlines) == 4 and found.outlines[1] is None
    assert found.outlines[0] is not None and found.outlines[0].polygons[0].shape == (3, 2)
    trained = found.listing.rows.take(found.listing.rows.with_role(Role.TRAIN))
    assert trained.box.tolist() == [[1, 2, 9, 9], [3, 3, 8, 8]]


def test_what_has_no_boxes_is_one_line(tmp_path: Path) -> None:
    cases = {
        ("lookbench", tmp_path): "has no boxes to learn from; `fashret datasets` says what is good for detection",
        ("zalando", tmp_path): "has no boxes to learn from",
        ("street2shop", None): "street2shop: pass its folder with --root FOLDER",
        (str(tmp_path), None): "a folder of photos has no boxes; give a table, or a COCO file and --root",
        ("nothing", None): "nothing: no such file or folder",
        ("nothing.json", None): "nothing.json: no such file",
        ("a.csv", tmp_path / "gone"): "gone: no such folder",
    }
    for (manifest, root), words in cases.items():
        with pytest.raises(FashretError, match=re.escape(words)) as caught:
            boxes_of(manifest, root)
        assert "\n" not in str(caught.value)
