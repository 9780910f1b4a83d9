"""Cuts of shoes: on the ground, toe to the right, raised by their heel and their sole."""

from __future__ import annotations

import numpy as np
import pytest

from fashret.demo.cuts import Cut
from fashret.demo.footwear import BACK, FRONT, GROUND, VAMPS, shoe


def corners(cut: Cut, part: str) -> np.ndarray:
    return np.concatenate([panel.outline for panel in cut.panels if panel.part == part])


@pytest.mark.parametrize("vamp", VAMPS)
@pytest.mark.parametrize(("shaft", "heel"), [(0.0, 0.0), (0.0, 0.03), (0.1, 0.014)])
def test_the_sole_is_on_the_ground_and_the_toe_to_the_right(shaft: float, heel: float, vamp: str) -> None:
    cut = shoe(shaft, heel, 0.01, vamp)
    sole, upper = corners(cut, "sole"), corners(cut, "body")
    np.testing.assert_allclose(sole[:, 1].max(), GROUND)
    np.testing.assert_allclose([upper[:, 0].min(), upper[:, 0].max()], [BACK, FRONT], atol=0.02)
    np.testing.assert_allclose(upper[:, 1].max(), GROUND - 0.01)  # all but the sole is on it
    back = upper[upper[:, 0] < BACK + 0.012]
    assert back[:, 1].max() == pytest.approx(GROUND - 0.01 - heel, abs=2e-3)


def test_a_shaft_reaches_up_and_shows_its_inside() -> None:
    low, high = shoe(0.0, 0.0, 0.0, "boot"), shoe(0.15, 0.0, 0.0, "boot")
    assert corners(high, "body")[:, 1].min() == pytest.approx(-0.15, abs=5e-3)
    assert (corners(high, "body")[:, 1] < -0.146).sum() >= 9  # its opening is level, from back to front
    assert corners(low, "body")[:, 1].min() > -0.01
    assert [panel.part for panel in high.panels if panel.behind] == ["inside"]
    assert not any(panel.behind for panel in low.panels)


def test_what_only_some_shoes_have() -> None:
    kinds = {vamp: {panel.part for panel in shoe(0.0, 0.0, 0.01, vamp).panels} for vamp in VAMPS}
    assert [vamp for vamp, parts in kinds.items() if "lace" in parts] == ["laced"]
    assert [vamp for vamp, parts in kinds.items() if "strap" in parts] == ["strap"]
    assert [vamp for vamp in VAMPS if shoe(0.0, 0.0, 0.01, vamp).seams] == ["slip"]


def test_a_high_heel_stands_on_a_block() -> None:
    flat, high = (sum(p.part == "sole" for p in shoe(0.0, heel, 0.005, "open").panels) for heel in (0.0, 0.036))
    assert (flat, high) == (1, 2)
