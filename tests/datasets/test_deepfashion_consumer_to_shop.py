"""DeepFashion Consumer-to-Shop: a small copy of its lists, rows typed by hand, each of its traps."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashret.datasets import deepfashion_consumer_to_shop
from fashret.datasets.flags import CropFlags
from fashret.datasets.readers import load
from fashret.errors import FashretError
from tests.dataset_case import photo, plain, write

DRESS = "img/DRESSES/Dress/id_00000001"
SUIT = "img/CLOTHING/Summer_Wear/id_00000002"
BOXES = f"""5
image_name clothes_type source_type x_1 y_1 x_2 y_2
{DRESS}/comsumer_01.jpg      3  2   050 001 200 300
{DRESS}/shop_01.jpg          3  1   1   1   300 301
{DRESS}/comsumer_02.jpg      3  2   10  20  30  40
{SUIT}/comsumer_01.jpg       1  2   0   5   9   9
{SUIT}/shop_01.jpg           2  1   2   3   4   5
"""
PARTITION = f"""4
image_pair_name_1 image_pair_name_2 item_id evaluation_status
{DRESS}/comsumer_01.jpg      {DRESS}/shop_01.jpg      id_00000001 test
{DRESS}/comsumer_02.jpg      {DRESS}/shop_01.jpg      id_00000001 test
{SUIT}/comsumer_01.jpg       {SUIT}/shop_01.jpg       id_00000002 val
img/TOPS/Tee/id_00000003/comsumer_01.jpg img/TOPS/Tee/id_00000003/shop_01.jpg id_00000003 train
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "Anno/list_bbox_consumer2shop.txt", BOXES)
    write(tmp_path / "Eval/list_eval_partition.txt", PARTITION)
    photo(tmp_path / DRESS / "comsumer_01.jpg", (225, 300))
    return tmp_path


def rows(root: Path, name: str = "deepfashion", **options: Any) -> list[tuple[Any, ...]]:
    return plain(load(name, CropFlags(root=root, **options)).rows)


def test_rows_of_the_whole_layout(root: Path) -> None:
    tee = "img/TOPS/Tee/id_00000003"
    assert rows(root) == [
        (f"{DRESS}/comsumer_01.jpg", (49, 0, 200, 300), "id_00000001", "query", "street", "full-body"),
        (f"{DRESS}/shop_01.jpg", (0, 0, 300, 301), "id_00000001", "gallery", "shop", "full-body"),
        (f"{DRESS}/comsumer_02.jpg", (9, 19, 30, 40), "id_00000001", "query", "street", "full-body"),
        (f"{SUIT}/comsumer_01.jpg", (0, 4, 9, 9), "id_00000002", "val_query", "street", "upper-body"),
        (f"{SUIT}/shop_01.jpg", (1, 2, 4, 5), "id_00000002", "gallery+val_gallery", "shop", "lower-body"),
        (f"{tee}/comsumer_01.jpg", None, "id_00000003", "train", "street", ""),
        (f"{tee}/shop_01.jpg", None, "id_00000003", "train", "shop", ""),
    ]


def test_cells_are_parted_by_runs_of_blanks(root: Path) -> None:
    before = rows(root)
    write(root / "Anno/list_bbox_consumer2shop.txt", BOXES.replace("  ", " \t   "))
    write(root / "Eval/list_eval_partition.txt", PARTITION.replace(" id_", "      id_"))
    assert rows(root) == before


def test_consumer_photos_are_spelled_comsumer(root: Path) -> None:
    assert [row[0].rpartition("/")[2] for row in rows(root) if row[4] == "street"] == [
        "comsumer_01.jpg", "comsumer_02.jpg", "comsumer_01.jpg", "comsumer_01.jpg",
    ]  # fmt: skip


def test_the_gallery_is_of_validation_and_test_unless_said_otherwise(root: Path) -> None:
    assert {row[2] for row in rows(root) if "gallery" in row[3].split("+")} == {"id_00000001", "id_00000002"}
    assert load("deepfashion", CropFlags(root=root)).options["gallery"] == "val+test"


def test_corners_counted_from_one_and_inclusive_become_half_open(root: Path) -> None:
    assert rows(root)[0][1] == (49, 0, 200, 300)  # 050 001 200 300, zeros in front


def test_a_corner_of_301_in_a_photo_of_300_is_kept_for_cropping_to_clamp(root: Path) -> None:
    assert rows(root)[1][1] == (0, 0, 300, 301)


def test_a_corner_of_zero_does_not_become_negative(root: Path) -> None:
    assert rows(root)[3][1] == (0, 4, 9, 9)


def test_a_photo_in_several_pairs_is_one_row(root: Path) -> None:
    assert [row[0] for row in rows(root)].count(f"{DRESS}/shop_01.jpg") == 1


def test_the_gallery_of_test_alone_leaves_validation_out(root: Path) -> None:
    found = {row[0]: row[3] for row in rows(root, gallery="test")}
    assert found[f"{SUIT}/shop_01.jpg"] == "val_gallery"
    assert load("deepfashion", CropFlags(root=root, gallery="test")).options["gallery"] == "test"


def test_a_photo_without_a_box_is_whole_and_counted(root: Path) -> None:
    assert load("deepfashion", CropFlags(root=root)).notes == {"photos without a box, taken whole": 2}


