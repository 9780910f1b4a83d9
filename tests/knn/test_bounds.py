"""Bounds of distances hold the defined distance, and are no wider than the arithmetic makes them."""

from __future__ import annotations

import numpy as np
import pytest

from fashret.knn.bounds import UNIT, BoundTerms, distance_bounds, float32_at_least, float32_at_most
from fashret.knn.distance import METRICS
from fashret.knn.quantise import Arithmetic, Float32, Int8, TileBuffers
from tests import brute
from tests.knn_case import block_of, with_ties


def bounds(arithmetic: Arithmetic, a: np.ndarray, b: np.ndarray, metric: str) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = (arithmetic.quantise(block_of(side, metric).data, metric == "cosine") for side in (a, b))
    products = arithmetic.products(rows, columns, TileBuffers()).astype(np.float32)
    return distance_bounds(products, BoundTerms(*(term[:, None] for term in rows.terms)), columns.terms)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("arithmetic", [Float32(), Int8()], ids=["float32", "int8"])
@pytest.mark.parametrize("width", [1, 16, 700])
def test_hold_the_distance_of_every_pair(arithmetic: Arithmetic, metric: str, width: int) -> None:
    rng = np.random.default_rng(width)
    lengths = 10.0 ** np.linspace(-12, 12, 60)
    a = rng.standard_normal((60, width))
    a = (a / np.linalg.norm(a, axis=1, keepdims=True) * lengths[:, None]).astype(np.float32)
    b = np.concatenate([a[::2], -a[::3], a[::4] * np.float32(1 + 1e-6), with_ties(rng, 20, width)])
    if metric == "euclidean":
        a[7], b[[5, 6]] = 0, 0
    lower, upper = bounds(arithmetic, a, b, metric)
    distances = brute.distance_matrix(a, b, metric)
    assert lower.dtype == upper.dtype == np.float32
    assert (lower <= distances).all() and (distances <= upper).all()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("arithmetic", [Float32(), Int8()], ids=["float32", "int8"])
def test_are_no_wider_than_the_rounding(arithmetic: Arithmetic, metric: str) -> None:
    rng = np.random.default_rng(1)
    a, b = with_ties(rng, 40, 200), with_ties(rng, 50, 200)
    lower, upper = bounds(arithmetic, a, b, metric)
    one, other = (np.linalg.norm(side.astype(float), axis=1) for side in (a, b))
    base = (one[:, None] ** 2 + other**2) if metric == "euclidean" else np.ones((40, 50))
    weight = 2 * np.outer(one, other) if metric == "euclidean" else np.ones((40, 50))
    errors = [np.full(len(side), (200 + 8) / 2 * UNIT) for side in (a, b)]
    if arithmetic.name == "int8":  # half a step in each component
        errors = [np.sqrt(200) / 2 * np.abs(side).max(axis=1) / 127 / np.linalg.norm(side, axis=1) for side in (a, b)]
    widest = 2 * weight * (errors[0][:, None] + errors[1]) * (1.001 + errors[0].max()) + 100 * UNIT * base
    assert (upper - lower <= widest).all()


def test_rounding_to_float32_upward_and_downward() -> None:
    rng = np.random.default_rng(2)
    values = np.concatenate([rng.standard_normal(500) * 10.0 ** rng.integers(-30, 30, 500), [0.0, 1.0, -1.0, np.inf]])
    up, down = float32_at_least(values), float32_at_most(values)
    assert (up >= values).all() and (down <= values).all()
    same = values.astype(np.float32) == values
    np.testing.assert_array_equal(up[same], down[same])
    np.testing.assert_array_equal(np.nextafter(down, np.float32(np.inf))[~same], up[~same])
    assert float32_at_least(np.array([1e39]))[0] == np.inf
    assert float32_at_most(np.zeros(0)).shape == (0,)
