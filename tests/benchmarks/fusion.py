"""Weighted boxes fusion beside `ensemble-boxes`, in one run: what two detectors found in 10,000 photos.

    python -m tests.benchmarks.fusion [--photos 10000] [--detectors 2] [--boxes 8 100]

Rounds of both take turns, and the best of each counts. Boxes are drawn: garments of a photo, seen by all detectors with
noise. Both get what they take: pixels and one object per photo, fractions and lists.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from fashret.detection.detectors import Found
from fashret.detection.fusion import fuse

SIDE = 800.0


def drawn(photos: int, detectors: int, boxes: int) -> list[list[Found]]:
    random = np.random.default_rng(0)
    return [photo(random, detectors, boxes) for _ in range(photos)]


def photo(random: np.random.Generator, detectors: int, boxes: int) -> list[Found]:
    corner, size = random.uniform(0, SIDE / 2, (boxes, 2)), random.uniform(SIDE / 20, SIDE / 2, (boxes, 2))
    label = random.integers(0, 13, boxes)
    parts = []
    for _ in range(detectors):
        moved = np.concatenate([corner, corner + size], axis=1) + random.normal(0, 5, (boxes, 4))
        scores = np.sort(random.uniform(0.01, 1, boxes))[::-1].astype(np.float32)
        parts.append(Found(moved.clip(0, SIDE).astype(np.float32), scores, label))
    return parts


def main() -> None:
    from ensemble_boxes import weighted_boxes_fusion

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--detectors", type=int, default=2)
    parser.add_argument("--boxes", type=int, nargs="+", default=[8, 100], help="that a detector finds in a photo")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    for boxes in arguments.boxes:
        count = max(1, arguments.photos * 8 // boxes) if boxes > 8 else arguments.photos
        parts = drawn(count, arguments.detectors, boxes)
        lists = [([f.boxes / SIDE for f in p], [f.scores for f in p], [f.labels for f in p]) for p in parts]
        fuse(parts[0])  # compiled
        ours, theirs = [], []
        for _ in range(arguments.rounds):
            started = time.process_time()
            for each in parts:
                fuse(each)
            ours.append(time.process_time() - started)
            started = time.process_time()
            for boxes_of, scores, labels in lists:
                weighted_boxes_fusion(boxes_of, scores, labels, iou_thr=0.55)
            theirs.append(time.process_time() - started)
        print(
            f"{count:,} photos, {arguments.detectors} detectors of {boxes} boxes: fashret {min(ours):.2f} CPU seconds, "
            f"ensemble-boxes {min(theirs):.2f}: {min(theirs) / min(ours):.1f} times"
        )


if __name__ == "__main__":
    main()
