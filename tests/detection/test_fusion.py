"""Weighted boxes fusion: fixed points of the published code, that code itself, and a slow twin."""

from __future__ import annotations

from collections.abc import Sequence

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from fashret.detection.detectors import Found
from fashret.detection.fusion import fuse

GRID = 64  # boxes are drawn on a grid of so many pixels, so that some are equal and many overlap


def found(*rows: Sequence[float]) -> Found:
    """Rows of x1, y1, x2, y2, score, label."""
    table = np.array(rows, np.float64).reshape(-1, 6)
    return Found(table[:, :4].astype(np.float32), table[:, 4].astype(np.float32), table[:, 5].astype(np.int64))


def test_fixed_points_of_the_published_code() -> None:
    alone, nothing = found([0, 0, 10, 10, 0.8, 0]), found()
    assert fuse([alone, nothing, nothing]).scores == pytest.approx([0.8 / 3])
    two = fuse([found([0, 0, 10, 10, 0.9, 0]), found([0, 0, 10, 12, 0.7, 0]), nothing])
    assert two.scores == pytest.approx([0.8 * 2 / 3])
    np.testing.assert_allclose(two.boxes, [[0, 0, 10, (0.9 * 10 + 0.7 * 12) / 1.6]], rtol=1e-6)


def test_a_fused_box_moves_when_one_joins() -> None:
    first, second = [0, 0, 10, 10, 0.9, 0], [4, 0, 14, 10, 0.6, 0]  # IoU 6/14
    assert len(fuse([found(first), found(second)], iou=0.5).scores) == 2
    between = [
        2,
        0,
        12,
        10,
        0.8,
        0,
    ]  # 2/3 with both; the mean of it and the first overlaps the second by more than half
    assert len(fuse([found(first), found(between), found(second)], iou=0.5).scores) == 1


def test_labels_and_boxes_that_only_touch_stay_apart() -> None:
    fused = fuse([found([0, 0, 10, 10, 0.9, 0]), found([0, 0, 10, 10, 0.7, 1]), found([10, 0, 20, 10, 0.5, 0])], iou=0)
    assert fused.labels.tolist() == [0, 1, 0]


def test_weights_count_in_boxes_and_scores() -> None:
    fused = fuse([found([0, 0, 10, 10, 0.5, 0]), found([0, 0, 10, 12, 0.5, 0])], weights=(3, 1))
    np.testing.assert_allclose(fused.boxes, [[0, 0, 10, 10.5]])
    assert fused.scores == pytest.approx([(1.5 + 0.5) / 2 * 2 / 4])


def test_equal_scores_keep_the_order_of_the_detectors() -> None:
    left, right = [0, 0, 5, 5, 0.5, 0], [20, 0, 25, 5, 0.5, 0]
    assert fuse([found(left), found(right)]).boxes[:, 0].tolist() == [0, 20]
    assert fuse([found(right), found(left)]).boxes[:, 0].tolist() == [20, 0]


def test_boxes_without_area_and_not_finite_ones_are_left_out() -> None:
    odd = found([5, 5, 5, 9, 0.9, 0], [0, 0, np.nan, 9, 0.9, 0], [9, 9, 2, 20, 0.9, 0], [0, 0, 1, 1, 0.1, 0])
    assert fuse([odd, found()]).boxes.tolist() == [[0, 0, 1, 1]]


def test_nothing_found_by_anybody() -> None:
    fused = fuse([found(), found()])
    assert fused.boxes.shape == (0, 4) and fused.scores.shape == fused.labels.shape == (0,)


def test_scores_of_nothing() -> None:
    fused = fuse([found([0, 0, 10, 10, 0, 0]), found([0, 0, 10, 12, 0, 0])])
    assert fused.scores.tolist() == [0] and np.isfinite(fused.boxes).all()


