"""DeepFashion In-shop: a small copy of its lists, rows typed by hand, its traps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fashret.datasets import deepfashion_inshop
from fashret.datasets.readers import load
from fashret.errors import FashretError
from fashret.options import CropOptions
from tests.dataset_case import plain, write


def rows(root: Path, name: str = "deepfashion", **options: Any) -> list[tuple[Any, ...]]:
    return plain(load(name, CropOptions(root=root, **options)).rows)


@pytest.fixture
def inshop(tmp_path: Path) -> Path:
    write(
        tmp_path / "Anno/list_bbox_inshop.txt",
        "3\nimage_name clothes_type pose_type x_1 y_1 x_2 y_2\n"
        "img/WOMEN/Dresses/id_00000002/02_1_front.jpg  3  1  050  049  208  221\n"
        "img/WOMEN/Dresses/id_00000002/02_2_side.jpg   3  2  001  001  256  256\n"
        "img/MEN/Shorts/id_00000007/01_1_front.jpg     2  1  100  010  120  200\n",
    )
    write(
        tmp_path / "Eval/list_eval_partition.txt",
        "3\nimage_name item_id evaluation_status\n"
        "img/WOMEN/Dresses/id_00000002/02_1_front.jpg                    id_00000002 query\n"
        "img/WOMEN/Dresses/id_00000002/02_2_side.jpg                     id_00000002 gallery\n"
        "img/MEN/Shorts/id_00000007/01_1_front.jpg                       id_00000007 train\n",
    )
    return tmp_path


def test_inshop_rows_of_the_whole_layout(inshop: Path) -> None:
    dress = "img/WOMEN/Dresses/id_00000002"
    assert rows(inshop, "deepfashion-inshop") == [
        (f"{dress}/02_1_front.jpg", (49, 48, 208, 221), "id_00000002", "query", "shop", "full-body"),
        (f"{dress}/02_2_side.jpg", (0, 0, 256, 256), "id_00000002", "gallery", "shop", "full-body"),
        ("img/MEN/Shorts/id_00000007/01_1_front.jpg", (99, 9, 120, 200), "id_00000007", "train", "shop", "lower-body"),
    ]


def test_inshop_numbers_may_be_zero_padded(inshop: Path) -> None:
    path = inshop / "Anno/list_bbox_inshop.txt"
    before = rows(inshop, "deepfashion-inshop")
    write(path, path.read_text().replace("  050  049  208  221", " 50 49 208 221").replace(" 3  1 ", " 03  1 "))
    assert rows(inshop, "deepfashion-inshop") == before


def test_inshop_both_sides_are_shop_photos(inshop: Path) -> None:
    assert {row[4] for row in rows(inshop, "deepfashion-inshop")} == {"shop"}


def test_inshop_wrong_status_names_the_line(inshop: Path) -> None:
    path = inshop / "Eval/list_eval_partition.txt"
    path.write_text(path.read_text().replace("id_00000002 query", "id_00000002 test"))
    with pytest.raises(FashretError, match="line 3: evaluation_status 'test'; expected train, query or gallery"):
        rows(inshop, "deepfashion-inshop")


def test_inshop_photos_without_a_box_are_whole_and_counted(inshop: Path) -> None:
    path = inshop / "Anno/list_bbox_inshop.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(["2", lines[1], *lines[3:]]) + "\n")
    listing = deepfashion_inshop.read(inshop, CropOptions(root=inshop))
    assert listing.notes == {"photos without a box, taken whole": 1}
    assert [row[1] is None for row in plain(listing.rows)] == [True, False, False]


def test_inshop_photos_may_be_below_img(inshop: Path) -> None:
    (inshop / "Img/img").mkdir(parents=True)
    listing = deepfashion_inshop.read(inshop, CropOptions(root=inshop))
    assert {source.split("/")[0] for source in listing.rows.source} == {"Img"}


@pytest.mark.parametrize(("kind", "found"), [("4", "'4'"), ("0", "'0'"), ("x", "'x'")])
def test_inshop_wrong_clothes_type_names_the_line(inshop: Path, kind: str, found: str) -> None:
    path = inshop / "Anno/list_bbox_inshop.txt"
    path.write_text(path.read_text().replace("jpg     2  1  100", f"jpg     {kind}  1  100"))
    with pytest.raises(FashretError, match=f"line 5: clothes_type {found}; expected 1, 2 or 3"):
        rows(inshop, "deepfashion-inshop")
