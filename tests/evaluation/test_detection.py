"""Scores of boxes: by hand, and against COCO's own code where it is installed."""

from __future__ import annotations

import contextlib
import io
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from fashret.evaluation.detection import DetectionScores, FoundBoxes, TrueBoxes, score_boxes

CLASSES = ("bag", "hat", "top")


def true_boxes(boxes: list[list[float]], labels: list[int] | None = None, crowd: list[bool] | None = None) -> TrueBoxes:
    label = np.array(labels or [0] * len(boxes), np.int64)
    return TrueBoxes(np.array(boxes, np.float32).reshape(-1, 4), label, None if crowd is None else np.array(crowd))


def found_boxes(boxes: list[list[float]], scores: list[float], labels: list[int] | None = None) -> FoundBoxes:
    label = np.array(labels or [0] * len(boxes), np.int64)
    return FoundBoxes(np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32), label)


def test_all_found_is_one_and_nothing_found_is_zero() -> None:
    truth = [true_boxes([[0, 0, 10, 10]]), true_boxes([[5, 5, 20, 30]], [1])]
    perfect = [FoundBoxes(each.boxes, np.ones(1, np.float32), each.labels) for each in truth]
    scores = score_boxes(truth, perfect, CLASSES)
    assert (scores.mean_ap, scores.ap50, scores.ap75, scores.recall, scores.recall50) == pytest.approx((1,) * 5)
    assert scores.per_class == pytest.approx({"bag": 1, "hat": 1}) and (scores.photos, scores.boxes) == (2, 2)
    none = score_boxes(truth, [found_boxes([], [])] * 2, CLASSES)
    assert (none.mean_ap, none.recall, none.per_class) == (0, 0, {"bag": 0, "hat": 0})


def test_without_a_true_box_there_is_no_score() -> None:
    scores = score_boxes([true_boxes([])], [found_boxes([[0, 0, 5, 5]], [0.9])], CLASSES)
    assert math.isnan(scores.mean_ap) and scores.boxes == 0
    assert math.isnan(score_boxes([], [], CLASSES).ap50)


def test_the_score_decides_what_a_wrong_box_costs() -> None:
    """One true box found, one wrong box: precision 1 where the wrong one comes second, 1/2 where it comes first."""
    truth = [true_boxes([[0, 0, 10, 10]])]
    for wrong, expected in ((0.1, 1.0), (0.95, 0.5)):
        found = [found_boxes([[0, 0, 10, 10], [50, 50, 60, 60]], [0.9, wrong])]
        assert score_boxes(truth, found, CLASSES).ap50 == pytest.approx(expected)


def test_iou_decides_at_which_thresholds_a_box_is_right() -> None:
    truth = [true_boxes([[0, 0, 10, 10]])]
    scores = score_boxes(truth, [found_boxes([[0, 0, 10, 7.6]], [0.9])], CLASSES)  # IoU 0.76: 6 of 10 thresholds
    assert (scores.mean_ap, scores.ap50, scores.ap75) == pytest.approx((0.6, 1, 1))


def test_a_true_box_is_taken_once() -> None:
    found = [found_boxes([[0, 0, 10, 10], [0, 0, 10, 9]], [0.8, 0.9])]
    truth = [true_boxes([[0, 0, 10, 10]])]
    assert score_boxes(truth, found, CLASSES).ap50 == pytest.approx(1.0)  # the second one comes after all recall
    two = [true_boxes([[0, 0, 10, 10]]), true_boxes([[0, 0, 8, 8]])]
    late = score_boxes(two, [*found, found_boxes([[0, 0, 8, 8]], [0.1])], CLASSES)
    assert late.ap50 == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)


def test_a_crowd_counts_neither_way() -> None:
    truth = [true_boxes([[0, 0, 10, 10], [100, 100, 200, 200]], crowd=[False, True])]
    inside = [[110, 110, 130, 130], [140, 140, 160, 160]]  # both in the crowd, and better than the right one
    scores = score_boxes(truth, [found_boxes([*inside, [0, 0, 10, 10]], [0.9, 0.8, 0.7])], CLASSES)
    assert scores.ap50 == pytest.approx(1.0) and scores.boxes == 1


