"""Which box a row gets, and what the file says of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from fashret.detecting.photos import Seen
from fashret.detecting.row_boxes import counts_of_boxes, rows_to_detect, with_boxes
from fashret.detection.labels import Kind
from fashret.files.tables.catalogue_tables import read_table
from fashret.files.tables.manifests import Listing

TABLE = """image,product,domain,category,x1,y1,x2,y2,price
a.jpg,p1,street,tops,0.1,0,40,40,1
a.jpg,p2,street,skirts,,,,,2
b.jpg,p2,shop,skirts,,,,,3
c.jpg,p3,shop,,,,,,4
d.jpg,p4,shop,bags,,,,,5
"""
KINDS = [Kind("tops", ("tops",)), Kind("bottom", ("pants", "skirts")), Kind("garment", ())]


def listing(folder: Path, table: str = TABLE) -> Listing:
    (folder / "shop.csv").write_text(table)
    return read_table(folder / "shop.csv")


def seen(*found: tuple[float, float, int]) -> Seen:
    """Boxes of some width, with score and label."""
    boxes = np.array([[0, 0, width, 9] for width, _, _ in found], np.float32).reshape(-1, 4)
    scores = np.array([score for _, score, _ in found], np.float32)
    return Seen(((50, 50), 1), boxes, scores, np.array([label for *_, label in found], np.int32), Counter())


PHOTOS = {
    "a.jpg": seen((10, 0.9, 0), (20, 0.8, 1)),
    "b.jpg": seen((11, 0.9, 0), (12, 0.7, 0), (21, 0.6, 1)),
    "c.jpg": seen((31, 0.9, 0)),
    "d.jpg": seen(),
}


def boxed(listing: Listing, which: str, per_photo: int = 1, photos: dict[str, Seen] = PHOTOS) -> Listing:
    return with_boxes(listing, rows_to_detect(listing.rows, which), photos.get, KINDS, per_photo)


def columns(listing: Listing, *names: str) -> list[list[object]]:
    return [listing.rows.further[name].plain() for name in names]


def test_given_boxes_stay_and_others_are_found_in_the_rows_category(tmp_path: Path) -> None:
    rows = boxed(listing(tmp_path), "missing").rows
    assert rows.box[:, 2].tolist()[:4] == [40, 20, 21, 31] and np.isnan(rows.box[4]).all()
    origin, score, price = columns(boxed(listing(tmp_path), "missing"), "box_from", "box_score", "price")
    assert origin == ["given", "detected", "detected", "detected", "whole"]
    assert score == [None, 0.8, 0.6, 0.9, None] and price == [1, 2, 3, 4, 5]
    assert counts_of_boxes(rows) == {"given": 1, "detected": 3, "whole": 1}
    assert "given_x1" not in rows.further


def test_boxes_that_are_replaced_are_kept_beside(tmp_path: Path) -> None:
    found = boxed(listing(tmp_path), "street")
    assert found.rows.box[:2, 2].tolist() == [10, 20] and np.isnan(found.rows.box[2:]).all()
    assert columns(found, "box_from", "given_x1", "given_x2") == [
        ["detected", "detected", "whole", "whole", "whole"],
        [0.1, None, None, None, None],
        [40, None, None, None, None],
    ]


@pytest.mark.parametrize(
    ("which", "wanted"), [("missing", [0, 1, 1, 1, 1]), ("shop", [0, 0, 1, 1, 1]), ("street", [1, 1, 0, 0, 0]),
                          ("all", [1] * 5)]
)  # fmt: skip
def test_rows_whose_box_is_found(tmp_path: Path, which: str, wanted: list[int]) -> None:
    assert rows_to_detect(listing(tmp_path).rows, which).tolist() == list(map(bool, wanted))


def test_of_the_own_category_none_was_found_then_the_best_of_all(tmp_path: Path) -> None:
    photos = {**PHOTOS, "a.jpg": seen((10, 0.9, 0)), "d.jpg": seen((9, 0.8, 0), (7, 0.6, 2))}
    rows = boxed(listing(tmp_path), "missing", photos=photos).rows
    assert rows.box[1, 2] == 10 and rows.box[4, 2] == 7  # what can be anything can be a bag


def test_several_boxes_of_a_shop_photo_are_rows_of_its_product(tmp_path: Path) -> None:
    found = boxed(listing(tmp_path), "all", per_photo=2)
    assert found.rows.source.tolist() == ["a.jpg", "a.jpg", "b.jpg", "b.jpg", "c.jpg", "d.jpg"]
    assert found.rows.product.tolist() == ["p1", "p2", "p2", "p2", "p3", "p4"]
    assert found.rows.box[:5, 2].tolist() == [10, 20, 21, 11, 31]
    assert columns(found, "price") == [[1, 2, 3, 3, 4, 5]]


def test_a_photo_that_could_not_be_read_stays_whole(tmp_path: Path) -> None:
    found = boxed(listing(tmp_path), "all", photos={})
    assert columns(found, "box_from") == [["given", "whole", "whole", "whole", "whole"]]


def test_rows_that_get_the_same_box_are_one(tmp_path: Path) -> None:
    table = "image,product,role,x1,y1,x2,y2\na.jpg,p1,query,0,0,9,9\na.jpg,p1,gallery,0,0,8,8\nb.jpg,p2,gallery,,,,\n"
    found = boxed(listing(tmp_path, table), "all")
    assert found.rows.product.tolist() == ["p1", "p2"] and found.repeats == 1 and found.rows.role[0] == 2 | 4


def test_rows_without_detection_say_nothing(tmp_path: Path) -> None:
    assert counts_of_boxes(listing(tmp_path).rows) == {}
