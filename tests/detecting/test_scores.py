"""Scores against a manifest's boxes: which classes are told apart, which photos count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fashret.detecting.job import Job
from fashret.detecting.photos import Seen
from fashret.detecting.scores import check_boxes, scores_of
from fashret.detection.ensemble import Ensemble, Fusion
from fashret.detection.labels import LabelMap
from fashret.errors import FashretError
from fashret.evaluation.detection import DetectionScores
from fashret.files.tables.boxes import Boxes, boxes_of
from fashret.files.tables.catalogue_tables import read_table
from fashret.options import DetectOptions
from tests.painted_case import PaintedDetector

TABLE = """image,product,category,x1,y1,x2,y2
a.jpg,p1,red,0,0,40,40
a.jpg,p2,green,50,50,90,90
b.jpg,p3,green,10,10,30,30
c.jpg,p4,green,,,,
"""


def boxes(folder: Path, table: str = TABLE, annotated: str = "") -> Boxes:
    (folder / "shop.csv").write_text(table)
    return boxes_of(read_table(folder / "shop.csv"), annotated)


def scored(truth: Boxes, every: Iterable[Seen], labels: LabelMap | None = None) -> tuple[DetectionScores, str]:
    ensemble = Ensemble([PaintedDetector()], labels or LabelMap(), Fusion())
    job = Job(truth.listing, truth.listing.root / "f.csv", DetectOptions(evaluate=True), ensemble)
    return scores_of(job, truth, enumerate(every))


def seen(*found: tuple[float, ...]) -> Seen:
    rows = np.array(found, np.float32).reshape(-1, 6)
    return Seen(((100, 100), 1), rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int32), Counter())


RED, GREEN, SMALL = (0, 0, 40, 40, 0.9, 0), (50, 50, 90, 90, 0.8, 1), (10, 10, 30, 30, 0.7, 1)
ELSEWHERE = (60, 60, 99, 99, 0.95, 0)


def test_perfect_boxes(tmp_path: Path) -> None:
    every = [seen(RED, GREEN), seen(SMALL), seen(ELSEWHERE)]
    scores, what = scored(boxes(tmp_path), every)
    assert what == "each category" and (scores.mean_ap, scores.ap50, scores.recall) == pytest.approx((1, 1, 1))
    assert (scores.photos, scores.boxes) == (2, 3) and set(scores.per_class) == {"red", "green"}


def test_a_box_of_another_category_is_wrong_where_they_are_told_apart(tmp_path: Path) -> None:
    scores, what = scored(boxes(tmp_path), [seen((*RED[:5], 1), (*GREEN[:5], 0)), seen(SMALL)])
    assert what == "each category" and scores.per_class["red"] == 0
    anything = LabelMap(given={"": {"red": "", "green": "", "blue": ""}})
    every = [seen(RED, (*GREEN[:5], 0)), seen((*SMALL[:5], 0))]
    scores, what = scored(boxes(tmp_path), every, anything)
    assert what == "any garment" and scores.ap50 == pytest.approx(1) and scores.boxes == 3


def test_where_photos_have_one_box_what_is_found_elsewhere_does_not_count(tmp_path: Path) -> None:
    table = "\n".join(line for line in TABLE.splitlines() if ",p2," not in line)
    every = [seen(RED, ELSEWHERE), seen(SMALL)]
    assert scored(boxes(tmp_path, table), every)[0].ap50 == pytest.approx(1)
    every = [seen(RED, ELSEWHERE, GREEN), seen(SMALL)]
    assert scored(boxes(tmp_path), every)[0].ap50 < 0.8


def test_what_is_known_of_a_dataset_goes_before_what_its_boxes_tell(tmp_path: Path) -> None:
    table = "\n".join(line for line in TABLE.splitlines() if ",p2," not in line)
    every = [seen(RED, ELSEWHERE), seen(SMALL)]
    assert scored(boxes(tmp_path, table, "all"), every)[0].ap50 < 0.8
    every = [seen(RED, (0, 60, 30, 99, 0.95, 0), GREEN), seen(SMALL)]
    assert scored(boxes(tmp_path, annotated="one"), every)[0].ap50 == pytest.approx(1)


def test_crowds_count_neither_way(tmp_path: Path) -> None:
    truth = boxes(tmp_path)
    truth = replace(truth, crowd=np.array([False, True, False, False]))
    scores, _ = scored(truth, [seen(RED), seen(SMALL)])
    assert (scores.boxes, scores.recall) == (2, pytest.approx(1))


def test_true_boxes_end_at_the_photo_and_have_an_area_in_it(tmp_path: Path) -> None:
    table = TABLE.replace("50,50,90,90", "50,50,190,190") + "a.jpg,p5,red,200,200,240,240\n"
    scores, _ = scored(boxes(tmp_path, table), [seen(RED, (50, 50, 100, 100, 0.8, 1)), seen(SMALL)])
    assert scores.boxes == 3 and scores.mean_ap == pytest.approx(1)


def test_photos_in_which_nothing_was_found_count(tmp_path: Path) -> None:
    scores, _ = scored(boxes(tmp_path), [seen(), seen()])
    assert (scores.mean_ap, scores.recall, scores.boxes) == (0, 0, 3)


def test_a_manifest_without_boxes(tmp_path: Path) -> None:
    with pytest.raises(FashretError, match="has no boxes"):
        check_boxes(boxes(tmp_path, "image,product\na.jpg,p"))
    check_boxes(boxes(tmp_path))
