"""Cuts from the waist down: as long and as wide as they are told."""

from __future__ import annotations

import numpy as np
import pytest

from fashret.demo.cuts import WAIST, Cut
from fashret.demo.lower import leggings, skirt, trousers
from fashret.demo.shapes import mirror


def body(cut: Cut) -> np.ndarray:
    return np.concatenate([panel.outline for panel in cut.panels if panel.part == "body"])


def is_symmetric(cut: Cut) -> bool:
    corners = {tuple(point) for panel in cut.panels for point in (panel.outline + 0.0).round(9).tolist()}
    return corners == {tuple(point) for point in (mirror(np.array(sorted(corners))) + 0.0).tolist()}


@pytest.mark.parametrize("cut", [trousers(0.93, 0.04, 0.05), leggings(0.8, 0.034, 0.03), skirt(0.7, 0.15, 0.03)])
def test_both_sides_are_alike_and_nothing_is_above_the_waist(cut: Cut) -> None:
    assert is_symmetric(cut)
    assert body(cut)[:, 1].min() >= WAIST - 0.02


def test_trousers_end_at_their_hem() -> None:
    outline = body(trousers(0.9, 0.04, 0.03, spread=0.06))
    assert outline[:, 1].max() == 0.9
    hem = outline[outline[:, 1] == 0.9]
    np.testing.assert_allclose([np.abs(hem[:, 0]).min(), np.abs(hem[:, 0]).max()], [0.03, 0.09])


def test_pockets_of_cargo_trousers_are_on_the_thigh() -> None:
    plain, cargo = (trousers(0.93, 0.048, 0.036, cargo=c).pockets[1] for c in (False, True))
    assert cargo[0] > plain[0] and cargo[1] > plain[1]


def test_leggings_can_have_a_panel_down_each_side_and_a_wider_band() -> None:
    plain, side = leggings(0.9, 0.033, 0.022), leggings(0.9, 0.033, 0.022, side=True)
    assert [p.part for p in side.panels].count("strap") == 2 and not any(p.part == "strap" for p in plain.panels)
    low = []
    for band in (0.022, 0.05):
        outline = leggings(0.9, 0.033, 0.022, band=band).panels[2].outline
        low.append(sorted(set(outline[:, 1].round(9)))[-2:])  # at the side and, a little lower, in the middle
    np.testing.assert_allclose(np.subtract(low[1], low[0]), [0.028, 0.028])


def test_skirts_are_as_wide_at_the_hem_as_they_flare() -> None:
    for flare in (0.078, 0.15):
        outline = body(skirt(0.7, flare, 0.03))
        assert outline[outline[:, 1] == 0.7][:, 0].max() == pytest.approx(flare)
    assert body(skirt(0.7, 0.078, 0.0))[:, 0].max() > 0.09  # over the hips first


def test_pleats_tiers_and_a_wrap_are_seams() -> None:
    seams = [len(skirt(0.7, 0.15, 0.03, **more).seams) for more in ({}, {"pleats": 7}, {"tiers": 2}, {"wrap": True})]
    assert seams == [0, 7, 2, 1]
