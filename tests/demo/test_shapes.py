"""Plane geometry, by hand."""

from __future__ import annotations

from fashret.demo.shapes import along, arc, mirror


def test_geometry() -> None:
    assert along([(0, 0), (2, 0), (2, 2)], [0.0, 0.5, 0.75]).tolist() == [[0, 0], [2, 0], [2, 1]]
    assert mirror(arc((0, 0), (1, 2), 0.1))[-1].tolist() == [-1, 2]
