"""DeepFashion2: a small copy of its annotations, rows typed by hand, each of its traps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashret.datasets.deepfashion2 import LEFT_OUT
from fashret.datasets.readers import load
from fashret.errors import FashretError
from fashret.options import CropOptions
from tests.dataset_case import plain, write

TOP = {"category_id": 1, "category_name": "short sleeve top", "style": 1, "bounding_box": [10, 20, 110, 220]}
SKIRT = {"bounding_box": [5, 200, 120, 400], "style": 2, "category_name": "skirt", "category_id": 9}
PLAIN = {"segmentation": [[1, 2, 3]], "style": 0, "category_id": 8, "bounding_box": [1, 2, 30, 40], "scale": 3}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    annos = tmp_path / "train/annos"
    write(annos / "000001.json", {"item2": SKIRT, "pair_id": 7, "item1": TOP, "source": "user"})
    write(annos / "000002.json", {"source": "shop", "pair_id": 7, "item1": TOP, "item2": PLAIN})
    annos = tmp_path / "validation/annos"
    write(annos / "000001.json", {"source": "user", "pair_id": 7, "item1": TOP, "item10": SKIRT, "item2": PLAIN})
    write(annos / "000002.json", {"source": "shop", "pair_id": 7, "item1": TOP, "item2": PLAIN})
    return tmp_path


def rows(root: Path) -> list[tuple[Any, ...]]:
    return plain(load("deepfashion2", CropOptions(root=root)).rows)


TOP_BOX, SKIRT_BOX, PLAIN_BOX = (10, 20, 110, 220), (5, 200, 120, 400), (1, 2, 30, 40)


def test_rows_of_the_whole_layout(root: Path) -> None:
    assert rows(root) == [
        ("train/image/000001.jpg", TOP_BOX, "train/7/1", "train", "street", "short sleeve top"),
        ("train/image/000001.jpg", SKIRT_BOX, "train/7/2", "train", "street", "skirt"),
        ("train/image/000002.jpg", TOP_BOX, "train/7/1", "train", "shop", "short sleeve top"),
        ("validation/image/000001.jpg", TOP_BOX, "validation/7/1", "query", "street", "short sleeve top"),
        ("validation/image/000001.jpg", SKIRT_BOX, "validation/7/2", "query", "street", "skirt"),
        ("validation/image/000002.jpg", TOP_BOX, "validation/7/1", "gallery", "shop", "short sleeve top"),
        ("validation/image/000002.jpg", PLAIN_BOX, "", "gallery", "shop", "trousers"),
    ]


def test_key_order_is_arbitrary_and_items_are_in_the_order_of_their_numbers(root: Path) -> None:
    assert [row[2] for row in rows(root)[:2]] == ["train/7/1", "train/7/2"]
    assert [row[5] for row in rows(root)[3:5]] == ["short sleeve top", "skirt"]  # item1, item10; item2 has style 0


def test_style_0_is_a_distractor_of_the_gallery_and_left_out_elsewhere(root: Path) -> None:
    listing = load("deepfashion2", CropOptions(root=root))
    assert [row[3] for row in plain(listing.rows) if not row[2]] == ["gallery"]
    assert listing.notes == {LEFT_OUT: 2}


def test_an_item_may_have_any_number(root: Path) -> None:
    """Also one that Python does not turn into an integer."""
    long = f"item{'9' * 5000}"
    write(root / "train/annos/000001.json", {"source": "user", "pair_id": 7, long: SKIRT, "item3": TOP})
    assert [row[5] for row in rows(root)[:2]] == ["short sleeve top", "skirt"]


def test_another_style_of_the_same_pair_is_another_product(root: Path) -> None:
    write(root / "validation/annos/000002.json", {"source": "shop", "pair_id": 7, "item1": {**TOP, "style": 3}})
    street, _, shop = [row[2] for row in rows(root)[3:]]
    assert (street, shop) == ("validation/7/1", "validation/7/3")


def test_the_same_pair_and_style_in_another_part_is_another_product(root: Path) -> None:
    assert {row[2] for row in rows(root)} >= {"train/7/1", "validation/7/1"}


def test_a_missing_part_says_so(root: Path) -> None:
    (root / "validation").rename(root / "val")
    with pytest.raises(FashretError, match="annotations of validation .*holds train, val"):
        rows(root)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": "web"}, '000001.json: source is "web"; expected user or shop'),
        ({"source": 7}, 'source is "7"; expected user or shop'),
        ({"pair_id": "x"}, 'pair_id is "x"; expected a number'),
        ({"item1": {**TOP, "category_id": 14}}, "item1: category_id is 14; expected 1 to 13"),
        ({"item1": {**TOP, "bounding_box": [1, 2, 3]}}, "item1, bounding_box: expected a list of four numbers"),
        ({"item1": {**TOP, "bounding_box": [1, 2, 3, None]}}, "fourth is null; expected a number"),
        ({"item1": {**TOP, "style": 1.5}}, "style is 1.5; expected a whole number"),
        ({"item1": []}, "item1: expected an object"),
        ([], "expected an object, found []"),
    ],
)
def test_a_wrong_annotation_names_file_and_entry(root: Path, change: Any, message: str) -> None:
    whole = {"source": "user", "pair_id": 7, "item1": TOP}
    write(root / "train/annos/000001.json", {**whole, **change} if isinstance(change, dict) else change)
    with pytest.raises(FashretError, match="000001.json") as caught:
        rows(root)
    assert message in str(caught.value)


VALUE = st.none() | st.booleans() | st.integers(-3, 20) | st.floats() | st.text(max_size=3)
ITEM = st.fixed_dictionaries(
    {},
    optional={
        "style": VALUE,
        "category_id": VALUE | st.integers(1, 13),
        "bounding_box": VALUE | st.lists(st.integers(-5, 300), min_size=3, max_size=4),
    },
)


@settings(max_examples=60)
@given(source=VALUE | st.sampled_from(["user", "shop"]), pair=VALUE, items=st.lists(ITEM | VALUE, max_size=3))
def test_any_annotation_gives_rows_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, source: Any, pair: Any, items: list[Any]
) -> None:
    root = tmp_path_factory.getbasetemp() / "fuzzed-deepfashion2"
    numbered = {f"item{i}": item for i, item in enumerate(items, start=1)}
    write(root / "train/annos/000001.json", {"source": source, "pair_id": pair, **numbered})
    write(root / "validation/annos/000001.json", {"source": "shop", "pair_id": 1, "item1": TOP})
    try:
        found = rows(root)
    except FashretError as error:
        assert "\n" not in str(error)
    else:
        assert len(found) <= 1 + len(items)
