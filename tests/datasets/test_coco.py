"""COCO with pair_id and source: what the centroids-reid code writes is read, and what is written is read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fashret.datasets import coco
from fashret.datasets.readers import load
from fashret.errors import FashretError
from fashret.files.crops import open_crops
from fashret.options import CropOptions
from fashret.stages import export
from tests.conftest import make_rows, write_crops
from tests.dataset_case import photo, plain, write

AS_IT_IS, UPRIGHT = (4, 5, 19, 25), (35, 4, 55, 19)  # one bbox in pixels as stored, if it is so or upright
NAMED = [{"id": 0, "name": "bags"}, {"id": 10, "name": "tops"}]


def image(number: int, name: str) -> dict[str, Any]:
    return {"id": number, "file_name": name, "width": 320, "height": 320, "license": 0, "coco_url": ""}


def annotation(number: int, of: int, pair: int, source: str, **more: Any) -> dict[str, Any]:
    return {
        "id": number, "image_id": of, "category_id": 0, "segmentation": "", "area": 0, "bbox": "", "iscrowd": 0,
        "pair_id": pair, "style": 0, "source": source, **more,
    }  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    train = {
        "images": [image(1, "000000001_0_0.jpg"), image(2, "000000009_0_0.jpg")],
        "annotations": [annotation(1, 1, 0, "user"), annotation(2, 2, 0, "shop")],
        "categories": NAMED,
    }
    query = {
        "images": [image(3, "000000002_0_0.jpg")],
        "annotations": [
            annotation(1, 3, 0, "user", category_id=10, bbox=[4, 5.5, 20, 10]),
            annotation(2, 3, 1, "user"),
        ],
        "categories": NAMED,
    }
    gallery = {
        "images": [image(4, "000000005_0_0.jpg")],
        "annotations": [annotation(7, 4, 0, "shop", category_id=10)],
        "categories": NAMED,
    }
    for part, content in {"train": train, "query": query, "gallery": gallery}.items():
        write(tmp_path / f"meta_reid/{part}_coco_reid.json", content)
        (tmp_path / "320_320_cropped_images" / part).mkdir(parents=True)
    return tmp_path


def rows(root: Path) -> list[tuple[Any, ...]]:
    return plain(load("coco", CropOptions(root=root)).rows)


def test_rows_of_the_whole_layout(root: Path) -> None:
    folder = "320_320_cropped_images"
    assert rows(root) == [
        (f"{folder}/train/000000001_0_0.jpg", None, "train/0", "train", "street", "bags"),
        (f"{folder}/train/000000009_0_0.jpg", None, "train/0", "train", "shop", "bags"),
        (f"{folder}/query/000000002_0_0.jpg", (4, 5.5, 24, 15.5), "test/0", "query", "street", "tops"),
        (f"{folder}/query/000000002_0_0.jpg", None, "test/1", "query", "street", "bags"),
        (f"{folder}/gallery/000000005_0_0.jpg", None, "test/0", "gallery", "shop", "tops"),
    ]


def test_files_in_the_root_and_categories_without_names(root: Path) -> None:
    for path in (root / "meta_reid").iterdir():
        content = json.loads(path.read_text())
        del content["categories"]
        write(root / f"{path.name.partition('_')[0]}.json", content)
        (root / path.name.partition("_")[0]).mkdir()
    found = rows(root)
    assert [row[5] for row in found] == ["0", "0", "10", "0", "10"]
    assert found[0][0] == "train/000000001_0_0.jpg"


def test_pairs_of_train_and_of_query_and_gallery_are_kept_apart(root: Path) -> None:
    assert {row[2] for row in rows(root)} == {"train/0", "test/0", "test/1"}


def test_an_empty_bbox_is_a_photo_cropped_before_and_a_bbox_is_cut(root: Path) -> None:
    assert [row[1] for row in rows(root)][2:4] == [(4, 5.5, 24, 15.5), None]


@pytest.mark.parametrize(("size", "box"), [
    ((40, 60), UPRIGHT), ((60, 40), AS_IT_IS), (("40", None), AS_IT_IS), ((1, 2), AS_IT_IS), ((40.0, 60), AS_IT_IS),
])  # fmt: skip
def test_a_box_is_in_the_frame_that_the_declared_size_says(root: Path, size: Any, box: tuple[float, ...]) -> None:
    """The photo is stored with 60 x 40 pixels and shown with 40 x 60."""
    path = root / "meta_reid/query_coco_reid.json"
    content = json.loads(path.read_text())
    content["images"][0] |= {"width": size[0], "height": size[1]}
    content["annotations"][0]["bbox"] = [4, 5, 15, 20]
    write(path, content)
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.new("RGB", (60, 40)).save(root / "320_320_cropped_images/query/000000002_0_0.jpg", exif=exif)
    assert rows(root)[2][1] == box
    stored = plain(load("coco", CropOptions(root=root, boxes="stored")).rows)[2][1]
    upright = plain(load("coco", CropOptions(root=root, boxes="upright")).rows)[2][1]
    assert (stored, upright) == (AS_IT_IS, UPRIGHT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": 99}, "annotations, entry 0: image_id 99 is not among the images"),
        ({"source": "web"}, 'source is "web"; expected user or shop'),
        ({"pair_id": None}, "pair_id is null; expected a number"),
        ({"bbox": [1, 2, 3]}, "bbox: expected a list of four numbers"),
        ({"category_id": "x"}, 'category_id is "x"; expected a number'),
    ],
)
def test_a_wrong_annotation_names_file_and_entry(root: Path, change: dict[str, Any], message: str) -> None:
    path = root / "meta_reid/query_coco_reid.json"
    content = json.loads(path.read_text())
    content["annotations"][0].update(change)
    write(path, content)
    with pytest.raises(FashretError, match="query_coco_reid.json") as caught:
        rows(root)
    assert message in str(caught.value)


def test_a_missing_part_says_what_was_found(root: Path) -> None:
    (root / "meta_reid/gallery_coco_reid.json").unlink()
    with pytest.raises(FashretError, match=r"lacks a file gallery\*\.json; found meta_reid/query_coco_reid\.json"):
        rows(root)


def test_two_files_of_one_part_are_named(root: Path) -> None:
    write(root / "meta_reid/train_other.json", "{}")
    with pytest.raises(FashretError, match="several files train"):
        rows(root)


@settings(max_examples=40)
@given(content=st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["images", "annotations", "categories", "id", "image_id", "file_name", "pair_id", "source", "bbox"]), inner),
    max_leaves=14,
))  # fmt: skip
def test_any_json_gives_rows_or_one_line(tmp_path_factory: pytest.TempPathFactory, content: Any) -> None:
    root = tmp_path_factory.getbasetemp() / "fuzzed-coco"
    for part in ("train", "query", "gallery"):
        (root / part).mkdir(parents=True, exist_ok=True)
        write(root / f"{part}.json", {"images": [], "annotations": []})
    write(root / "query.json", json.dumps(content))
    try:
        found = rows(root)
    except FashretError as error:
        assert "\n" not in str(error)
    else:
        assert len(found) <= len(content["annotations"])


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    rows_written = make_rows(
        6,
        role=np.array([1, 1, 2, 2, 4, 5], np.uint8),
        domain=np.array([0, 1, 0, 0, 1, 1], np.uint8),
        product=np.array(["a", "a", "b", "c", "b", ""], object),
    )
    crops = open_crops(write_crops(tmp_path / "crops.h5", rows_written))
    assert coco.write(crops, tmp_path / "coco") == {"train": 3, "query": 2, "gallery": 2}
    listing = load("coco", CropOptions(root=tmp_path / "coco"))
    found = plain(listing.rows)
    assert [row[3] for row in found] == ["train"] * 3 + ["query"] * 2 + ["gallery"] * 2
    assert [row[4] for row in found] == ["street", "shop", "shop", "street", "street", "shop", "shop"]
    assert {row[5] for row in found} == {"tops"}
    train, query, gallery = found[:3], found[3:5], found[5:]
    assert train[0][2] == train[1][2] != train[2][2]  # the unlabelled row is a pair of its own
    assert query[0][2] == gallery[0][2]
    assert len({row[2] for row in query + gallery}) == 3
    for row, written in zip(found, [0, 1, 5, 2, 3, 4, 5], strict=True):
        stored = np.asarray(Image.open(tmp_path / "coco" / row[0]))
        np.testing.assert_array_equal(stored, crops.image(written))


def test_rows_without_a_category_have_none_when_read_back(tmp_path: Path) -> None:
    rows_written = make_rows(3, role=np.full(3, 4, np.uint8), category=np.array([-1, 0, -1], np.int16))
    coco.write(open_crops(write_crops(tmp_path / "crops.h5", rows_written)), tmp_path / "coco")
    rows_read = load("coco", CropOptions(root=tmp_path / "coco")).rows
    assert [row[5] != "" for row in plain(rows_read)] == [False, True, False]
    assert "none" not in rows_read.categories


def test_rows_that_the_format_has_no_place_for_are_counted(tmp_path: Path) -> None:
    rows_written = make_rows(4, role=np.array([4, 8, 0, 20], np.uint8))
    summary = export.run(write_crops(tmp_path / "crops.h5", rows_written), tmp_path / "coco")
    assert (summary.gallery, summary.left_out) == (2, 2)


def test_a_folder_that_holds_something_is_not_written_into(tmp_path: Path) -> None:
    crops = open_crops(write_crops(tmp_path / "crops.h5", make_rows(2)))
    photo(tmp_path / "coco/old.jpg")
    with pytest.raises(FashretError, match="already exists"):
        coco.write(crops, tmp_path / "coco")


def test_an_interrupted_export_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*given: object) -> None:
        raise KeyboardInterrupt

    crops = write_crops(tmp_path / "crops.h5", make_rows(4))
    monkeypatch.setattr(coco, "_annotation", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export.run(crops, tmp_path / "coco")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["crops.h5"]