def test_boxes_are_scaled_to_high_resolution(root: Path) -> None:
    high = root / DRESS.replace("img/", "img_highres/", 1)
    photo(high / "comsumer_01.jpg", (900, 1202))  # 4 × and a rounded 4.0067 ×
    photo(high / "shop_01.jpg", (600, 400))  # its low photo is missing: the longer side is 300
    found = {row[0]: row[1] for row in rows(root)}
    x1, y1, x2, y2 = found[DRESS.replace("img", "img_highres", 1) + "/comsumer_01.jpg"]
    assert (x1, y1, x2) == (196, 0, 800)
    assert y2 == pytest.approx(1202)
    assert found[DRESS.replace("img", "img_highres", 1) + "/shop_01.jpg"] == (0, 0, 600, 602)


def test_low_resolution_can_be_asked_for(root: Path) -> None:
    (root / "img_highres").mkdir()
    assert rows(root, resolution="low")[0][:2] == (f"{DRESS}/comsumer_01.jpg", (49, 0, 200, 300))
    assert rows(root)[0][0].startswith("img_highres/")


def test_a_resolution_that_is_not_there_is_one_line(root: Path) -> None:
    with pytest.raises(FashretError, match="no folder img_highres"):
        rows(root, resolution="high")


def test_the_folder_that_high_resolution_spells_differently_is_followed(root: Path) -> None:
    moved = "img_highres/CLOTHING/Summer_Suit/id_00000002/shop_01.jpg"
    photo(root / moved, (300, 200))
    assert (moved, (1, 2, 4, 5)) in [row[:2] for row in rows(root)]


def test_a_name_that_no_file_can_have_is_a_photo_that_is_not_there(root: Path) -> None:
    long = f"{SUIT}/{'9' * 5000}.jpg"
    write(root / "Eval/list_eval_partition.txt", PARTITION.replace(f"{SUIT}/shop_01.jpg", long))
    assert long in [row[0] for row in rows(root)]


def test_photos_may_lie_in_img_img(root: Path) -> None:
    (root / "Img").mkdir()
    (root / "img").rename(root / "Img/img")
    assert rows(root)[0][0] == f"Img/{DRESS}/comsumer_01.jpg"


def test_a_count_that_differs_is_a_warning_with_both(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(root / "Eval/list_eval_partition.txt", PARTITION.replace("4\n", "9\n", 1))
    with caplog.at_level(logging.WARNING, "fashret"):
        assert len(rows(root)) == 7
    assert "says 9 rows, it has 4" in caplog.text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("id_00000002 val", "id_00000002 valid", "line 5: evaluation_status 'valid'; expected train, val or test"),
        ("id_00000002 val", "id_00000002", "line 5: has 3 cells, expected 4"),
        ("image_pair_name_1", "image_name", "line 2: expected the columns"),
        ("4\nimage", "image", "line 1: expected the number of rows"),
        (f"{SUIT}/shop_01", "../shop_01", "must be relative to the root"),
        (f"{SUIT}/shop_01", "/etc/shop_01", "must be relative to the root"),
    ],
)
def test_a_wrong_partition_names_file_and_line(root: Path, old: str, new: str, message: str) -> None:
    write(root / "Eval/list_eval_partition.txt", PARTITION.replace(old, new))
    with pytest.raises(FashretError) as caught:
        rows(root)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("3  2   050", "4  2   050", "line 3: clothes_type '4'; expected 1, 2 or 3"),
        ("3  2   050", "3  2   5.5", "line 3: box 5.5 001 200 300; expected four whole numbers"),
        ("3  2   050", "3  2", "line 3: has 6 cells, expected 7"),
    ],
)
def test_a_wrong_box_names_file_and_line(root: Path, old: str, new: str, message: str) -> None:
    write(root / "Anno/list_bbox_consumer2shop.txt", BOXES.replace(old, new))
    with pytest.raises(FashretError, match="list_bbox_consumer2shop.txt, ") as caught:
        rows(root)
    assert message in str(caught.value)


def test_a_list_that_is_not_text_names_the_line(root: Path) -> None:
    (root / "Anno/list_bbox_consumer2shop.txt").write_bytes(BOXES.encode() + b"\xff\xfe")
    with pytest.raises(FashretError, match="line 8: is not UTF-8 text"):
        rows(root)


def test_a_missing_list_says_what_is_there(root: Path) -> None:
    (root / "Eval/list_eval_partition.txt").unlink()
    with pytest.raises(FashretError, match=r"lacks list_eval_partition\.txt; found none"):
        rows(root)


def test_the_reader_lists_what_the_name_loads(root: Path) -> None:
    listing = deepfashion_consumer_to_shop.read(root, CropFlags(root=root))
    assert listing.name == "deepfashion" and plain(listing.rows) == rows(root)


LINE = st.text(st.sampled_from("ab/.-0123 \t_tesrainv"), max_size=40)


@settings(max_examples=60)
@given(lines=st.lists(LINE, max_size=5), count=st.text("0123456789x", max_size=3))
def test_any_text_gives_rows_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], count: str
) -> None:
    root = tmp_path_factory.getbasetemp() / "fuzzed"
    (root / "img").mkdir(parents=True, exist_ok=True)
    write(root / "Anno/list_bbox_consumer2shop.txt", "\n".join([count, BOXES.splitlines()[1], *lines]))
    write(root / "Eval/list_eval_partition.txt", "\n".join([count, PARTITION.splitlines()[1], *lines]))
    try:
        found = rows(root)
    except FashretError as error:
        assert "\n" not in str(error)
    else:
        assert len(found) <= 2 * len(lines)
        assert all(row[3] and ".." not in row[0].split("/") for row in found)
