"""Boxes in tables: every form gives the same box, incomplete ones are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.files.tables.box_columns import FORMS, box_columns, read_boxes
from fashret.files.tables.catalogue_tables import read_table

BOX = [10, 20, 40, 70]
CORNERS, SIZED = ["10", "20", "40", "70"], ["10", "20", "30", "50"]


def table(path: Path, header: str, *rows: str) -> Path:
    path.write_text("\n".join([f"image,product,{header}", *rows]) + "\n")
    return path


@pytest.mark.parametrize("form", [form for form in FORMS if len(form) == 4], ids=lambda form: ",".join(form))
def test_every_form_of_four_columns_is_read(tmp_path: Path, form: tuple[str, ...]) -> None:
    cells = ",".join(SIZED if FORMS[form] else CORNERS)
    path = table(tmp_path / "a.csv", ",".join(form).title(), f"a.jpg,p,{cells}", "b.jpg,p,,,,")
    box = read_table(path).rows.box
    assert box[0].tolist() == BOX and np.isnan(box[1]).all()


CELLS = [
    [10, 20, 30, 50],
    "[10, 20, 30, 50]",
    "10 20 30 50",
    "(10.0, 20.0, 30.0, 50.0)",
    "10;20;30;50",
    {"x": 10, "y": 20, "w": 30, "h": 50},
    {"left": 10, "top": 20, "width": 30, "height": 50, "more": 1},
    "{'x1': 10, 'y1': 20, 'x2': 40, 'y2': 70}",
    '{"xmin": 10, "ymin": 20, "xmax": 40, "ymax": 70}',
    np.array([10, 20, 30, 50]),
]


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_bbox_is_read_in_every_way_that_it_is_written(cell: object) -> None:
    found = read_boxes({"bbox": [cell, None, "", float("nan")]}, ("bbox",), str)
    assert found[0].tolist() == BOX and np.isnan(found[1:]).all() and found.dtype == np.float32


@pytest.mark.parametrize("cell", [[], "[]", [None] * 4, "[nan, nan, nan, nan]", {}, {"x": None}, dict.fromkeys("xywh")])
def test_nothing_in_any_form_is_no_box(cell: object) -> None:
    assert np.isnan(read_boxes({"bbox": [cell, {"w": None, **dict.fromkeys("xyh"), "more": 1}]}, ("bbox",), str)).all()


WRONG = [
    "[1, 2, 3]",
    "a b c d",
    "[1, 2, 3, null]",
    "{}",
    '{"x": 1, "y": 2}',
    "[[1], 2, 3, 4]",
    "[1, 2, 3, NaN]",
    "1e99 0 1 1",
]


@pytest.mark.parametrize(
    "cell", [*WRONG, [1, 2, 3], {"x": 1}, 7, [1, 2, 3, float("inf")], "[" * 5000], ids=lambda c: str(c)[:20]
)
def test_a_bbox_that_is_none_is_one_line_that_names_the_row(cell: object) -> None:
    with pytest.raises(FashretError, match=r"^row 0: box .{0,90}; expected four (finite )?numbers") as error:
        read_boxes({"bbox": [cell]}, ("bbox",), lambda row: f"row {row}")
    assert "\n" not in str(error.value)


NOT_READ = [
    ("x,y", (), "x, y; no form of a box is complete"),
    ("xmin,ymin,xmax", (), "xmin, ymin, xmax; no form"),
    ("x1,y1,x2,y2,x,y,w,h", ("x1", "y1", "x2", "y2"), "x, y; boxes are read from x1, y1, x2, y2"),
    ("x,y,w,h,bbox", ("x", "y", "w", "h"), "bbox; boxes are read from x, y, w, h"),
    ("x1,bbox", ("bbox",), "x1; boxes are read from bbox"),
]


@pytest.mark.parametrize(("header", "form", "said"), NOT_READ)
def test_what_is_not_read_is_named(
    header: str, form: tuple[str, ...], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert box_columns(Path("a.csv"), header.split(",")) == form
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1 and f"a.csv: columns not read: {said}" in warnings[0]


@pytest.mark.parametrize("header", ["", "width,height", "x1,y1,x2,y2,width,height", "w,h,title"])
def test_the_size_of_a_photo_is_no_box(header: str, caplog: pytest.LogCaptureFixture) -> None:
    box_columns(Path("a.csv"), header.split(","))
    assert not caplog.records


def test_three_corners_are_an_error() -> None:
    with pytest.raises(FashretError, match="has the column x1, y1, x2; a box needs x1, y1, x2 and y2"):
        box_columns(Path("a.csv"), ("image", "x1", "y1", "x2"))
