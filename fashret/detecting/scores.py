"""How well what was found agrees with the boxes that a manifest has.

In: a run of `fashret detect`, its listing as boxes that are true, and what it found. Out: COCO's scores
(`fashret.evaluation.detection`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fashret.errors import FashretError
from fashret.evaluation.detection import DetectionScores, FoundBoxes, TrueBoxes, score_boxes

if TYPE_CHECKING:
    from fashret.detecting.job import Job
    from fashret.detecting.photos import Seen
    from fashret.files.tables.boxes import Boxes


def check_boxes(truth: Boxes) -> None:
    """Refuse to score a manifest without boxes."""
    if not np.isfinite(truth.listing.rows.box).all(axis=1).any():
        raise FashretError(f"{truth.listing.name}: has no boxes; --evaluate compares what is found with them")


def scores_of(job: Job, truth: Boxes, seen: Iterable[tuple[int, Seen]]) -> tuple[DetectionScores, str]:
    """COCO's scores of the photos that have boxes, and of what: "each category", or "any garment".

    Categories are told apart where the detectors have a class for each one of the manifest's. Where one garment of a
    photo is annotated, as a dataset says or no photo has two boxes, what is found elsewhere in it does not count.
    """
    rows, kinds = truth.listing.rows, job.ensemble.kinds
    boxed = np.asarray(np.isfinite(rows.box).all(axis=1))
    number = {name: i for i, name in enumerate(rows.categories)}
    label = np.array([number.get(kind.category, -1) for kind in kinds])
    each = set(rows.category[boxed].tolist()) <= set(label.tolist()) - {-1}
    classes = rows.categories if each else ("garment",)
    true, found, most = [], [], 0
    for photo, one in seen:
        mine = job.rows_of(photo)
        box = _in_photo(rows.box[mine], one.frame[0])
        there = boxed[mine] & (box[:, 2:] > box[:, :2]).all(axis=1)
        mine, box = mine[there], box[there]
        if len(mine):
            most = max(most, len(mine))
            category = rows.category[mine] if each else np.zeros(len(mine))
            labels = label[one.labels] if each else np.zeros(len(one.labels))
            true.append(TrueBoxes(box, category.astype(np.int64), truth.crowd[mine]))
            found.append(FoundBoxes(one.boxes, one.scores, labels.astype(np.int64)))
    in_part = truth.annotated == "one" if truth.annotated else most < 2
    return score_boxes(true, found, classes, in_part), "each category" if each else "any garment"


def _in_photo(boxes: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Boxes cut at the edge of a photo, as those that are found are."""
    return np.clip(boxes, 0, np.array([*size, *size], np.float32))
