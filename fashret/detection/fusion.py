"""Weighted boxes fusion (Solovyev, Wang and Gabruseva, 2021): what several detectors found in a photo becomes one list.

In: what each detector found, and a weight for each. Out: one `Found`. Label by label, boxes of all detectors are taken
by falling score × weight. Each joins the fused box that it overlaps most, if the IoU is above the threshold, and opens
a new one otherwise. A fused box is the mean of all of its members, weighted by score × weight and computed again when
one joins. Its score is the mean of theirs × min(detectors, members) / sum of the weights: a box that one of five
detectors found has a fifth of its score.

Equal scores keep the order of the detectors, and within a detector that of its boxes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit

import fashret.compiling  # noqa: F401  before the first compiled function
from fashret.detection.detectors import Found
from fashret.options import DetectOptions


def fuse(found: Sequence[Found], weights: Sequence[float] = (), iou: float = DetectOptions.iou) -> Found:
    """What several detectors found in one photo, as one list; masks are not kept.

    Parameters
    ----------
    found
        Of each detector, with labels that mean the same; boxes without area are left out.
    weights
        One per detector; none = all the same.
    iou
        Boxes of one label that overlap more become one.
    """
    boxes = np.concatenate([each.boxes for each in found]).astype(np.float64)
    scores = np.concatenate([each.scores for each in found]).astype(np.float64)
    labels = np.concatenate([each.labels for each in found]).astype(np.int64)
    weight = np.asarray(weights or np.ones(len(found)), np.float64)
    scores *= np.repeat(weight, [len(each.scores) for each in found])
    there = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]) & np.isfinite(boxes).all(axis=1)
    order = np.argsort(-scores, kind="stable")
    order = order[there[order]]
    fused = fused_boxes(boxes[order], scores[order], labels[order], iou)
    score = fused[1] * np.minimum(len(found), fused[3]) / weight.sum()
    best = np.argsort(-score, kind="stable")
    return Found(fused[0][best].astype(np.float32), score[best].astype(np.float32), fused[2][best], None)


@njit(nogil=True, cache=True, error_model="numpy")
def fused_boxes(boxes, scores, labels, iou):
    """Boxes by falling score × weight → fused boxes, means of their members' scores, labels, numbers of members."""
    count = len(boxes)
    fused, total = np.empty((count, 4)), np.zeros((count, 4))
    score, label, members = np.zeros(count), np.empty(count, np.int64), np.zeros(count, np.int64)
    there = 0
    for i in range(count):
        joined, most = there, iou
        for j in range(there):
            if label[j] != labels[i]:
                continue
            overlap = _iou(fused[j], boxes[i])
            if overlap > most:
                joined, most = j, overlap
        if joined == there:
            label[joined] = labels[i]
            there += 1
        score[joined] += scores[i]
        members[joined] += 1
        for side in range(4):
            total[joined, side] += scores[i] * boxes[i, side]
            fused[joined, side] = total[joined, side] / score[joined] if score[joined] > 0 else boxes[i, side]
    return fused[:there], score[:there] / members[:there], label[:there], members[:there]


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    common = width * height
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)
