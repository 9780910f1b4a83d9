"""Cuts of bags, belts, eyewear and hats.

In: measures in body heights. Out: a `Cut` at its place on the wearer; a bag's (0, 0) is the hand that holds it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fashret.demo.cuts import HEAD_HALF, HEAD_Y, WAIST, Cut, Panel, across, both
from fashret.demo.shapes import Points, arc, ellipse, limb, mirror, points, rectangle, symmetric

HANDLES = {"short": 0.045, "long": 0.12, "twin": 0.07, "roll": 0.03}  # kind → how far the bag hangs below the hand


def _handle(kind: str, half: float, drop: float) -> list[Panel]:
    line = arc((-half, drop + 0.01), (half, drop + 0.01), drop * 0.4 / half + 0.1, steps=13)
    strap = limb(line, np.full(13, 0.0045 if kind == "long" else 0.0065))
    second = [Panel(strap + np.array([0.012, -0.006]), "strap", behind=True)] if kind == "twin" else []
    return [*second, Panel(strap, "strap")]


def _flap(half: float, top: float, bottom: float) -> list[Panel]:
    """A flap closed by a clasp."""
    side = arc((half, bottom - 0.02), (0, bottom), 0.12)
    clasp = rectangle(-0.009, bottom - 0.012, 0.009, bottom + 0.008, 0.003)
    return [Panel(symmetric(points((half, top), side)), "edge"), Panel(clasp, "metal")]


@dataclass(frozen=True)
class BagBody:
    """What a bag measures: half its width at the top and at the base, its height, how round its sides are."""

    half_top: float
    half_base: float
    tall: float
    round_off: float = 0.0


def bag(body: BagBody, handle: str, close: str = "rim", flap: float = 0.0, pocket: bool = False) -> Cut:
    """A bag. `handle` is a key of `HANDLES`; `close`: rim, flap (over the share `flap` of its height) or tied."""
    half_top, half_base, tall, round_off = body.half_top, body.half_base, body.tall, body.round_off
    y0, y1 = HANDLES[handle], HANDLES[handle] + tall
    side = arc((half_top, y0), (half_base, y1), round_off)
    front = symmetric(points(side, arc((half_base, y1), (0, y1), round_off * 0.6)))
    loop = half_top * (0.9 if handle == "long" else 0.62)
    panels = [*_handle(handle, loop, y0), Panel(front)]
    if close == "flap":
        panels += _flap(half_top, y0, y0 + tall * flap)
    elif close == "tied":
        panels.append(Panel(rectangle(-half_top - 0.004, y0 + 0.014, half_top + 0.004, y0 + 0.024), "strap"))
    else:
        panels.append(Panel(rectangle(-half_top, y0, half_top, y0 + 0.018), "edge"))
    if pocket:
        pouch = rectangle(-half_base * 0.62, y1 - tall * 0.45, half_base * 0.62, y1 - tall * 0.08, 0.012)
        panels.append(Panel(pouch, "edge"))
    clear = y0 + tall * max(flap, 0.12)  # below it the front is free for a print
    return Cut(
        panels,
        [across(half_top, y0 + 0.026, 0.08)] if close == "tied" else [],
        front=points((-half_top * 0.8, y0 + 0.026), (half_top * 0.8, y0 + 0.026)),
        edges=[points((-half_base * 0.94, y1 - 0.012), (half_base * 0.94, y1 - 0.012))],
        bow=(-loop, y0 + 0.012, 0.03),
        print=(0.0, (clear + y1) / 2 + (0.003 if pocket else 0.0), min(0.036, (y1 - clear) * 0.36)),
    )


def _buckle(kind: str, half: float, y: float) -> list[Panel]:
    """What closes a belt whose half height is `half`: square, round, plate, rings, or the knot of a sash."""

    def disc(x: float, radius: float, part: str) -> Panel:
        return Panel(ellipse((x, y), half * radius, half * radius), part)

    def box(x: float, tall: float, corner: float, part: str, left: float = -1.0) -> Panel:
        return Panel(rectangle(left * half * x, y - half * tall, half * x, y + half * tall, half * corner), part)

    if kind == "square":
        return [box(1.25, 1.35, 0.25, "metal"), box(0.8, 0.85, 0.15, "body"), box(1.25, 0.15, 0, "metal", 0.0)]
    if kind == "round":
        return [disc(0, 1.5, "metal"), disc(0, 1.0, "body")]
    if kind == "plate":
        return [box(2.2, 1.05, 0.5, "metal")]
    if kind == "rings":
        return [disc(x, r, part) for x in (-0.7 * half, 0.7 * half) for r, part in ((1.3, "metal"), (0.85, "body"))]
    end = points((-0.2, 0.0), (0.5, 0.0), (1.7, 4.4), (0.4, 4.8)) * half + (0.0, y)
    return [*both(end, "edge", 15), Panel(ellipse((0, y), half * 0.7, half * 0.9), "edge")]


def belt(tall: float, buckle: str) -> Cut:
    """A belt seen from the front and a little above, closed; its far side shows when nobody wears it."""
    half, radius, y = tall / 2, 0.078, WAIST + 0.008

    def band(sag: float) -> Points:
        return points(across(radius, y - half, sag), across(radius, y + half, sag)[::-1])

    front = y + 0.06 * 2 * radius  # height of the middle of the near side
    panels = [Panel(band(-0.1), "inside", behind=True), Panel(band(0.06)), *_buckle(buckle, half, front)]
    if buckle != "sash":
        x = radius * 0.45
        panels.append(Panel(rectangle(x, front - half * 1.3, x + half * 0.55, front + half * 0.9, 0.001), "strap"))
    return Cut(
        panels,
        edges=[across(radius * 0.97, y + side * half * 0.66, 0.06) for side in (-1, 1)],
        bow=(-radius * 0.5, front - half * 0.2, half * 1.6),
        print=(-radius * 0.55, front - half * 0.25, half * 0.72),
    )


def glasses(lens: Points, rim: float, temple_y: float = -0.006, bar: bool = False) -> Cut:
    """Sunglasses from the front; `lens` is the right lens round the point (0, 0), `rim` the frame's size to it."""
    y = HEAD_Y - 0.006
    outer, inner = (lens * size + np.array([0.0235, y]) for size in (rim, 1.0))
    bridge = limb(arc((-0.009, y - 0.004), (0.009, y - 0.004), 0.25), np.full(9, 0.0022))
    end = float(outer[:, 0].max())
    hinge = points((-0.002, -0.004), (0.004, -0.004), (0.003, 0.012), (-0.002, 0.004)) + (end, y + temple_y)
    folded = limb(points((end, y + temple_y), (-0.02, y + 0.012)), [0.0018] * 2)
    panels = [*both(folded, "inside", behind=True), *both(hinge, "edge"), Panel(bridge, "edge"), *both(outer)]
    panels += both(inner, "lens")
    if bar:
        panels.append(Panel(limb(points((-0.02, y - 0.017), (0.02, y - 0.017)), [0.0018] * 2), "metal"))
    brow = outer[outer[:, 1] < y + 0.004]
    brow = brow[np.argsort(brow[:, 0])]
    return Cut(
        panels, edges=[brow, mirror(brow)], bow=(end - 0.004, y - 0.012, 0.007), print=(0.026, y + 0.001, 0.0085)
    )


