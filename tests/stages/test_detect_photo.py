"""`fashret detect photo.jpg`: the garments of one photo, as people see it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fashret.errors import FashretError
from fashret.files.tables.catalogue_tables import read_table
from fashret.options import DetectOptions
from fashret.stages import detect_photo
from tests.conftest import invoke
from tests.painted_case import PaintedDetector, painted, use_painted

RED, BLUE = (10, 20, 60, 120), (0, 130, 30, 160)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    painted(tmp_path / "a.png", {"red": RED, "blue": BLUE}, orientation=8)
    painted(tmp_path / "none.png", {})
    use_painted(monkeypatch, tmp_path, PaintedDetector())
    monkeypatch.chdir(tmp_path)


def options(**values: object) -> DetectOptions:
    return DetectOptions(detector=(Path("painted"),), **values)


def test_boxes_are_upright_on_the_screen_and_as_stored_in_files() -> None:
    found = detect_photo.run(Path("a.png"), Path("f.csv"), options())
    [garment] = found.garments
    assert (garment.category, garment.score, garment.box) == ("red", 0.9, (20, 60, 120, 110))
    assert found.best_below == 0.3
    assert read_table(Path("f.csv")).rows.box.tolist() == [list(RED)]


def test_a_photo_without_garments_is_said_and_is_no_error() -> None:
    done = invoke("detect", "none.png", "--detector", "painted", "--json", "-o", "f.csv")
    assert done.returncode == 0 and json.loads(done.stdout)["garments"] == [] and Path("f.csv").exists()
    assert "none.png: no garment found" in invoke("detect", "none.png", "--detector", "painted").stdout
    some = invoke("detect", "a.png", "--detector", "painted", "--min-score", "0.95").stdout
    assert "no garment found; the best box has the score 0.90" in some


def test_a_picture_of_the_photo() -> None:
    found = detect_photo.run(Path("a.png"), None, options(show=Path("new/drawn"), min_score=0))
    assert found.picture == Path("new/drawn/a.png.jpg") and found.picture.is_file() and len(found.garments) == 2


def test_only_so_many_are_kept() -> None:
    assert len(detect_photo.run(Path("a.png"), None, options(min_score=0, max_garments=1)).garments) == 1


@pytest.mark.parametrize(
    ("photo", "output", "values", "message"),
    [
        ("a.png", None, {"evaluate": True}, "a.png: is a photo; --evaluate needs a manifest with boxes"),
        ("a.png", "f.h5", {}, "name the output .csv"),
        ("bad.jpg", None, {}, "bad.jpg: cannot be decoded"),
        ("a.png", None, {"max_pixels": "10"}, "more than --max-pixels 10"),
    ],
)
def test_what_is_refused(photo: str, output: str | None, values: dict[str, object], message: str) -> None:
    Path("bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 no")
    with pytest.raises(FashretError, match=message):
        detect_photo.run(Path(photo), output and Path(output), options(**values))
