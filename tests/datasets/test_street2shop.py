"""Street2Shop: a faithful small copy of its layout, its rows typed by hand, and each of its traps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashret.datasets.flags import CropFlags
from fashret.datasets.readers import load
from fashret.datasets.street2shop import CATEGORIES, SHARED
from fashret.errors import FashretError
from tests.dataset_case import photo, plain, write

# as the files are: one line, keys in changing order, whole and broken numbers
TRAIN_BAGS = (
    '[{"photo": 14537, "product": 286, "bbox": {"width": 611, "top": 60, "height": 457, "left": 377}}, '
    '{"bbox": {"left": 10.5, "top": 0, "width": 100.25, "height": 80}, "product": 287, "photo": 3}]'
)
TEST_BAGS = (
    '[{"photo": 4, "product": 1, "bbox": {"width": 20, "top": 5, "height": 30, "left": 2}}, '
    '{"photo": 4, "product": 2, "bbox": {"width": 8, "top": 1, "height": 9, "left": 40}}]'
)
SHOP_BAGS = '[{"photo": 75161, "product": 1}, {"photo": 8, "product": 286}, {"photo": 9, "product": 999}]'
TEST_TOPS = '[{"photo": 14537, "product": 1, "bbox": {"width": 5, "top": 0, "height": 6, "left": 0}}]'
SHOP_TOPS = '[{"photo": 10, "product": 1}, {"photo": 11, "product": 1}, {"photo": 11, "product": 2}]'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    meta = tmp_path / "meta/json"
    for category in CATEGORIES:
        for kind in ("train_pairs", "test_pairs", "retrieval"):
            write(meta / f"{kind}_{category}.json", "[]")
    write(meta / "train_pairs_bags.json", TRAIN_BAGS)
    write(meta / "test_pairs_bags.json", TEST_BAGS)
    write(meta / "retrieval_bags.json", SHOP_BAGS)
    write(meta / "test_pairs_tops.json", TEST_TOPS)
    write(meta / "retrieval_tops.json", SHOP_TOPS)
    write(tmp_path / "photos/photos.txt", "000000001,http://example.com/a,b.jpg\n")
    for name in ("000014537.jpg", "000000003.jpeg", "000000004.png", "000075161.jpg", "000000010.JPG"):
        photo(tmp_path / "images" / name)
    return tmp_path


def rows(root: Path, **options: Any) -> list[tuple[Any, ...]]:
    return plain(load("street2shop", CropFlags(root=root, **options)).rows)


STREET = [
    ("images/000014537.jpg", (377, 60, 988, 517), "bags/286", "train", "street", "bags"),
    ("images/000000003.jpeg", (10.5, 0, 110.75, 80), "bags/287", "train", "street", "bags"),
    ("images/000000004.png", (2, 5, 22, 35), "bags/1", "query", "street", "bags"),
    ("images/000000004.png", (40, 1, 48, 10), "bags/2", "query", "street", "bags"),
]


def test_rows_of_the_whole_layout(root: Path) -> None:
    assert rows(root) == [
        *STREET,
        ("images/000075161.jpg", None, "bags/1", "gallery", "shop", "bags"),
        ("images/000000008.jpg", None, "bags/286", "train+gallery", "shop", "bags"),  # lost: the name it should have
        ("images/000000009.jpg", None, "bags/999", "gallery", "shop", "bags"),
        ("images/000014537.jpg", (0, 0, 5, 6), "tops/1", "query", "street", "tops"),
        ("images/000000010.JPG", None, "tops/1", "gallery", "shop", "tops"),
        ("images/000000011.jpg", None, "tops/1", "gallery", "shop", "tops"),
        ("images/000000011.jpg", None, "tops/2", "gallery", "shop", "tops"),
    ]


@pytest.mark.parametrize("folder", ["Src", "images", "photos/all"])
def test_photos_two_levels_deep_are_found(root: Path, folder: str) -> None:
    """As a copy of the dataset has them: Src/002/000002423.jpeg."""
    for path in list((root / "images").iterdir()):
        number = int(path.stem)
        (root / folder / f"{number % 3:03d}").mkdir(parents=True, exist_ok=True)
        path.rename(root / folder / f"{number % 3:03d}" / path.name)
    if folder != "images":
        (root / "images").rmdir()
    listing = load("street2shop", CropFlags(root=root))
    assert listing.photos.present(listing.rows.source).sum() == 7
    assert f"{folder}/{14537 % 3:03d}/000014537.jpg" in listing.rows.source


def test_numbers_are_whole_or_broken(root: Path) -> None:
    write(root / "meta/json/retrieval_bags.json", '[{"photo": 75161.0, "product": 1.0}]')
    found = rows(root)
    assert ("images/000075161.jpg", None, "bags/1", "gallery", "shop", "bags") in found
    assert found[1][1] == (10.5, 0, 110.75, 80)


def test_keys_stand_in_any_order(root: Path) -> None:
    one = '{"photo": 3, "product": 2, "bbox": {"left": 1, "top": 2, "width": 3, "height": 4}}'
    other = '{"bbox": {"height": 4, "width": 3, "top": 2, "left": 1}, "product": 2, "photo": 3}'
    found = []
    for entry in (one, other):
        write(root / "meta/json/test_pairs_hats.json", f"[{entry}]")
        found.append(rows(root))
    assert found[0] == found[1]


def test_shop_photos_have_no_box_and_are_whole(root: Path) -> None:
    assert {row[1] for row in rows(root) if row[4] == "shop"} == {None}


def test_addresses_are_cut_at_the_first_comma(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    note = "missing photos with an address in photos.txt"
    write(root / "photos/photos.txt", "000000008,http://example.com/a,9,b.jpg\n000000003,http://example.com\n")
    assert load("street2shop", CropFlags(root=root)).notes[note] == 1  # 8 is missing, and 9 and 11; 3 is there
    assert not caplog.text
    write(root / "photos/photos.txt", "000000008,http://example.com\nnothing\n9,\n" + "9" * 5000 + ",x\n")
    assert load("street2shop", CropFlags(root=root)).notes[note] == 1
    assert 'photos.txt: expected a photo\'s number, a comma, its address; found in line 2: "nothing"' in caplog.text


def test_product_numbers_restart_in_each_category(root: Path) -> None:
    products = {row[2] for row in rows(root)}
    assert {"bags/1", "tops/1"} <= products


def test_the_real_extension_varies(root: Path) -> None:
    sources = {row[0] for row in rows(root)}
    assert {"images/000000003.jpeg", "images/000000004.png", "images/000000010.JPG"} <= sources


def test_photos_may_be_numbered_without_zeros_and_lie_in_photos(root: Path) -> None:
    for path in (root / "images").iterdir():
        path.unlink()
    photo(root / "photos" / "8.JPEG")
    assert "photos/8.JPEG" in {row[0] for row in rows(root)}


def test_one_photo_may_hold_several_queries(root: Path) -> None:
    assert [row[2] for row in rows(root) if row[0] == "images/000000004.png"] == ["bags/1", "bags/2"]


def test_a_street_photo_in_train_of_one_category_and_test_of_another_is_counted(root: Path) -> None:
    listing = load("street2shop", CropFlags(root=root))
    assert listing.notes[SHARED] == 1
    assert len(listing.rows) == 11


def test_drop_shared_photos_leaves_them_out_of_train(root: Path) -> None:
    kept = rows(root, drop_shared_photos=True)
    assert len(kept) == 10
    assert STREET[0] not in kept
    assert [row[2] for row in kept if row[0] == "images/000014537.jpg"] == ["tops/1"]


def test_shop_photos_of_train_products_are_train_and_gallery(root: Path) -> None:
    assert ("images/000000008.jpg", None, "bags/286", "train+gallery", "shop", "bags") in rows(root)


def test_drop_train_products_leaves_them_out_of_the_gallery(root: Path) -> None:
    dropped = rows(root, drop_train_products=True)
    assert ("images/000000008.jpg", None, "bags/286", "train", "shop", "bags") in dropped
    assert sum("gallery" in row[3] for row in dropped) == 5


def test_drop_train_products_keeps_products_that_are_also_test(root: Path) -> None:
    write(root / "meta/json/train_pairs_tops.json", TEST_TOPS)
    dropped = rows(root, drop_train_products=True)
    assert ("images/000000010.JPG", None, "tops/1", "train+gallery", "shop", "tops") in dropped


def test_a_box_of_size_zero_is_listed(root: Path) -> None:
    write(
        root / "meta/json/test_pairs_belts.json",
        [{"photo": 3, "product": 5, "bbox": {"width": 0, "top": 7, "height": 0, "left": 6}}],
    )
    assert ("images/000000003.jpeg", (6, 7, 6, 7), "belts/5", "query", "street", "belts") in rows(root)


def test_a_shop_photo_under_two_products_is_two_rows_and_counted(root: Path) -> None:
    listing = load("street2shop", CropFlags(root=root))
    assert listing.notes["shop photos under two products"] == 1
    assert [row[2] for row in plain(listing.rows) if row[0] == "images/000000011.jpg"] == ["tops/1", "tops/2"]


def test_dead_links_are_listed_and_known_to_be_lost(root: Path) -> None:
    listing = load("street2shop", CropFlags(root=root))
    assert listing.public
    there = listing.photos.present(listing.rows.source)
    lost = set(listing.rows.source[~there])
    assert lost == {"images/000000008.jpg", "images/000000009.jpg", "images/000000011.jpg"}


def test_repeats_of_photo_box_and_product_are_dropped_and_counted(root: Path) -> None:
    write(root / "meta/json/retrieval_hats.json", [{"photo": 10, "product": 4}, {"product": 4, "photo": 10.0}])
    listing = load("street2shop", CropFlags(root=root))
    assert listing.repeats == 1
    assert sum(row[2] == "hats/4" for row in plain(listing.rows)) == 1


def test_a_missing_annotation_file_says_which_were_found(root: Path) -> None:
    (root / "meta/json/retrieval_tops.json").unlink()
    with pytest.raises(FashretError, match=r"lacks retrieval_tops\.json; found train_pairs_bags\.json, "):
        rows(root)


def test_no_annotations_at_all_says_what_the_root_holds(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(FashretError, match=r"meta/json.*holds elsewhere"):
        rows(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"photo": 1}]', "entry 0: lacks product; it has photo"),
        ('[{"photo": 1, "product": 2}, {"photo": "x", "product": 2}]', 'entry 1: photo is "x"; expected a number'),
        ('[{"photo": 1.5, "product": 2}]', "entry 0: photo is 1.5; expected a whole number"),
        ('[{"photo": true, "product": 2}]', "photo is true; expected a number"),
        ('[{"photo": -1, "product": 2}]', "expected a whole number, 0 or more"),
        ('[{"photo": NaN, "product": 2}]', "expected a finite number"),
        ('[{"photo": 1, "product": 2},\n 5]', "entry 1: expected an object, found 5"),
        ('{"photo": 1}', "expected a list of objects"),
        ('[{"photo": 1,\n"product": 2', "line 2: is not JSON"),
        ("\udcff", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('[{"photo": ' + "9" * 5000 + "}]", "is not JSON"),
        ("", "is not JSON"),
    ],
)
def test_a_wrong_retrieval_file_names_file_and_entry(root: Path, content: str, message: str) -> None:
    path = root / "meta/json/retrieval_hats.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(FashretError, match="retrieval_hats.json.*") as caught:
        rows(root)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("bbox", "message"),
    [
        ("", "lacks bbox; expected an entry like"),
        (', "bbox": [1, 2, 3, 4]', "lacks bbox"),
        (', "bbox": {"left": 1, "top": 2, "width": 3}', "bbox: lacks height; it has left, top, width"),
        (', "bbox": {"left": 1, "top": 2, "width": 3, "height": "4"}', 'height is "4"; expected a number'),
    ],
)
def test_a_wrong_box_names_file_entry_and_what_was_expected(root: Path, bbox: str, message: str) -> None:
    write(root / "meta/json/test_pairs_hats.json", f'[{{"photo": 1, "product": 2{bbox}}}]')
    with pytest.raises(FashretError, match="test_pairs_hats.json, entry 0") as caught:
        rows(root)
    assert message in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["photo", "product", "bbox", "left", "top", "width", "height", "x"]), inner, max_size=6),
    max_leaves=12,
)  # fmt: skip


@pytest.fixture(scope="module")
def empty_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("street2shop")
    for category in CATEGORIES:
        for kind in ("train_pairs", "test_pairs", "retrieval"):
            write(folder / f"meta/json/{kind}_{category}.json", "[]")
    return folder


@settings(max_examples=30)
@given(content=JSON | st.lists(JSON, max_size=3), kind=st.sampled_from(["train_pairs", "retrieval"]))
def test_any_json_gives_rows_or_one_line(empty_root: Path, content: Any, kind: str) -> None:
    for name in ("train_pairs", "retrieval"):
        write(empty_root / f"meta/json/{name}_bags.json", content if name == kind else "[]")
    try:
        found = rows(empty_root)
    except FashretError as error:
        assert "\n" not in str(error)
    else:
        assert len(found) <= len(content)
        assert all(row[2].startswith("bags/") and row[0].startswith("images/") for row in found)
