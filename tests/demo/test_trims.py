"""Trims are drawn at their places on the cut, and prints in its middle."""

from __future__ import annotations

import numpy as np
import pytest

from fashret.demo.canvas import Canvas
from fashret.demo.cuts import Cut, Panel
from fashret.demo.fabrics import COLOURS, luminance
from fashret.demo.shapes import MOTIFS, points, rectangle
from fashret.demo.trims import DRAWERS, Paint, draw_print

PAINT = Paint(COLOURS["navy"], COLOURS["sand"], COLOURS["red"], contrast=False)
CUT = Cut(
    [Panel(rectangle(0.1, 0.1, 0.9, 0.9)), Panel(rectangle(0.4, 0.4, 0.6, 0.6), behind=True)],
    front=points((0.3, 0.2), (0.3, 0.8)),
    edges=[points((0.2, 0.8), (0.8, 0.8))],
    pockets=[(0.7, 0.6, 0.1)],
    bow=(0.5, 0.2, 0.1),
    print=(0.5, 0.5, 0.1),
)
PLACES = {  # trim → x1, y1, x2, y2 of what it may touch
    "buttons": (0.25, 0.15, 0.35, 0.85),
    "zip": (0.25, 0.15, 0.35, 0.85),
    "pockets": (0.6, 0.5, 0.8, 0.7),
    "fringe": (0.18, 0.77, 0.82, 0.88),
    "piping": (0.08, 0.08, 0.92, 0.92),
    "bow": (0.36, 0.1, 0.64, 0.4),
    "band": (0.17, 0.76, 0.83, 0.84),
    "studs": (0.17, 0.76, 0.83, 0.84),
}


def drawn(trim: str) -> np.ndarray:
    """What a trim covers of an empty canvas of 100×100 pixels."""
    canvas = Canvas((100, 100), (0.0, 0.0), 100.0, (0, 0, 0))
    DRAWERS[trim](canvas, CUT, PAINT)
    return np.asarray(canvas.finished().alpha) > 96


@pytest.mark.parametrize("trim", DRAWERS)
def test_a_trim_is_drawn_at_its_place_and_nowhere_else(trim: str) -> None:
    covered = drawn(trim)
    x1, y1, x2, y2 = (round(100 * edge) for edge in PLACES[trim])
    assert covered[y1:y2, x1:x2].sum() > 60
    covered[y1:y2, x1:x2] = False
    assert not covered.any()


def test_piping_leaves_out_panels_that_a_wearer_hides() -> None:
    assert not drawn("piping")[30:70, 30:70].any()


@pytest.mark.parametrize("motif", MOTIFS)
def test_a_print_has_the_accents_colour_on_a_rim_of_the_cloths(motif: str) -> None:
    canvas = Canvas((100, 100), (0.0, 0.0), 100.0, (0, 0, 0))
    draw_print(canvas, CUT, motif, PAINT)
    finished = canvas.finished()
    pixels, covered = np.asarray(finished.rgb), np.asarray(finished.alpha) > 200
    assert covered[34:66, 34:66].sum() == covered.sum() > 100
    for colour in (PAINT.accent, PAINT.base):
        assert (np.abs(pixels[covered].astype(int) - colour).max(axis=1) < 3).sum() > 20


def test_contrast_colours_edges_and_metal() -> None:
    plain, contrast = (Paint(COLOURS["navy"], COLOURS["sand"], COLOURS["red"], c) for c in (False, True))
    assert contrast.of("edge") == COLOURS["red"] != plain.of("edge")
    assert contrast.of("metal") != plain.of("metal") and contrast.of("inside") == plain.of("inside")


def test_seams_can_be_told_from_the_cloth() -> None:
    for name, colour in COLOURS.items():
        paint = Paint(colour, colour, colour, contrast=False)
        assert abs(luminance(paint.seam) - luminance(colour)) > 15, name
        assert (luminance(paint.seam) > luminance(colour)) == (luminance(colour) <= 60), name
