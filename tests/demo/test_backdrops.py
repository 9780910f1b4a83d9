"""Places and surfaces: of one size, never empty, drawn by the generator alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from fashret.demo.backdrops import PLACES, SIDE, SURFACES, place, surface


@pytest.mark.parametrize(
    ("draw", "kind"), [(place, i) for i in range(len(PLACES))] + [(surface, i) for i in range(len(SURFACES))]
)
def test_a_backdrop_is_full_and_depends_on_the_generator_alone(
    draw: Callable[[np.random.Generator, int], Image.Image], kind: int
) -> None:
    one, again, other = (np.asarray(draw(np.random.default_rng(seed), kind)) for seed in (0, 0, 1))
    assert one.shape == (SIDE, SIDE, 3) and one.std() > 5
    assert np.array_equal(one, again) and not np.array_equal(one, other)


def test_kinds_go_round() -> None:
    for draw, count in ((place, len(PLACES)), (surface, len(SURFACES))):
        first, next_round = (draw(np.random.default_rng(0), kind) for kind in (1, 1 + count))
        assert np.array_equal(np.asarray(first), np.asarray(next_round))
