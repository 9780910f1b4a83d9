"""Cuts from the waist down: pants, leggings and skirts.

In: measures in body heights. Out: a `Cut`.
"""

from __future__ import annotations

import numpy as np

from fashret.demo.cuts import CROTCH, HIP, KNEE, WAIST, Cut, Panel, across, both
from fashret.demo.shapes import Points, along, arc, mirror, points, rectangle, symmetric


def _leg(hem_y: float, knee: float, hem: float, spread: float, rise: float, hips: float) -> tuple[Points, Points]:
    """Outer and inner line of the right leg."""
    knee_y = min(KNEE, (CROTCH + hem_y) / 2 + 0.02)
    over_hip = points(
        arc((0.074, rise), (hips, HIP + 0.01), 0.1), arc((hips, HIP + 0.01), (spread + knee, knee_y), 0.02)
    )
    outer = points(over_hip, (spread + hem, hem_y))
    inner = points((spread - hem, hem_y), (spread - knee, knee_y), (0.002, CROTCH + 0.01), (0, CROTCH))
    return outer, inner


def trousers(hem_y: float, knee: float, hem: float, spread: float = 0.056, cargo: bool = False) -> Cut:
    """Trousers or shorts; `knee` and `hem` are half widths of a leg, `spread` the distance of a leg from the middle."""
    outer, inner = _leg(hem_y, knee, hem, spread, WAIST, 0.099)
    band = points((0, WAIST - 0.001), (0.0745, WAIST - 0.002), (0.08, WAIST + 0.022), (0, WAIST + 0.026))
    cuff = rectangle(spread - hem, hem_y - 0.02, spread + hem, hem_y)
    crease = points((spread, CROTCH + 0.02), (spread, hem_y - 0.02))
    slant = points((0.045, WAIST + 0.022), (0.083, WAIST + 0.067))
    turn_up = points((spread - hem, hem_y - 0.03), (spread + hem, hem_y - 0.03))
    x, y = (0.085, 0.66) if cargo else (0.05, 0.475)
    return Cut(
        [*both(points((0, WAIST + 0.004), outer, inner), turn=4), Panel(symmetric(band), "edge"), *both(cuff, "edge")],
        [points((0, WAIST + 0.022), (0, CROTCH)), crease, mirror(crease), slant, mirror(slant)],
        front=points((0.0, WAIST + 0.006), (0.0, CROTCH - 0.02)),
        edges=[turn_up, mirror(turn_up)],
        pockets=[(-x, y, 0.05), (x, y, 0.05)],
        bow=(0, WAIST + 0.016, 0.04),
        print=(spread, 0.62, 0.032) if hem_y > 0.7 else (spread, 0.56, 0.028),
    )


def leggings(hem_y: float, knee: float, hem: float, band: float = 0.022, side: bool = False) -> Cut:
    """Leggings: no creases, a higher waist, sometimes a panel down the side."""
    rise, spread = WAIST - 0.012, 0.056
    outer, inner = _leg(hem_y, knee, hem, spread, rise, 0.094)
    waist = points((0, rise - 0.001), (0.0745, rise - 0.002), (0.08, rise + band), (0, rise + band + 0.004))
    cuff = rectangle(spread - hem, hem_y - 0.02, spread + hem, hem_y)
    panels = [*both(points((0, rise + 0.004), outer, inner), turn=4), Panel(symmetric(waist), "edge")]
    panels += both(cuff, "edge")
    if side:
        panels += both(points(outer[9:], outer[9:][::-1] - np.array([0.02, 0.0])), "strap")
    turn_up = points((spread - hem, hem_y - 0.03), (spread + hem, hem_y - 0.03))
    return Cut(
        panels,
        [points((0, rise + band), (0, CROTCH))],
        front=points((0.0, rise + 0.006), (0.0, CROTCH - 0.02)),
        edges=[turn_up, mirror(turn_up)],
        pockets=[(-0.05, 0.475, 0.045), (0.05, 0.475, 0.045)],
        bow=(0, rise + band / 2, 0.04),
        print=(spread, 0.62, 0.032) if hem_y > 0.7 else (spread, 0.56, 0.028),
    )


def skirt(hem_y: float, flare: float, bulge: float, pleats: int = 0, tiers: int = 0, wrap: bool = False) -> Cut:
    """A skirt hanging from the waist; `flare` is half the width of its hem."""
    half = 0.074
    side = arc((half, WAIST), (flare, hem_y), bulge)
    if flare < 0.1:  # narrow at the hem: over the hips first
        side = points(arc((half, WAIST), (0.1, HIP + 0.02), 0.12), arc((0.1, HIP + 0.02), (flare, hem_y), 0.02))
    band = points((0, WAIST - 0.002), (half + 0.001, WAIST - 0.003), (half + 0.006, WAIST + 0.022), (0, WAIST + 0.026))
    seams = [
        points((x * half, WAIST + 0.024), (x * flare, hem_y + 0.01 * (1 - abs(x))))
        for x in (2 * i / (pleats + 1) - 1 for i in range(1, pleats + 1))
    ]
    for x, y in along(side, [i / (tiers + 1) for i in range(1, tiers + 1)]):
        seams.append(across(float(x), float(y), 0.025))
    if wrap:
        seams.append(arc((0.05, WAIST + 0.024), (-flare * 0.35, hem_y), -0.1))
    return Cut(
        [
            Panel(symmetric(points((0, WAIST), side, arc((flare, hem_y), (0, hem_y + 0.014), 0.03)))),
            Panel(symmetric(band), "edge"),
        ],
        seams,
        front=points((0.0, WAIST + 0.036), (0.0, hem_y - 0.01)),
        edges=[across(flare, hem_y - 0.014, 0.02)],
        pockets=[(-0.052, 0.46, 0.045), (0.052, 0.46, 0.045)],
        bow=(0, WAIST + 0.02, 0.045),
        print=(0.025 if wrap else 0.0, WAIST + 0.55 * (hem_y - WAIST), 0.04),
    )
