"""`fashret crop --detector`: boxes that are found before they are cut."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from fashret.datasets.flags import CropFlags
from fashret.errors import FashretError
from fashret.files.crops import open_crops
from fashret.stages import crop
from tests.conftest import invoke
from tests.painted_case import PaintedDetector, painted, use_painted

RED, GREEN = (10, 20, 60, 120), (65, 30, 110, 150)


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PaintedDetector:
    painted(tmp_path / "a.png", {"red": RED, "green": GREEN}, orientation=6)
    painted(tmp_path / "b.png", {"red": RED})
    painted(tmp_path / "c.png", {})
    (tmp_path / "shop.csv").write_text(
        "image,product,domain,category,x1,y1,x2,y2\n"
        "a.png,p1,street,green,0,0,50,50\na.png,p2,shop,green,,,,\nb.png,p1,shop,red,,,,\nc.png,p3,shop,red,,,,\n"
    )
    detector = PaintedDetector()
    use_painted(monkeypatch, tmp_path, detector)
    monkeypatch.chdir(tmp_path)
    return detector


def options(**values: object) -> CropFlags:
    return CropFlags(detector=(Path("painted"),), **values)


def test_missing_boxes_are_found_and_the_file_says_which() -> None:
    found = crop.run("shop.csv", Path("crops.h5"), options())
    assert found.boxes == {"given": 1, "detected": 2, "whole": 1}
    with open_crops("crops.h5") as crops:
        assert crops.box[:3].tolist() == [[0, 0, 50, 50], list(GREEN), list(RED)] and np.isnan(crops.box[3]).all()
        further = crops.rows.further
        assert further["box_from"].plain() == ["given", "detected", "detected", "whole"]
        assert further["box_score"].plain() == [None, 0.8, 0.9, None]
        assert crops.image(1).shape == (45, 120, 3) and crops.image(1)[20, 50].tolist() == pytest.approx(
            (20, 160, 20), abs=9
        )
    with h5py.File("crops.h5") as file:
        about = json.loads(file.attrs["options"])
    assert about["detect"] == "missing" and about["detectors"][0]["name"] == "painted"
    assert not list(Path().glob("crops.h5.*"))


@pytest.mark.parametrize(("which", "first"), [("all", GREEN), ("street", GREEN), ("shop", (0, 0, 50, 50))])
def test_given_boxes_are_replaced_where_that_is_asked_for(which: str, first: tuple[int, ...]) -> None:
    crop.run("shop.csv", Path("crops.h5"), options(detect=which))
    with open_crops("crops.h5") as crops:
        assert crops.box[0].tolist() == list(first)
        assert ("given_x1" in crops.rows.further) == (which != "shop")


@pytest.mark.parametrize("which", ["missing", "street"])
def test_where_no_row_wants_a_box_all_are_cut_as_they_are(which: str, shop: PaintedDetector) -> None:
    Path("shop.csv").write_text("image,product,domain,category,x1,y1,x2,y2\na.png,p1,shop,green,0,0,50,50\n")
    assert crop.run("shop.csv", Path("crops.h5"), options(detect=which)).boxes == {"given": 1}
    assert shop.looked_at == 0
    with open_crops("crops.h5") as crops:
        assert crops.box.tolist() == [[0, 0, 50, 50]] and "given_x1" not in crops.rows.further


def test_several_boxes_of_a_shop_photo() -> None:
    assert crop.run("shop.csv", Path("crops.h5"), options(boxes_per_photo=2)).crops == 5
    with open_crops("crops.h5") as crops:
        assert crops.product[1:3].tolist() == ["p2", "p2"] and crops.box[2].tolist() == list(RED)


def test_an_interrupted_run_finds_the_boxes_once(shop: PaintedDetector, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(crop, "write_output", stop)
        crop.run("shop.csv", Path("crops.h5"), options())
    assert shop.looked_at == 3 and Path("crops.h5.boxes.spool").exists()
    with pytest.raises(FashretError, match="resume it with --resume"):
        crop.run("shop.csv", Path("crops.h5"), options())
    with pytest.raises(FashretError, match="min"):
        crop.run("shop.csv", Path("crops.h5"), options(resume=True, min_score=0.95))
    assert crop.run("shop.csv", Path("crops.h5"), options(resume=True)).kept == 4
    assert shop.looked_at == 3 and not Path("crops.h5.boxes.spool").exists()


def test_categories_in_the_words_of_a_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_painted(monkeypatch, tmp_path / "x", PaintedDetector("seven", {"red": "shoes", "green": "bottom"}))
    (tmp_path / "s2s.csv").write_text("image,product,domain,category\na.png,p1,shop,skirts\na.png,p2,shop,footwear\n")
    values = {"detector": (Path("x/seven"),)}
    crop.run("s2s.csv", Path("crops.h5"), CropFlags(**values))
    with open_crops("crops.h5") as crops:
        assert crops.box.tolist() == [list(GREEN), list(RED)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--detector none", "none: no such detector folder"),
        ("--detect all", "--detect has no effect without"),
        ("--detector painted --detect some", "Invalid value for '--detect'"),
        ("--detector painted --boxes-per-photo 0", "--boxes-per-photo 0: must be 1 or more"),
    ],
)
def test_what_is_refused(words: str, message: str) -> None:
    done = invoke("crop", "shop.csv", "-o", "crops.h5", *words.split())
    assert done.returncode in (1, 2) and message in " ".join(done.stderr.replace("│", " ").split())
    assert not Path("crops.h5").exists()
