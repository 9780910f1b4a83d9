"""How well what was found agrees with the boxes that a manifest has.

In: a run of `fashret detect` and what it found. Out: COCO's scores (`fashret.evaluation.detection`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from fashret.errors import FashretError
from fashret.evaluation.detection import DetectionScores, FoundBoxes, TrueBoxes, score_boxes

if TYPE_CHECKING:
    from fashret.detecting.job import Job
    from fashret.detecting.photos import Seen


def check_boxes(job: Job) -> None:
    """Refuse to score a manifest without boxes."""
    if not np.isfinite(job.listing.rows.box).all(axis=1).any():
        raise FashretError(f"{job.listing.name}: has no boxes; --evaluate compares what is found with them")


def scores_of(job: Job, seen: Iterable[tuple[int, Seen]]) -> tuple[DetectionScores, str]:
    """COCO's scores of the photos that have boxes, and of what: "each category", or "any garment".

    Categories are told apart where the detectors have a class for each one of the manifest's. Where no photo has two
    boxes, garments may have none, and what is found elsewhere in a photo does not count.
    """
    rows, kinds = job.listing.rows, job.ensemble.kinds
    boxed = np.asarray(np.isfinite(rows.box).all(axis=1))
    number = {name: i for i, name in enumerate(rows.categories)}
    label = np.array([number.get(kind.category, -1) for kind in kinds])
    each = set(rows.category[boxed].tolist()) <= set(label.tolist()) - {-1}
    classes = rows.categories if each else ("garment",)
    truth, found, most = [], [], 0
    for photo, one in seen:
        mine = job.rows_of(photo)
        mine = mine[boxed[mine]]
        if len(mine):
            most = max(most, len(mine))
            true = rows.category[mine] if each else np.zeros(len(mine))
            labels = label[one.labels] if each else np.zeros(len(one.labels))
            truth.append(TrueBoxes(rows.box[mine], true.astype(np.int64)))
            found.append(FoundBoxes(one.boxes, one.scores, labels.astype(np.int64)))
    return score_boxes(truth, found, classes, in_part=most < 2), "each category" if each else "any garment"