BROW = HEAD_Y - 0.032  # the lower line of a hat
WIDE = HEAD_HALF + 0.007

# kind → right half of the crown from the brow to the top, and how far the brim reaches over it
CROWNS: dict[str, tuple[Points, float]] = {
    "cap": (arc((WIDE, BROW), (0, BROW - 0.056), -0.2), 0.0),
    "beanie": (arc((WIDE + 0.002, BROW + 0.01), (0, BROW - 0.062), -0.2), 0.0),
    "bucket": (points((WIDE, BROW), (WIDE - 0.01, BROW - 0.045), (0, BROW - 0.05)), 0.03),
    "fedora": (points(arc((WIDE, BROW), (0.024, BROW - 0.062), -0.06), (0, BROW - 0.05)), 0.035),
    "sun hat": (arc((WIDE, BROW), (0, BROW - 0.05), -0.22), 0.075),
    "beret": (ellipse((0, BROW - 0.032), WIDE + 0.024, 0.032, 80, -90), 0.0),
    "top hat": (points((WIDE - 0.002, BROW), (WIDE + 0.002, BROW - 0.08), (0, BROW - 0.084)), 0.026),
}


def _brim(kind: str, brim: float) -> tuple[Panel, Panel]:
    """The far side of the brim, which a head hides, and the near one."""
    reach, thick = WIDE + brim, 0.02 if kind == "sun hat" else 0.012
    drop = 0.016 if kind == "bucket" else 0.0
    near = points(across(WIDE, BROW - 0.002, 0.05), across(reach, BROW + drop, 0.08)[::-1])
    return Panel(ellipse((0, BROW), reach, thick + drop), "inside", behind=True), Panel(near, "edge")


def hat(kind: str) -> Cut:
    """A hat on the head; `kind` is a key of `CROWNS`."""
    half, brim = CROWNS[kind]
    panels, seams, band_y = [Panel(symmetric(half[::-1]))], [], BROW - 0.004
    if kind == "cap":
        visor = points(across(WIDE, BROW, -0.04), across(WIDE, BROW, 0.16)[::-1])
        panels += [Panel(visor, "edge"), Panel(ellipse((0, BROW - 0.056), 0.005, 0.004), "edge")]
        seam = arc((0.002, BROW - 0.055), (0.028, BROW - 0.004), 0.1)
        seams = [seam, mirror(seam)]
    elif kind == "beanie":
        turn_up = points(across(WIDE + 0.003, BROW - 0.01, 0.04), across(WIDE + 0.003, BROW + 0.014, 0.04)[::-1])
        panels = [Panel(ellipse((0, BROW - 0.066), 0.017, 0.016), "strap"), *panels, Panel(turn_up, "edge")]
        band_y = BROW - 0.018
    elif kind == "beret":
        stalk = limb(points((0, BROW - 0.062), (0.003, BROW - 0.074)), [0.003] * 2)
        panels += [
            Panel(stalk, "edge"),
            Panel(rectangle(-WIDE + 0.002, BROW - 0.006, WIDE - 0.002, BROW + 0.004), "edge"),
        ]
    if brim:
        far, near = _brim(kind, brim)
        panels = [far, *panels, near]
    rim = across(WIDE, band_y - 0.006, 0.04)
    return Cut(panels, seams, edges=[rim], bow=(WIDE * 0.62, band_y - 0.008, 0.016), print=(0.0, BROW - 0.03, 0.0165))
