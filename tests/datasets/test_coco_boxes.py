"""COCO files of boxes as they are found: what they lack, repeat or have in another form."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fashret.datasets.coco_boxes import AGAIN, CROWDS, WITHOUT_BOX, annotation_files, read
from fashret.errors import FashretError
from fashret.files.columns import Role

CATEGORIES = [{"id": 1, "name": "bag"}, {"id": 2, "name": "hat"}]
IMAGES: list[dict[str, Any]] = [{"id": 1, "file_name": "1.jpg", "width": 40, "height": 30}]
NOTE: dict[str, Any] = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 10, 20]}


def write(root: Path, name: str = "train.json", **content: Any) -> Path:
    (root / "photos").mkdir(exist_ok=True)
    Image.new("RGB", (40, 30)).save(root / "photos" / "1.jpg")
    whole = {"images": IMAGES, "annotations": [NOTE], "categories": CATEGORIES} | content
    (root / name).write_text(json.dumps(whole))
    return root / name


def test_boxes_become_rows(tmp_path: Path) -> None:
    notes = [NOTE, NOTE | {"id": 2, "category_id": 2, "bbox": [0.5, 0, 4, 4.5]}]
    listing, crowd, outlines = read([write(tmp_path, annotations=notes)], tmp_path, "mine")
    assert listing.rows.source.tolist() == ["photos/1.jpg"] * 2  # by its name, wherever it is
    assert listing.rows.box.tolist() == [[1, 2, 11, 22], [0.5, 0, 4.5, 4.5]]
    assert [listing.rows.categories[i] for i in listing.rows.category] == ["bag", "hat"]
    assert listing.rows.role.tolist() == [Role.TRAIN] * 2 and crowd.tolist() == [False, False] and not listing.notes
    assert outlines == [None, None]


def test_the_name_of_a_file_says_what_it_is_for(tmp_path: Path) -> None:
    for name in ("instances_train2020.json", "instances_val2020.json", "instances_test.json"):
        write(tmp_path, name, annotations=[NOTE | {"bbox": [len(name), 1, 2, 3]}])
    files = annotation_files(tmp_path)
    rows = read(files, tmp_path, "mine")[0].rows
    assert [path.name for path in files] == sorted(path.name for path in files) and len(files) == 3
    assert rows.role.tolist() == [Role.QUERY, Role.TRAIN, Role.VAL_QUERY]


def test_what_files_lack_repeat_or_have_in_another_form(tmp_path: Path) -> None:
    rle = {"counts": "abc", "size": [30, 40]}
    images = [{"id": "a-1", "file_name": "1.jpg"}, {"id": "a-1", "file_name": "1.jpg"}]
    base = {"image_id": "a-1", "category_id": 1}
    notes = [
        base | {"bbox": [1, 1, 5, 5], "iscrowd": 1, "segmentation": rle},
        base | {"bbox": [2, 2, 5, 5], "iscrowd": 0, "segmentation": rle},
        base | {"bbox": [2, 2, 5, 5]},
        base | {"segmentation": [[3, 4, 13, 4, 13, 24], [1, 5, 2, 5, 2, 6]]},
        base | {"segmentation": rle},
        base | {"bbox": []},
        base | {"bbox": [5, 5, 0, 4]},
    ]
    listing, crowd, outlines = read([write(tmp_path, images=images, annotations=notes)], tmp_path, "mine")
    assert listing.rows.box.tolist() == [[1, 1, 6, 6], [2, 2, 7, 7], [1, 4, 13, 24], [5, 5, 5, 9]]
    assert crowd.tolist() == [True, False, False, False]
    assert [None if each is None else len(each.polygons) for each in outlines] == [None, None, 2, None]
    assert listing.notes == {WITHOUT_BOX: 2, AGAIN: 1, CROWDS: 1}


def test_without_categories_their_numbers_are_the_names(tmp_path: Path) -> None:
    listing, *_ = read([write(tmp_path, categories=None, annotations=[NOTE | {"category_id": 7}])], tmp_path, "mine")
    assert listing.rows.categories == ("7",)


def test_sizes_tell_boxes_of_upright_photos(tmp_path: Path) -> None:
    notes = [NOTE | {"segmentation": [[1, 2, 11, 2, 11, 22]]}]
    path = write(tmp_path, images=[IMAGES[0] | {"width": 30, "height": 40}], annotations=notes)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(tmp_path / "photos" / "1.jpg", exif=exif)
    listing, _, [outline] = read([path], tmp_path, "mine")
    assert np.array_equal(listing.rows.box, [[2, 19, 22, 29]]) and outline is not None and outline.upright


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"images": {}}, "train.json, images: expected a list of objects"),
        ({"images": [{"file_name": "1.jpg"}]}, "images, entry 0: lacks id"),
        ({"images": [*IMAGES, {"id": 1, "file_name": "2.jpg"}]}, 'entry 1: id 1 is that of "1.jpg" already'),
        ({"images": [IMAGES[0] | {"file_name": "../1.png"}]}, "paths must be relative to the root and stay inside"),
        ({"annotations": [NOTE | {"image_id": 5}]}, "entry 0: image_id 5 is not among the images"),
        ({"annotations": [NOTE | {"category_id": 5}]}, "category_id 5 is not among the categories 1, 2"),
        ({"annotations": [NOTE | {"bbox": [1, 2, 3]}]}, "bbox: expected a list of four numbers"),
        ({"annotations": [NOTE | {"bbox": [1, 2, "a", 3]}]}, "expected a number"),
        (
            {"annotations": [NOTE, {"image_id": 1, "category_id": 1, "segmentation": [[0, 0, 10**400, 1, 2, 3]]}]},
            "annotations, entry 1, segmentation, polygon 0: expected pairs of finite numbers, one is not below",
        ),
        (
            {"annotations": [{"image_id": 1, "category_id": 1, "segmentation": [[0, 0, 1, 1, 2, 3, 4]]}]},
            "annotations, entry 0, segmentation, polygon 0: expected pairs of finite numbers, it has 7",
        ),
        ({"categories": [*CATEGORIES, {"id": 1, "name": "top"}]}, 'categories, entry 2: id 1 is "bag" already'),
        ({"categories": [{"id": 1}]}, "categories, entry 0: lacks name"),
    ],
)
def test_nonsense_is_one_line(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    with pytest.raises(FashretError, match=re.escape(message)) as caught:
        read([write(tmp_path, **content)], tmp_path, "mine")
    assert "\n" not in str(caught.value)


def test_files_that_are_no_coco_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(FashretError, match=r"a.json: expected COCO: an object with images and annotations"):
        read([tmp_path / "a.json"], tmp_path, "mine")
    (tmp_path / "a.json").unlink()
    with pytest.raises(FashretError, match="holds no JSON file of annotations"):
        annotation_files(tmp_path)


def test_photos_of_one_name_in_several_folders(tmp_path: Path) -> None:
    images = [{"id": i, "file_name": f"{folder}/1.jpg"} for i, folder in enumerate(("b", "a"))]
    path = write(tmp_path, images=images, annotations=[NOTE | {"image_id": 1}, NOTE | {"image_id": 0}])
    for folder in ("a", "b"):
        (tmp_path / "photos" / folder).mkdir()
        (tmp_path / "photos/1.jpg").rename(tmp_path / "photos" / folder / "1.jpg")
        Image.new("RGB", (40, 30)).save(tmp_path / "photos/1.jpg")
    assert read([path], tmp_path, "mine")[0].rows.source.tolist() == ["photos/a/1.jpg", "photos/b/1.jpg"]
    path = write(tmp_path)
    (tmp_path / "photos/1.jpg").unlink()
    with pytest.raises(FashretError, match=r"name 1 photos .*'1.jpg' can be 'photos/a/1.jpg' or 'photos/b/1.jpg'"):
        read([path], tmp_path, "mine")
