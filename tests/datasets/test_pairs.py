"""MVC, MPV, worn/flat pairs and DARN: small copies of their lists, rows typed by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashret.datasets import pairs
from fashret.datasets.readers import READERS, load
from fashret.errors import FashretError
from fashret.options import CropOptions
from tests.dataset_case import photo, plain, write


def test_each_name_has_its_reader() -> None:
    readers = {"mvc": pairs.read_mvc, "mpv": pairs.read_mpv, "worn-flat": pairs.read_worn_flat, "darn": pairs.read_darn}
    assert {name: READERS[name] for name in readers} == readers


def rows(name: str, root: Path) -> list[tuple[Any, ...]]:
    return plain(load(name, CropOptions(root=root)).rows)


@pytest.fixture
def mvc(tmp_path: Path) -> Path:
    write(
        tmp_path / "image_links.json",
        [{"image_url_4x": f"http://example.com/images/z/{n}-p-4x.jpg"} for n in ("21", "22", "31")],
    )
    write(
        tmp_path / "attribute_labels.json",
        [{"filename": "8341-1", "itemN": 8341}, {"filename": "8341-2", "itemN": 8341}, {"filename": "9", "itemN": 9}],
    )
    write(
        tmp_path / "mvc_info.json",
        [
            {"productId": 8341, "viewId": 0, "colourId": 3, "styleId": 5, "category": '"Shirts & Tops"'},
            {"productId": 8341, "viewId": 1, "colourId": 3, "styleId": 5, "category": '"Shirts & Tops"'},
            {"productId": "77", "viewId": 0, "colourId": 1, "styleId": 6, "category": "Coats"},
        ],
    )
    photo(tmp_path / "image_data/8341-1.jpg")
    photo(tmp_path / "image_data/22-p-4x.png")
    return tmp_path


def test_mvc_rows(mvc: Path) -> None:
    assert rows("mvc", mvc) == [
        ("image_data/8341-1.jpg", None, "8341", "query+gallery", "shop", "Shirts & Tops"),
        ("image_data/22-p-4x.png", None, "8341", "query+gallery", "shop", "Shirts & Tops"),
        ("image_data/9.jpg", None, "77", "query+gallery", "shop", "Coats"),
    ]


def test_mvc_is_matched_by_product_id_and_has_no_split(mvc: Path) -> None:
    assert [row[2:4] for row in rows("mvc", mvc)] == [
        ("8341", "query+gallery"), ("8341", "query+gallery"), ("77", "query+gallery"),
    ]  # fmt: skip


def test_mvc_categories_lose_their_quotes(mvc: Path) -> None:
    assert load("mvc", CropOptions(root=mvc)).rows.categories == ("Coats", "Shirts & Tops")


def test_mvc_lists_of_different_lengths_are_an_error(mvc: Path) -> None:
    write(mvc / "mvc_info.json", [])
    with pytest.raises(FashretError, match=r"image_links\.json 3, attribute_labels\.json 3, mvc_info\.json 0"):
        rows("mvc", mvc)


def test_mvc_a_wrong_entry_is_named(mvc: Path) -> None:
    write(mvc / "attribute_labels.json", [{"filename": "a"}, {"itemN": 1}, {"filename": None}])
    with pytest.raises(FashretError, match=r"attribute_labels\.json, entry 1: lacks filename; it has itemN"):
        rows("mvc", mvc)


@pytest.fixture
def mpv(tmp_path: Path) -> Path:
    write(
        tmp_path / "all_poseA_poseB_clothes_0607.txt",
        "1@8=person_half_front.jpg\t1@9=person_whole_front.jpg\t1@4=cloth_front.jpg\ttrain\n"
        "2@8=person_half_front.jpg\t2@9=person_half_back.jpg\t2@4=cloth_front.jpg\ttest\n"
        "2@8=person_half_front.jpg\t2@7=person_whole_front.jpg\t2@4=cloth_front.jpg\ttest\n",
    )
    photo(tmp_path / "all/2@4=cloth_front.jpg")
    return tmp_path


def test_mpv_rows(mpv: Path) -> None:
    one, two = "all/1@4=cloth_front.jpg".removeprefix("all/"), "2@4=cloth_front.jpg"
    assert rows("mpv", mpv) == [
        ("all/1@8=person_half_front.jpg", None, one, "train", "street", ""),
        ("all/1@9=person_whole_front.jpg", None, one, "train", "street", ""),
        ("all/1@4=cloth_front.jpg", None, one, "train", "shop", ""),
        ("all/2@8=person_half_front.jpg", None, two, "query", "street", ""),
        ("all/2@9=person_half_back.jpg", None, two, "query", "street", ""),
        ("all/2@4=cloth_front.jpg", None, two, "gallery", "shop", ""),
        ("all/2@7=person_whole_front.jpg", None, two, "query", "street", ""),
    ]


def test_mpv_the_cloth_is_the_positive_of_both_poses(mpv: Path) -> None:
    of_cloth = [row[0] for row in rows("mpv", mpv) if row[2] == "1@4=cloth_front.jpg"]
    assert len(of_cloth) == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.jpg b.jpg c.jpg test\n", "line 1: expected poseA poseB cloth split, separated by tabs"),
        ("a.jpg\tb.jpg\tc.jpg\tholdout\n", "line 1: split 'holdout'; expected train, val, test"),
        ("a.jpg\t\tc.jpg\ttest\n", "line 1: expected poseA"),
        ("../a.jpg\tb.jpg\tc.jpg\ttest\n", "must be relative to the root"),
        ("\n \n", "lists no photos"),
    ],
)
def test_mpv_a_wrong_line_is_named(mpv: Path, line: str, message: str) -> None:
    write(mpv / "all_poseA_poseB_clothes_0607.txt", line)
    with pytest.raises(FashretError) as caught:
        rows("mpv", mpv)
    assert message in str(caught.value)


@pytest.fixture
def worn_flat(tmp_path: Path) -> Path:
    write(tmp_path / "train_pairs.txt", "000001_0.jpg 000001_1.jpg\n")
    write(tmp_path / "test_pairs.txt", "000010_0.jpg   000010_1.jpg\n000001_0.jpg\t000010_1.jpg\nme.jpg coat.jpg\n")
    photo(tmp_path / "train/image/000001_0.jpg")
    photo(tmp_path / "train/cloth/000001_1.jpg")
    return tmp_path


def test_a_name_that_no_file_can_have_is_a_photo_that_is_not_there(worn_flat: Path) -> None:
    name = "9" * 5000 + "_0.jpg"
    write(worn_flat / "train_pairs.txt", f"{name} coat.jpg\n")
    assert rows("worn-flat", worn_flat)[0][0] == name


def test_worn_flat_rows(worn_flat: Path) -> None:
    assert rows("worn-flat", worn_flat) == [
        ("train/image/000001_0.jpg", None, "train/000001_1.jpg", "train", "street", ""),
        ("train/cloth/000001_1.jpg", None, "train/000001_1.jpg", "train", "shop", ""),
        ("000010_0.jpg", None, "test/000010_1.jpg", "query", "street", ""),
        ("000010_1.jpg", None, "test/000010_1.jpg", "gallery", "shop", ""),
        ("me.jpg", None, "test/coat.jpg", "query", "street", ""),
        ("coat.jpg", None, "test/coat.jpg", "gallery", "shop", ""),
    ]


def test_worn_flat_cells_are_parted_by_any_white_space(worn_flat: Path) -> None:
    write(worn_flat / "test_pairs.txt", "000010_0.jpg \t  000010_1.jpg  \r\n\n")
    assert [row[0] for row in rows("worn-flat", worn_flat)][2:] == ["000010_0.jpg", "000010_1.jpg"]


def test_worn_flat_lines_that_ask_for_a_try_on_are_no_pairs(worn_flat: Path) -> None:
    listing = load("worn-flat", CropOptions(root=worn_flat))
    assert listing.notes == {"lines whose person and cloth are not a pair, left out": 1}


def test_worn_flat_without_lists_says_what_is_there(tmp_path: Path) -> None:
    write(tmp_path / "readme.txt", "")
    with pytest.raises(FashretError, match=r"lacks train_pairs\.txt or test_pairs\.txt; found readme\.txt"):
        rows("worn-flat", tmp_path)


def test_darn_rows(tmp_path: Path) -> None:
    write(
        tmp_path / "darn.txt",
        "17/000.jpg http://example.com/a%20b.jpg\n17/001.jpg http://example.com/b\n8/x.jpg http://example.com/c\n",
    )
    photo(tmp_path / "images/17/001.jpg")
    assert rows("darn", tmp_path) == [
        ("images/17/000.jpg", None, "17", "query+gallery", "shop", ""),
        ("images/17/001.jpg", None, "17", "query+gallery", "shop", ""),
        ("images/8/x.jpg", None, "8", "query+gallery", "shop", ""),
    ]


@pytest.mark.parametrize("line", ["17/000.jpg", "000.jpg http://example.com", "/a.jpg http://example.com", "17/ u"])
def test_darn_a_wrong_line_is_named(tmp_path: Path, line: str) -> None:
    write(tmp_path / "darn.txt", f"1/a.jpg u\n{line}\n")
    with pytest.raises(FashretError, match=r"darn\.txt, line 2: .*expected id/name"):
        rows("darn", tmp_path)


FILES = {
    "mpv": "all_poseA_poseB_clothes.txt",
    "worn-flat": "test_pairs.txt",
    "darn": "list.txt",
}


@settings(max_examples=60)
@given(name=st.sampled_from(sorted(FILES)), text=st.text(st.sampled_from("a1/_.\t\n ../test"), max_size=60))
def test_any_text_gives_rows_or_one_line(tmp_path_factory: pytest.TempPathFactory, name: str, text: str) -> None:
    root = tmp_path_factory.getbasetemp() / f"fuzzed-{name}"
    write(root / FILES[name], text)
    try:
        found = rows(name, root)
    except FashretError as error:
        assert "\n" not in str(error)
    else:
        assert 0 < len(found) <= 3 * len(text.splitlines())
