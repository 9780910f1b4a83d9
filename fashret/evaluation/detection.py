"""COCO's scores of boxes that were found: mAP, AP50, AP75 and recall.

In: for each photo the boxes found and those that are true. Out: `DetectionScores`.

As in COCO: per class and threshold of IoU (0.5, 0.55, … 0.95), the boxes of each photo, the best score first, each take
the true box of highest IoU that is not taken yet. The boxes of all photos in the order of their scores give precision
at 101 recalls; AP is its mean, mAP the mean over thresholds and classes. A crowd (one box round many garments) counts
neither way, and nor does what is found in it. Boxes are half-open: nothing is added to their sides.

Where photos are annotated in part, a box found elsewhere may be a garment that nobody boxed: it counts neither way if
its IoU with every true box of the photo is below `ELSEWHERE`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

THRESHOLDS = np.linspace(0.5, 0.95, 10)  # of IoU
RECALLS = np.linspace(0, 1, 101)
MOST = 100  # boxes per photo and class that count
ELSEWHERE = 0.1


@dataclass(frozen=True)
class TrueBoxes:
    """The annotated boxes of one photo."""

    boxes: NDArray[np.float32]  # N×4, x1 y1 x2 y2
    labels: NDArray[np.int64]  # N
    crowd: NDArray[np.bool_] | None = None  # N; None: there is none


@dataclass(frozen=True)
class FoundBoxes:
    """What a detector found in one photo."""

    boxes: NDArray[np.float32]  # N×4
    scores: NDArray[np.float32]  # N
    labels: NDArray[np.int64]  # N


@dataclass(frozen=True)
class DetectionScores:
    """Means over the classes that have a true box, and those classes by name."""

    mean_ap: float  # over thresholds of IoU
    ap50: float
    ap75: float
    recall: float  # of `MOST` boxes per photo, over thresholds of IoU
    recall50: float
    per_class: dict[str, float]  # AP over thresholds of IoU
    photos: int
    boxes: int  # true ones that count


def score_boxes(
    truth: Sequence[TrueBoxes], found: Sequence[FoundBoxes], classes: Sequence[str], in_part: bool = False
) -> DetectionScores:
    """Score the boxes found in photos; `truth` and `found` are in the same order.

    Parameters
    ----------
    classes
        Their names; labels count through them.
    in_part
        Whether garments may be in the photos that have no true box.

    Returns
    -------
    NaN for every mean if there is no true box.
    """
    averages, recalls, names = [], [], []
    total = 0
    for label, name in enumerate(classes):
        matches = [_match(t, f, label, in_part) for t, f in zip(truth, found, strict=True)]
        count = sum(match.true for match in matches)
        if count:
            average, recall = _average(matches, count)
            averages.append(average)
            recalls.append(recall)
            names.append(name)
            total += count
    if not names:
        nan = float("nan")
        return DetectionScores(nan, nan, nan, nan, nan, {}, len(truth), 0)
    precision, recall = np.array(averages), np.array(recalls)  # classes × thresholds
    return DetectionScores(
        mean_ap=float(precision.mean()),
        ap50=float(precision[:, 0].mean()),
        ap75=float(precision[:, 5].mean()),
        recall=float(recall.mean()),
        recall50=float(recall[:, 0].mean()),
        per_class=dict(zip(names, precision.mean(axis=1).tolist(), strict=True)),
        photos=len(truth),
        boxes=total,
    )


@dataclass(frozen=True)
class _Match:
    """The boxes of one class found in one photo, best first."""

    scores: NDArray[np.float32]  # N
    right: NDArray[np.bool_]  # thresholds×N: took a true box
    counts: NDArray[np.bool_]  # thresholds×N: is right or wrong, and not neither
    true: int  # boxes to be found


def iou(boxes: NDArray[np.floating], others: NDArray[np.floating], crowd: NDArray[np.bool_]) -> NDArray[np.float64]:
    """N×M intersection over union; over the box's own area where the other is a crowd.

    >>> box = np.array([[0, 0, 2, 2]])
    >>> iou(box, np.array([[1, 0, 3, 2], [0, 0, 4, 4]]), np.array([False, True])).round(3).tolist()
    [[0.333, 1.0]]
    """
    one, other = boxes.astype(np.float64)[:, None], others.astype(np.float64)[None]
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    inside = np.maximum(sides, 0).prod(axis=-1)
    own, theirs = ((each[..., 2:] - each[..., :2]).prod(axis=-1) for each in (one, other))
    union = np.where(crowd, own, own + theirs - inside)
    return np.divide(inside, union, out=np.zeros_like(inside), where=union > 0)


def _match(truth: TrueBoxes, found: FoundBoxes, label: int, in_part: bool) -> _Match:
    """Which boxes of a class are right, at each threshold."""
    crowds = np.zeros(len(truth.labels), np.bool_) if truth.crowd is None else truth.crowd
    mine = np.flatnonzero(found.labels == label)
    mine = mine[np.argsort(-found.scores[mine], kind="stable")][:MOST]
    near = iou(found.boxes[mine], truth.boxes, crowds)
    order = np.flatnonzero(truth.labels == label)
    order = order[np.argsort(crowds[order], kind="stable")]  # crowds last
    overlap, crowd = near[:, order], crowds[order]
    right = np.zeros((len(THRESHOLDS), len(mine)), np.bool_)
    counts = np.ones_like(right)
    if in_part:
        counts[:, near.max(axis=1, initial=0) < ELSEWHERE] = False
    candidates = np.flatnonzero(overlap.max(axis=1, initial=0) >= THRESHOLDS[0] - 1e-10)
    for t, threshold in enumerate(THRESHOLDS):
        taken = np.zeros(len(order), np.bool_)
        for i in candidates:
            free = np.where(taken & ~crowd, -1.0, overlap[i])
            for group in (~crowd, crowd):  # a true box goes before a crowd
                best = _last_best(np.where(group, free, -1.0), min(threshold, 1 - 1e-10))
                if best >= 0:
                    taken[best] = True
                    right[t, i], counts[t, i] = not crowd[best], not crowd[best]
                    break
    return _Match(found.scores[mine], right, counts, int(np.count_nonzero(~crowd)))


def _last_best(overlap: NDArray[np.float64], least: float) -> int:
    """Position of the greatest value, if that is large enough, else −1; of equal ones the last, as COCO takes."""
    if not len(overlap) or overlap.max() < least:
        return -1
    return len(overlap) - 1 - int(overlap[::-1].argmax())


def _average(matches: Sequence[_Match], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Average precision and greatest recall of one class, at each threshold."""
    order = np.argsort(-np.concatenate([match.scores for match in matches]), kind="stable")
    right = np.concatenate([match.right for match in matches], axis=1)[:, order]
    counts = np.concatenate([match.counts for match in matches], axis=1)[:, order]
    average, greatest = np.zeros(len(THRESHOLDS)), np.zeros(len(THRESHOLDS))
    for t in range(len(THRESHOLDS)):
        hits = np.cumsum(right[t] & counts[t])
        wrong = np.cumsum(~right[t] & counts[t])
        if not len(hits):
            continue
        recall = hits / count
        precision = hits / np.maximum(hits + wrong, np.spacing(1))
        best = np.maximum.accumulate(precision[::-1])[::-1]  # at this recall or a higher one
        place = np.searchsorted(recall, RECALLS, side="left")
        average[t] = np.where(place < len(best), best[np.minimum(place, len(best) - 1)], 0).mean()
        greatest[t] = recall[-1]
    return average, greatest
