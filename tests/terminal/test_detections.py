"""What detectors found, as it is printed."""

from __future__ import annotations

from pathlib import Path

from fashret.detecting.photos import FoundGarment
from fashret.stages.detect import DetectSummary
from fashret.stages.detect_photo import PhotoGarments
from fashret.terminal import RENDERERS
from fashret.terminal.detections import found_in_all, found_in_photo
from tests.terminal import printed

PHOTO = Path("a[b].jpg")
GARMENT = FoundGarment(1, "", "bot[b]tom", 0.876, (1.2, 2, 30.7, 40))


def test_garments_of_a_photo_are_numbered() -> None:
    text = printed(PhotoGarments(PHOTO, "d", (GARMENT,), 0.0, {"sleeve": 2}, Path("f.csv"), Path("p.jpg")))
    row = next(line.split() for line in text.splitlines() if "bot[b]tom" in line)
    assert row == ["1", "bot[b]tom", "0.88", "1", "2", "31", "40"]
    assert "no category for their class: sleeve 2" in text and "f.csv" in text and "p.jpg" in text


def test_a_photo_without_garments_is_said() -> None:
    assert printed(PhotoGarments(PHOTO, "d", (), 0.4321, {})).strip() == (
        "a[b].jpg: no garment found; the best box has the score 0.43"
    )
    assert printed(PhotoGarments(PHOTO, "d", (), 0.0, {})).strip() == "a[b].jpg: no garment found"


def test_counts_of_many_photos() -> None:
    text = printed(DetectSummary(Path("f.csv"), "shop", 1234, 1234, 0, left_out={"hood": 1200}))
    assert "1,234" in text and "garments           0" in text and "hood 1,200" in text
    text = printed(DetectSummary(Path("f.csv"), "shop", 9, 0, 3, {"tops": 3}, lost=2, failed=1, kept=4, seconds=1.0))
    assert "tops 3" in text and "9, 4 of them by an interrupted run" in text and "without" not in text


def test_each_is_printed_by_its_own_function() -> None:
    assert RENDERERS["DetectSummary"] is found_in_all and RENDERERS["PhotoGarments"] is found_in_photo
