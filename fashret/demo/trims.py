"""Trims and prints: buttons, zips, pockets, fringe, piping, bows, bands, studs, and a motif in the middle.

In: a canvas with a garment on it, its cut and its colours. Out: the same canvas with the trim, drawn where the cut has
a place for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fashret.demo.canvas import Canvas
from fashret.demo.cuts import Cut
from fashret.demo.fabrics import Colour, luminance, shade
from fashret.demo.shapes import MOTIFS, Points, along, arc, mirror, points, rectangle

GOLD, SILVER = (206, 168, 88), (190, 194, 202)
EYE_CATCHING = 1.15  # trims and prints a little larger than life, so that they survive a photo of 100 pixels


@dataclass(frozen=True)
class Paint:
    """The colours of one product by the part that they go on."""

    base: Colour
    second: Colour
    accent: Colour
    contrast: bool

    def of(self, part: str) -> Colour:
        """The colour of an edge, inside, lining, strap, sole, metal, lens or lace."""
        dark = luminance(self.base) < 120
        return {
            "edge": self.accent if self.contrast else shade(self.base, 0.86),
            "inside": shade(self.base, 0.55),
            "lining": (236, 232, 224),
            "strap": self.accent if self.contrast else self.second,
            "sole": (236, 232, 224) if dark else (74, 58, 50),
            "metal": SILVER if self.contrast else GOLD,
            "lens": shade(self.second, 0.6),
            "lace": (236, 232, 224) if dark else (60, 56, 60),
        }[part]

    @property
    def seam(self) -> Colour:
        """Darker than the cloth, or lighter where the cloth is nearly black."""
        return shade(self.base, 0.6) if luminance(self.base) > 60 else shade(self.base, 1.22)


def _length(line: Points) -> float:
    return float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())


def _buttons(canvas: Canvas, cut: Cut, paint: Paint) -> None:
    assert cut.front is not None
    placket = cut.front
    canvas.line(placket, shade(paint.accent, 0.9), 0.022)
    length = _length(placket) / canvas.span
    for x, y in along(placket, np.linspace(0.03, 0.97, max(3, round(length / 0.085)))):
        canvas.disc(x, y, 0.019, shade(paint.base, 0.45) if luminance(paint.base) > 110 else (240, 236, 226))


def _zip(canvas: Canvas, cut: Cut, paint: Paint) -> None:
    assert cut.front is not None
    canvas.line(cut.front, (46, 46, 52), 0.03)
    count = max(6, int(_length(cut.front) / canvas.span / 0.022))
    for x, y in along(cut.front, np.linspace(0, 1, count)):
        canvas.disc(x, y, 0.0065, (226, 228, 232))
    x, y = along(cut.front, [0.06])[0]
    canvas.fill(rectangle(-0.014, -0.006, 0.014, 0.055, 0.01) * canvas.span + (x, y), (226, 228, 232))


def _pockets(canvas: Canvas, cut: Cut, paint: Paint) -> None:
    for x, y, wide in cut.pockets:
        half = wide / 2 * EYE_CATCHING
        pouch = points((-1, -1), (1, -1), (1, 0.75), (0, 1.15), (-1, 0.75)) * half + (x, y)
        canvas.fill(pouch, paint.accent)
        canvas.line(np.concatenate([pouch, pouch[:1]]), shade(paint.accent, 0.6), 0.005)
        canvas.line(points((x - half, y - half * 0.55), (x + half, y - half * 0.55)), shade(paint.accent, 0.6), 0.005)


def _fringe(canvas: Canvas, cut: Cut, paint: Paint) -> None:
    long = 0.055 * canvas.span
    for edge in cut.edges[:2]:
        wide = float(np.ptp(edge[:, 0])) / canvas.span
        for i, (x, y) in enumerate(along(edge, np.linspace(0.01, 0.99, max(6, int(wide / 0.022))))):
            sway = 0.006 * canvas.span * (-1) ** i
            colour = paint.accent if i % 2 else shade(paint.accent, 0.82)
            canvas.line(points((x, y), (x + sway, y + long)), colour, 0.0115)


def _piping(canvas: Canvas, cut: Cut, paint: Paint) -> None:
    for panel in cut.panels:
        if panel.part == "body" and not panel.behind:
            canvas.line(np.concatenate([panel.outline, panel.outline[:1]]), paint.accent, 0.016)


def _bow(canvas: Canvas, cut: Cut, paint: Paint) -> None:
    x, y, half = cut.bow
    half *= EYE_CATCHING
    upper, lower = arc((0.25, -0.5), (1, -0.62), 0.1), arc((1, 0.62), (0.25, 0.45), 0.1)
    wing = points((0, -0.12), upper, (1.05, 0.55), lower, (0, 0.12)) * half
    tail = points((0.05, 0.1), (0.75, 1.35), (0.42, 1.5), (-0.02, 0.2)) * half
    for piece in (tail, mirror(tail), wing, mirror(wing)):
        canvas.fill(piece + (x, y), paint.accent)
        canvas.line(np.concatenate([piece, piece[:1]]) + (x, y), shade(paint.accent, 0.65), 0.004)
    canvas.fill(rectangle(-0.2, -0.24, 0.2, 0.24, 0.08) * half + (x, y), shade(paint.accent, 0.8))


def _band(canvas: Canvas, cut: Cut, paint: Paint) -> None:
    for edge in cut.edges[:2]:
        canvas.line(edge, paint.accent, 0.05)
        canvas.line(edge, paint.second, 0.014)


def _studs(canvas: Canvas, cut: Cut, paint: Paint) -> None:
    for edge in cut.edges[:2]:
        long = _length(edge) / canvas.span
        for x, y in along(edge, np.linspace(0.04, 0.96, max(4, round(long / 0.055)))):
            canvas.disc(x, y, 0.0165, (70, 62, 50))
            canvas.disc(x, y, 0.0125, (246, 222, 140))


DRAWERS: dict[str, Callable[[Canvas, Cut, Paint], None]] = {
    "buttons": _buttons,
    "zip": _zip,
    "pockets": _pockets,
    "fringe": _fringe,
    "piping": _piping,
    "bow": _bow,
    "band": _band,
    "studs": _studs,
}
"""Trim → what draws it; "contrast" acts through `Paint`, "none" not at all."""


def draw_print(canvas: Canvas, cut: Cut, motif: str, paint: Paint) -> None:
    """Print a motif in the accent's colour; a rim of the cloth's colour lifts it off a busy pattern."""
    x, y, half = cut.print
    half *= EYE_CATCHING
    outlines = [outline * half for outline in MOTIFS[motif]]
    for outline in outlines:
        canvas.line(np.concatenate([outline, outline[:1]]) + (x, y), paint.base, 0.03)
        canvas.fill(outline * 1.06 + (x, y), paint.base)
    for outline in outlines:
        canvas.fill(outline + (x, y), paint.accent)
