"""From a product to its sprite."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fashret.demo.drawing import alpha_box


@given(st.integers(0, 2**31))
def test_alpha_box_is_the_smallest_box(seed: int) -> None:
    rng = np.random.default_rng(seed)
    alpha = (rng.random((7, 5)) < 0.1).astype(np.uint8) * 255
    rows, columns = np.nonzero(alpha)
    expected = (min(columns), min(rows), max(columns) + 1, max(rows) + 1) if len(rows) else None
    assert alpha_box(alpha) == expected
