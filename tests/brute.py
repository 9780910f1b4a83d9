"""Slow, obvious twins of the retrieval arithmetic: whole matrices in float64, full sorts, loops."""

from __future__ import annotations

import numpy as np


def lane_dots(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """All products of the rows of a and b in float64, summed in the order that defines a distance."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    width = a.shape[1]
    whole = width - width % 16
    lanes = np.zeros((16, len(a), len(b)))
    for i in range(whole):
        lanes[i % 16] += a[:, None, i] * b[None, :, i]
    while len(lanes) > 1:
        half = len(lanes) // 2
        lanes = lanes[:half] + lanes[half:]
    total = lanes[0]
    for i in range(whole, width):
        total = total + a[:, None, i] * b[None, :, i]
    return total


def distance_matrix(a: np.ndarray, b: np.ndarray, metric: str) -> np.ndarray:
    """Q×G float64."""
    dots = lane_dots(a, b)
    square_a = np.array([lane_dots(row[None], row[None])[0, 0] for row in a])[:, None]
    square_b = np.array([lane_dots(row[None], row[None])[0, 0] for row in b])[None, :]
    if metric == "cosine":
        return 1.0 - dots / np.sqrt(square_a * square_b)
    return (square_a + square_b) - 2.0 * dots


def ranking(distances: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Allowed places by ascending distance, ties by place."""
    return np.array([j for j in np.lexsort((np.arange(len(distances)), distances)) if allowed[j]], np.int64)
