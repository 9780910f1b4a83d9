"""The dot product against loops in the order that defines it."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from fashret.knn.simd import dot_products
from tests.brute import lane_dots


@njit
def one(a, i, b, j):
    return dot_products(a, i, b, (j,))[0]


@njit
def three(a, i, b, js):
    return dot_products(a, i, b, (js[0], js[1], js[2]))


@pytest.mark.parametrize("width", [1, 3, 15, 16, 17, 40, 512])
def test_is_the_sum_in_the_order_of_the_definition(width: int) -> None:
    rng = np.random.default_rng(width)
    a = rng.standard_normal((3, width)).astype(np.float32)
    b = rng.standard_normal((9, width)).astype(np.float32)
    expected = lane_dots(a, b)
    for i in range(3):
        for j in range(9):
            assert one(a, i, b, j) == expected[i, j]
        for js in np.array([[0, 1, 2], [8, 8, 3]], np.int32):
            assert three(a, i, b, js) == tuple(expected[i, js])