def slow_fusion(parts: Sequence[Found], weights: Sequence[float], iou: float) -> list[tuple[float, ...]]:
    """The definition, box by box, in Python."""
    rows = []
    for part, weight in zip(parts, weights, strict=True):
        for box, score, label in zip(part.boxes.tolist(), part.scores.tolist(), part.labels.tolist(), strict=True):
            if box[0] < box[2] and box[1] < box[3]:
                rows.append((score * weight, label, box))
    rows.sort(key=lambda row: -row[0])
    groups: list[list[tuple[float, int, list[float]]]] = []

    def mean(group: list[tuple[float, int, list[float]]]) -> list[float]:
        total = sum(row[0] for row in group)
        return [sum(row[0] * row[2][i] for row in group) / total for i in range(4)]

    for row in rows:
        overlaps = [overlap(mean(group), row[2]) if group[0][1] == row[1] else -1.0 for group in groups]
        if overlaps and max(overlaps) > iou:
            groups[overlaps.index(max(overlaps))].append(row)
        else:
            groups.append([row])
    share = [min(len(parts), len(group)) / sum(weights) for group in groups]
    scores = [sum(row[0] for row in group) / len(group) * part for group, part in zip(groups, share, strict=True)]
    fused = [(*mean(group), score, group[0][1]) for group, score in zip(groups, scores, strict=True)]
    return sorted(fused, key=lambda row: -row[4])


def overlap(a: Sequence[float], b: Sequence[float]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def drawn(seed: int, detectors: int, labels: int = 2, most: int = 12) -> list[Found]:
    """What detectors may find: some garments, each seen by some of them with noise."""
    random = np.random.default_rng(seed)
    garments = random.integers(0, GRID // 2, (6, 2)), random.integers(4, GRID // 2, (6, 2))
    parts = []
    for _ in range(detectors):
        seen = random.integers(0, 6, random.integers(0, most))
        corners, sides = garments[0][seen] + random.normal(0, 1, (len(seen), 2)), garments[1][seen]
        boxes = np.concatenate([corners, corners + sides], axis=1).clip(0, GRID).astype(np.float32)
        scores = random.uniform(0.01, 1, len(seen)).astype(np.float32)
        parts.append(Found(boxes, scores, (seen % labels).astype(np.int64)))
    return parts


@given(st.integers(0, 2**32), st.integers(1, 4), st.sampled_from([0.3, 0.55, 0.8]))
def test_as_the_slow_twin(seed: int, detectors: int, iou: float) -> None:
    parts = drawn(seed, detectors)
    weights = np.random.default_rng(seed).uniform(0.2, 3, detectors).tolist()
    fused, twin = fuse(parts, weights, iou), np.array(slow_fusion(parts, weights, iou)).reshape(-1, 6)
    np.testing.assert_allclose(fused.boxes, twin[:, :4], rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(fused.scores, twin[:, 4], rtol=1e-5)
    assert fused.labels.tolist() == twin[:, 5].tolist()


def test_as_the_published_code() -> None:
    wbf = pytest.importorskip("ensemble_boxes", reason="ensemble-boxes is not installed").weighted_boxes_fusion
    for seed in range(300):
        parts, weights = drawn(seed, 1 + seed % 4), [1.0, 2.0, 0.5, 1.5][: 1 + seed % 4]
        lists = [
            [each.boxes / GRID for each in parts],
            [each.scores for each in parts],
            [each.labels for each in parts],
        ]
        boxes, scores, labels = wbf(*lists, weights=weights, iou_thr=0.55)
        fused = fuse(parts, weights)
        order = np.lexsort((boxes[:, 0], -scores))
        ours = np.lexsort((fused.boxes[:, 0], -fused.scores.astype(np.float64)))
        np.testing.assert_allclose(fused.boxes[ours], boxes[order] * GRID, rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(fused.scores[ours], scores[order], rtol=1e-5)
        assert fused.labels[ours].tolist() == labels[order].astype(int).tolist()