def test_in_part_a_box_elsewhere_counts_neither_way() -> None:
    truth = [true_boxes([[0, 0, 10, 10]])]
    elsewhere, near = [50, 50, 60, 60], [0, 0, 10, 3]
    for wrong, in_part, expected in (
        (elsewhere, False, 0.5), (elsewhere, True, 1.0), (near, False, 0.5), (near, True, 0.5)
    ):  # fmt: skip
        found = [found_boxes([wrong, [0, 0, 10, 10]], [0.9, 0.8])]
        assert score_boxes(truth, found, CLASSES, in_part).ap50 == pytest.approx(expected), (wrong, in_part)


def random_boxes(random: np.random.Generator, count: int) -> NDArray[np.float32]:
    corner = random.uniform(0, 60, (count, 2))
    return np.concatenate([corner, corner + random.uniform(5, 40, (count, 2))], axis=1).astype(np.float32)


def random_case(random: np.random.Generator, photos: int) -> tuple[list[TrueBoxes], list[FoundBoxes]]:
    truth, found = [], []
    for _ in range(photos):
        count = int(random.integers(0, 6))
        boxes = random_boxes(random, count)
        labels = random.integers(0, 3, count)
        truth.append(TrueBoxes(boxes, labels, random.random(count) < 0.2))
        moved = boxes + random.normal(0, 2, boxes.shape).astype(np.float32)
        extra = int(random.integers(0, 12))
        every = np.concatenate([moved, boxes[:1], random_boxes(random, extra)]).astype(np.float32)
        label = np.concatenate([labels, labels[:1], random.integers(0, 3, extra)])
        scores = random.integers(1, 20, len(every)) / 20  # with ties
        found.append(FoundBoxes(every, scores.astype(np.float32), label.astype(np.int64)))
    return truth, found


def by_coco(truth: list[TrueBoxes], found: list[FoundBoxes]) -> NDArray[np.float64]:
    """mAP, AP50, AP75 and recall by pycocotools."""
    coco = pytest.importorskip("pycocotools.coco", reason="COCO's own scores need pycocotools, of the extra dev")
    from pycocotools.cocoeval import COCOeval

    def sides(box: NDArray[np.float32]) -> list[float]:
        x1, y1, x2, y2 = box.astype(float).tolist()
        return [x1, y1, x2 - x1, y2 - y1]

    annotations, results = [], []
    for image, each in enumerate(truth, start=1):
        for box, label, crowd in zip(each.boxes, each.labels, each.crowd, strict=True):
            x, y, w, h = sides(box)
            annotations.append(
                {"id": len(annotations) + 1, "image_id": image, "category_id": int(label) + 1, "area": w * h,
                 "bbox": [x, y, w, h], "iscrowd": int(crowd)}
            )  # fmt: skip
    for image, each in enumerate(found, start=1):
        for box, label, score in zip(each.boxes, each.labels, each.scores, strict=True):
            results.append(
                {"image_id": image, "category_id": int(label) + 1, "bbox": sides(box), "score": float(score)}
            )
    with contextlib.redirect_stdout(io.StringIO()):
        data = coco.COCO()
        data.dataset = {
            "images": [{"id": i + 1} for i in range(len(truth))],
            "annotations": annotations,
            "categories": [{"id": i + 1, "name": name} for i, name in enumerate(CLASSES)],
        }
        data.createIndex()
        evaluation = COCOeval(data, data.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats[[0, 1, 2, 8]]


def four(scores: DetectionScores) -> tuple[float, float, float, float]:
    return scores.mean_ap, scores.ap50, scores.ap75, scores.recall


@pytest.mark.parametrize("seed", range(6))
def test_scores_are_those_of_coco(seed: int) -> None:
    truth, found = random_case(np.random.default_rng(seed), 30)
    ours = four(score_boxes(truth, found, CLASSES))
    assert ours == pytest.approx(by_coco(truth, found).tolist(), abs=1e-9) and 0.1 < ours[0] < 0.9
