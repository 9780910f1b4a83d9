"""Cuts of bags, belts, eyewear and hats: where they are on the wearer, and what each option changes."""

from __future__ import annotations

import numpy as np
import pytest

from fashret.demo.accessories import BROW, CROWNS, HANDLES, BagBody, bag, belt, glasses, hat
from fashret.demo.cuts import HEAD_HALF, HEAD_Y, WAIST, Cut
from fashret.demo.shapes import ellipse


def parts(cut: Cut) -> list[str]:
    return [panel.part for panel in cut.panels]


def extent(cut: Cut, part: str) -> np.ndarray:
    """Least and greatest x and y of all panels of a part."""
    corners = np.concatenate([panel.outline for panel in cut.panels if panel.part == part])
    return np.stack([corners.min(axis=0), corners.max(axis=0)])


@pytest.mark.parametrize("handle", HANDLES)
def test_a_bag_hangs_by_its_handle_below_the_hand(handle: str) -> None:
    body = extent(bag(BagBody(0.07, 0.06, 0.13), handle), "body")
    np.testing.assert_allclose(body[:, 1], [HANDLES[handle], HANDLES[handle] + 0.13])
    np.testing.assert_allclose(body[:, 0], [-0.07, 0.07])
    assert extent(bag(BagBody(0.07, 0.06, 0.13), handle), "strap")[0, 1] < HANDLES[handle]


def test_a_bag_is_closed_by_what_it_is_told() -> None:
    assert "metal" in parts(bag(BagBody(0.07, 0.07, 0.1), "long", "flap", flap=0.5))
    assert "edge" not in parts(bag(BagBody(0.05, 0.06, 0.12), "long", "tied"))
    rim, pocket = bag(BagBody(0.07, 0.07, 0.1), "long"), bag(BagBody(0.07, 0.07, 0.1), "long", pocket=True)
    assert len(pocket.panels) == len(rim.panels) + 1


def test_a_print_is_below_the_flap() -> None:
    cut = bag(BagBody(0.07, 0.07, 0.1), "long", "flap", flap=0.5)
    x, y, half = cut.print
    assert x == 0 and y - half > HANDLES["long"] + 0.05 and y + half < HANDLES["long"] + 0.1


@pytest.mark.parametrize(
    ("buckle", "made_of"),
    [("square", "metal"), ("round", "metal"), ("plate", "metal"), ("rings", "metal"), ("sash", "edge")],
)
def test_a_belt_goes_round_the_waist_and_is_closed(buckle: str, made_of: str) -> None:
    cut = belt(0.03, buckle)
    assert made_of in parts(cut)
    assert ("strap" in parts(cut)) == (buckle != "sash")  # the loop that holds a belt's end
    body = extent(cut, "body")
    assert body[0, 1] < WAIST + 0.008 + 0.015 < body[1, 1] + 1e-9
    assert [panel.part for panel in cut.panels if panel.behind] == ["inside"]


def test_glasses_are_symmetric_and_rims_reach_over_lenses() -> None:
    cut = glasses(ellipse((0, 0), 0.0165, 0.0165), 1.25)
    lens, frame = extent(cut, "lens"), extent(cut, "body")
    np.testing.assert_allclose(lens[0, 0], -lens[1, 0])
    assert (frame[0] < lens[0]).all() and (frame[1] > lens[1]).all()
    assert lens[0, 1] < HEAD_Y < lens[1, 1] and lens[1, 0] < HEAD_HALF + 0.01
    assert "metal" not in parts(cut) and "metal" in parts(glasses(ellipse((0, 0), 0.0165, 0.0165), 1.25, bar=True))


@pytest.mark.parametrize("kind", CROWNS)
def test_a_hat_covers_the_head_and_its_brim_reaches_over_it(kind: str) -> None:
    cut, brim = hat(kind), CROWNS[kind][1]
    crown = extent(cut, "body")
    assert crown[1, 0] > HEAD_HALF and crown[0, 1] < HEAD_Y - 0.062  # over its sides and above its top
    if brim:
        np.testing.assert_allclose(extent(cut, "edge")[:, 0], [-HEAD_HALF - 0.007 - brim, HEAD_HALF + 0.007 + brim])
        assert any(panel.behind for panel in cut.panels)
    assert crown[0, 1] < cut.print[1] < BROW
