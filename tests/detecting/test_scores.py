"""Scores against a manifest's boxes: which classes are told apart, which photos count."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from fashret.detecting.job import Job
from fashret.detecting.photos import Seen
from fashret.detecting.scores import check_boxes, scores_of
from fashret.detection.ensemble import Ensemble, Fusion
from fashret.detection.labels import LabelMap
from fashret.errors import FashretError
from fashret.files.tables.catalogue_tables import read_table
from fashret.options import DetectOptions
from tests.painted_case import PaintedDetector

TABLE = """image,product,category,x1,y1,x2,y2
a.jpg,p1,red,0,0,40,40
a.jpg,p2,green,50,50,90,90
b.jpg,p3,green,10,10,30,30
c.jpg,p4,green,,,,
"""


def job(folder: Path, table: str = TABLE, labels: LabelMap | None = None) -> Job:
    (folder / "shop.csv").write_text(table)
    listing = read_table(folder / "shop.csv")
    ensemble = Ensemble([PaintedDetector()], labels or LabelMap(), Fusion())
    return Job(listing, folder / "f.csv", DetectOptions(evaluate=True), ensemble)


def seen(*found: tuple[float, ...]) -> Seen:
    rows = np.array(found, np.float32).reshape(-1, 6)
    return Seen(((100, 100), 1), rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int32), Counter())


RED, GREEN, SMALL = (0, 0, 40, 40, 0.9, 0), (50, 50, 90, 90, 0.8, 1), (10, 10, 30, 30, 0.7, 1)
ELSEWHERE = (60, 60, 99, 99, 0.95, 0)


def test_perfect_boxes(tmp_path: Path) -> None:
    every = [seen(RED, GREEN), seen(SMALL), seen(ELSEWHERE)]
    scores, what = scores_of(job(tmp_path), enumerate(every))
    assert what == "each category" and (scores.mean_ap, scores.ap50, scores.recall) == pytest.approx((1, 1, 1))
    assert (scores.photos, scores.boxes) == (2, 3) and set(scores.per_class) == {"red", "green"}


def test_a_box_of_another_category_is_wrong_where_they_are_told_apart(tmp_path: Path) -> None:
    scores, what = scores_of(job(tmp_path), enumerate([seen((*RED[:5], 1), (*GREEN[:5], 0)), seen(SMALL)]))
    assert what == "each category" and scores.per_class["red"] == 0
    anything = LabelMap(given={"": {"red": "", "green": "", "blue": ""}})
    every = [seen(RED, (*GREEN[:5], 0)), seen((*SMALL[:5], 0))]
    scores, what = scores_of(job(tmp_path, labels=anything), enumerate(every))
    assert what == "any garment" and scores.ap50 == pytest.approx(1) and scores.boxes == 3


def test_where_photos_have_one_box_what_is_found_elsewhere_does_not_count(tmp_path: Path) -> None:
    table = "\n".join(line for line in TABLE.splitlines() if ",p2," not in line)
    every = [seen(RED, ELSEWHERE), seen(SMALL)]
    assert scores_of(job(tmp_path, table), enumerate(every))[0].ap50 == pytest.approx(1)
    every = [seen(RED, ELSEWHERE, GREEN), seen(SMALL)]
    assert scores_of(job(tmp_path), enumerate(every))[0].ap50 < 0.8


def test_photos_in_which_nothing_was_found_count(tmp_path: Path) -> None:
    scores, _ = scores_of(job(tmp_path), enumerate([seen(), seen()]))
    assert (scores.mean_ap, scores.recall, scores.boxes) == (0, 0, 3)


def test_a_manifest_without_boxes(tmp_path: Path) -> None:
    with pytest.raises(FashretError, match="has no boxes"):
        check_boxes(job(tmp_path, "image,product\na.jpg,p"))
    check_boxes(job(tmp_path))
