"""Panels in pairs and lines over the whole width, by hand; and that all cuts keep to the body's measures."""

from __future__ import annotations

import numpy as np

from fashret.demo.cuts import Cut, across, both
from fashret.demo.shapes import points


def test_a_pair_is_mirrored_and_its_pattern_slants_the_other_way() -> None:
    right, left = both(points((0.1, 0.2), (0.3, 0.2), (0.2, 0.5)), "edge", 7.0, behind=True)
    assert left.outline.tolist() == [[-0.1, 0.2], [-0.3, 0.2], [-0.2, 0.5]]
    assert (right.turn, left.turn) == (7.0, -7.0)
    assert right.part == left.part == "edge" and right.behind and left.behind


def test_a_line_across_hangs_down_in_the_middle() -> None:
    line = across(0.2, 0.5, 0.1)
    assert line[0].tolist() == [-0.2, 0.5] and line[-1].tolist() == [0.2, 0.5]
    np.testing.assert_allclose(line[len(line) // 2], [0.0, 0.5 + 0.1 * 0.4])


def test_a_cut_without_places_for_trims_has_none() -> None:
    cut = Cut([])
    assert cut.front is None and not cut.seams and not cut.edges and not cut.pockets
    assert Cut([]).edges is not cut.edges
