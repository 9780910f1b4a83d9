"""Cuts from the neck down: necklines, sleeves, hems and what closes a coat."""

from __future__ import annotations

import numpy as np
import pytest

from fashret.demo.cuts import ARM, WAIST, Cut
from fashret.demo.shapes import along
from fashret.demo.upper import NECKS, SLEEVES, CoatBody, Skirt, bodice, coat, dress, neckline, sleeves, top, trench


def corners(cut: Cut, part: str = "body") -> np.ndarray:
    return np.concatenate([panel.outline for panel in cut.panels if panel.part == part])


@pytest.mark.parametrize("neck", NECKS)
def test_a_neckline_runs_from_its_lowest_point_to_the_shoulder(neck: str) -> None:
    half, depth = NECKS[neck]
    line = neckline(neck)
    assert line[0].tolist() == [0, depth] and line[-1].tolist() == [half, 0.174]
    assert line[:, 1].max() <= depth + 0.01


@pytest.mark.parametrize("kind", SLEEVES)
def test_sleeves_reach_down_the_arm_and_come_in_pairs(kind: str) -> None:
    length, _, end, _ = SLEEVES[kind]
    right, left, *cuffs = sleeves(*SLEEVES[kind])
    assert left.outline[:, 0].max() < 0 < right.outline[:, 0].min() and len(cuffs) == 2
    outer, inner = right.outline[5], right.outline[6]
    np.testing.assert_allclose((outer + inner) / 2, along(ARM, [length])[0])
    assert np.linalg.norm(outer - inner) == pytest.approx(2 * end)


def test_ease_moves_a_sleeve_away_from_the_body() -> None:
    near, far = sleeves(*SLEEVES["long"])[0], sleeves(*SLEEVES["long"], ease=0.012)[0]
    np.testing.assert_allclose(far.outline - near.outline, [[0.012, 0.0]] * len(near.outline), atol=1e-12)


def test_a_bodice_is_closed_by_its_mirror_image() -> None:
    outline = bodice("crew", np.array([(0.09, 0.4), (0.0, 0.41)]), 0.1)
    np.testing.assert_allclose(outline, (outline * (-1, 1))[::-1])


def test_tops_end_at_their_hem_and_have_the_sleeves_they_are_told() -> None:
    for hem in (0.41, 0.53):
        assert corners(top("crew", "none", hem))[:, 1].max() == pytest.approx(hem + 0.008, abs=1e-3)
    bare, long = top("crew", "none"), top("crew", "long")
    assert len(long.panels) == len(bare.panels) + 4
    assert len(top("crew", "none", collar=True).panels) == len(bare.panels) + 2
    assert corners(top("high", "none"), "edge")[:, 1].min() < corners(bare, "edge")[:, 1].min()


def test_dresses_are_as_wide_at_the_hem_as_they_flare() -> None:
    outline = corners(dress("scoop", "none", Skirt(0.66, 0.17)))
    assert outline[outline[:, 1] > 0.6][:, 0].max() == pytest.approx(0.17)
    assert outline[:, 1].max() == pytest.approx(0.672, abs=1e-3)
    straps = dress("scoop", "straps", Skirt(0.68, 0.15))
    assert not any(panel.behind for panel in straps.panels) and [p.part for p in straps.panels].count("edge") == 2


def test_tiers_and_a_wrap_are_seams() -> None:
    plain, tiered, wrapped = (
        len(dress("vee", "none", Skirt(0.7, 0.12, **more)).seams) for more in ({}, {"tiers": 2}, {"wrap": True})
    )
    assert (tiered - plain, wrapped - plain) == (2, 1)


@pytest.mark.parametrize(("collar", "part"), [("notch", "lining"), ("hood", "lining"), ("stand", "edge")])
def test_a_coat_is_closed_at_the_neck(collar: str, part: str) -> None:
    cut = coat(CoatBody(0.6, 0.09, 0.1), 0.03, collar)
    assert part in {panel.part for panel in cut.panels}
    assert corners(cut)[:, 1].max() == pytest.approx(0.606)
    assert corners(cut)[:, 1].min() < 0.175 or collar != "hood"


def test_ribs_are_a_panel_and_quilts_are_seams() -> None:
    plain, ribs, quilts = (
        coat(CoatBody(0.5, 0.1, 0.1), 0.03, "stand", **more) for more in ({}, {"ribs": True}, {"quilts": 6})
    )
    assert len(ribs.panels) == len(plain.panels) + 1
    assert len(quilts.seams) == len(plain.seams) + 6


def test_a_trench_is_belted_at_the_waist() -> None:
    belt = corners(trench(), "strap")
    assert belt[:, 1].min() < WAIST < belt[:, 1].max()
    assert "metal" in {panel.part for panel in trench().panels}
