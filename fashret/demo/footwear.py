"""Cuts of shoes.

In: measures in body heights. Out: a `Cut` of one shoe from the side, toe to the right; (0, 0) is the ankle joint.
"""

from __future__ import annotations

import numpy as np

from fashret.demo.cuts import Cut, Panel
from fashret.demo.shapes import Points, along, arc, ellipse, limb, points

GROUND = 0.045  # below the ankle
BACK, FRONT = -0.036, 0.094

VAMPS: dict[str, tuple[float, float, float]] = {
    "laced": (0.034, 0.044, 0.042),
    "boot": (0.04, 0.036, 0.04),
    "slip": (0.042, 0.036, 0.036),
    "open": (0.054, 0.022, 0.036),
    "strap": (0.056, 0.02, 0.034),
}
"""Kind of shoe → x and height of the front end of its opening, and height of the heel counter."""


def _underside(heel: float, x: np.ndarray | float) -> np.ndarray:
    """Height of the underside of the foot at x: level under the toes, raised by `heel` under the heel."""
    rise = np.clip((0.05 - np.asarray(x)) / 0.065, 0, 1)
    return GROUND - heel * (0.5 - 0.5 * np.cos(np.pi * rise))


def _upper(shaft: float, heel: float, vamp: str) -> Points:
    """Outline of the upper, without sole."""
    x_vamp, height, counter = VAMPS[vamp]
    x = np.linspace(FRONT, BACK + 0.008, 12)
    under = np.stack([x, _underside(heel, x)], axis=1)
    end = (x_vamp, float(_underside(heel, x_vamp)) - height)
    nose = (FRONT - 0.016, GROUND - 0.024)
    toe = points(arc(end, nose, -0.05), arc(nose, (FRONT, GROUND - 0.004), 0.25))
    heel_end = (BACK + 0.008, GROUND - heel)
    if shaft:
        opening = points(arc((BACK + 0.002, -shaft), (0.026, -shaft), -0.05), arc((0.024, -0.012), end, -0.15))
        return points(opening, toe, under, arc(heel_end, (BACK + 0.002, -shaft), 0.04))
    y_back = GROUND - heel - counter
    return points(arc((BACK, y_back), end, -0.2), toe, under, arc(heel_end, (BACK, y_back), 0.12))


def _sole(heel: float, thick: float) -> list[Panel]:
    """The sole and, under a raised heel, what it stands on."""
    x = np.linspace(BACK + 0.004, FRONT + 0.001, 14)
    line = np.stack([x, _underside(heel, x)], axis=1)
    panels = [Panel(points(line - np.array([0.0, thick]), line[::-1]), "sole")]
    if heel > 0.01:
        y, wide = GROUND - heel - 0.002, 0.03 if heel < 0.02 else 0.018
        block = points(
            (BACK + 0.004, y - thick),
            (BACK + 0.004 + wide * 1.2, y + 0.002),
            (BACK + 0.008 + wide * 0.7, GROUND),
            (BACK + 0.008, GROUND),
        )
        panels.append(Panel(block, "sole"))
    return panels


def _caps(heel: float, counter: float) -> list[Points]:
    """Toe cap and heel cap."""
    toe = points(
        arc((FRONT - 0.026, GROUND - 0.027), (FRONT - 0.03, GROUND), 0.15),
        (FRONT, GROUND),
        arc((FRONT, GROUND - 0.004), (FRONT - 0.016, GROUND - 0.024), -0.25),
    )
    y = GROUND - heel
    back = points(arc((BACK + 0.002, y - counter * 0.7), (BACK + 0.028, y), 0.2), (BACK + 0.007, y))
    return [toe, back]


def _laces(x: float, height: float) -> list[Panel]:
    """A tongue and four rungs of lace."""
    top = GROUND - height
    tongue = points(
        (x - 0.006, top - 0.01), (x + 0.006, top - 0.006), (x + 0.03, GROUND - 0.03), (x + 0.016, GROUND - 0.026)
    )
    rungs = along(points((x + 0.004, top + 0.002), (x + 0.027, GROUND - 0.027)), [0.0, 0.33, 0.66, 1.0])
    laces = [limb(points(rung + (-0.007, 0.006), rung + (0.004, -0.004)), [0.0018] * 2) for rung in rungs]
    return [Panel(tongue, "edge"), *(Panel(lace, "lace") for lace in laces)]


def _ankle_strap(x: float, y: float) -> list[Panel]:
    """A strap round the ankle and one down to the toes; y is the top of the heel counter."""
    ring = limb(arc((BACK + 0.002, y), (0.03, y - 0.002), 0.14), np.full(9, 0.004))
    down = limb(points((0.028, y - 0.002), (x + 0.006, GROUND - 0.022)), [0.003] * 2)
    return [Panel(ring, "strap"), Panel(down, "strap")]


def shoe(shaft: float, heel: float, sole: float, vamp: str) -> Cut:
    """One shoe. `shaft` is its height above the ankle (0: a low shoe), `vamp` a key of `VAMPS`."""
    x_vamp, height, counter = VAMPS[vamp]
    lift = np.array([0.0, -sole])  # all but the sole stand on it
    panels = [Panel(ellipse((-0.005, -shaft - sole), 0.031, 0.007), "inside", behind=True)] if shaft else []
    panels += [Panel(_upper(shaft, heel, vamp) + lift), *_sole(heel, sole)]
    panels += [Panel(cap + lift, "edge") for cap in _caps(heel, counter)]
    if vamp == "laced":
        panels += [Panel(piece.outline + lift, piece.part) for piece in _laces(x_vamp, height)]
    if vamp == "strap":
        panels += _ankle_strap(x_vamp, GROUND - heel - counter - sole)
    apron = arc((x_vamp - 0.006, GROUND - height + 0.012), (x_vamp + 0.018, GROUND - 0.004), 0.2) + lift
    x = np.linspace(BACK + 0.01, FRONT - 0.006, 12)
    return Cut(
        panels,
        [apron] if vamp == "slip" else [],
        edges=[np.stack([x, _underside(heel, x) - 0.009], axis=1) + lift],
        bow=(x_vamp + 0.004, float(_underside(heel, x_vamp)) - height - sole, 0.018),
        print=(-0.004, -shaft * 0.5 - sole, 0.02)
        if shaft > 0.05
        else (0.004 if heel < 0.01 else 0.066, GROUND - 0.02 - sole, 0.0135),
    )
