"""Photos with boxes: what is said of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fashret.files.tables.boxes import boxes_of
from fashret.files.tables.catalogue_tables import read_table


def test_no_box_is_a_crowd_where_nothing_says_so_and_notes_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "shop.csv").write_text("image,product,x1,y1,x2,y2\na.jpg,p,1,2,3,4\nb.jpg,p,,,,\n")
    listing = replace(read_table(tmp_path / "shop.csv"), notes={"odd boxes": 2, "others": 0})
    with caplog.at_level("INFO", "fashret"):
        boxes = boxes_of(listing, "one")
    assert boxes.crowd.tolist() == [False, False] and (boxes.annotated, boxes.outlines) == ("one", ())
    assert caplog.messages == ["shop: 2 odd boxes"]
