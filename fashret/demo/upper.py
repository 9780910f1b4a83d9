"""Cuts from the neck down: tops, dresses and outerwear.

In: measures in body heights. Out: a `Cut`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fashret.demo.cuts import ARM, ARMPIT, SHOULDER, WAIST, Cut, Panel, across, both
from fashret.demo.shapes import Points, along, arc, ellipse, limb, mirror, points, rectangle, symmetric

NECKS: dict[str, tuple[float, float]] = {
    "crew": (0.036, 0.197),
    "scoop": (0.052, 0.235),
    "vee": (0.04, 0.268),
    "boat": (0.076, 0.2),
    "high": (0.032, 0.176),
}
"""Neckline → half width at the shoulder and y of its lowest point."""

SLEEVES: dict[str, tuple[float, float, float, float]] = {
    "cap": (0.2, 0.044, 0.046, 0.8),
    "short": (0.4, 0.042, 0.046, 0.8),
    "half": (0.62, 0.04, 0.036, 0.8),
    "long": (0.98, 0.04, 0.024, 0.9),
    "bell": (0.9, 0.038, 0.062, 0.94),
}
"""Sleeve → how far down the arm it reaches, half width at the top and at the end, where on it the cuff begins."""

NARROW, WIDE = 0.074, 0.102  # from the middle to the armhole, without and with sleeves


def sleeves(length: float, top: float, end: float, cuff: float, ease: float = 0.0) -> list[Panel]:
    """Both sleeves and their cuffs; `ease` moves them away from the body."""
    share = np.linspace(0, 1, 6)
    line = along(ARM + np.array([ease, 0.0]), share * length)
    outline = limb(line, np.interp(share, [0, 0.12, 0.45, 1], [0.55 * top, top, (top + end) / 2, end]))
    outer, inner = outline[:6], outline[6:][::-1]
    band = points(along(outer, [cuff]), outer[5], inner[5], along(inner, [cuff]))
    return both(outline, turn=22) + both(band, "edge", 22)


def neckline(neck: str) -> Points:
    """Right half of a neckline, from the middle to the shoulder."""
    half, depth = NECKS[neck]
    if neck == "vee":
        return points((0, depth), (half, 0.174))
    return arc((0, depth), (half, 0.174), -0.22)


def bodice(neck: str, hem: Points, shoulder: float, ease: float = 0.0) -> Points:
    """Outline of a body panel; `hem` is the right side from the armpit to the middle of the hem."""
    armhole = arc((shoulder, SHOULDER + 0.006), (0.086 + ease, ARMPIT + ease / 2), -0.12)
    return symmetric(points(neckline(neck), armhole, hem))


def _neck_panels(neck: str) -> tuple[Panel, list[Panel]]:
    """The inside of the back, seen when nobody wears it, and the band round the neckline."""
    half = neckline(neck)
    inside = Panel(symmetric(points((0, 0.171), half[::-1])), "inside", behind=True)
    return inside, both(points(half, half[::-1] + np.array([0.009, 0.011])), "edge")


def top(
    neck: str, arms: str, hem_y: float = 0.5, hem_half: float = 0.094, waist: float = 0.082, collar: bool = False
) -> Cut:
    """A shirt, tee, tank or jumper; `arms` is a key of `SLEEVES` or none."""
    side = points(arc((0.086, ARMPIT), (waist, WAIST), -0.03), arc((hem_half, hem_y), (0, hem_y + 0.008), 0.03))
    inside, band = _neck_panels(neck)
    body = Panel(bodice(neck, side, NARROW if arms == "none" else WIDE))
    panels = [inside, *(sleeves(*SLEEVES[arms]) if arms != "none" else []), body, *band]
    if neck == "high":
        panels.append(Panel(symmetric(points((0.0, 0.142), (0.03, 0.143), (0.036, 0.186), (0, 0.196))), "edge"))
    if collar:
        panels += both(points((0.0, 0.2), (0.036, 0.168), (0.062, 0.186), (0.034, 0.226)), "edge")
    neck_y = NECKS[neck][1]
    return Cut(
        panels,
        front=points((0, neck_y + 0.012), (0, hem_y)),
        edges=[across(hem_half, hem_y - 0.012, 0.015)],
        pockets=[(0.045, 0.285, 0.042)],
        bow=(0, neck_y + 0.01, 0.035),
        print=(0.0, 0.335 if hem_y > 0.44 else 0.315, 0.05),
    )


@dataclass(frozen=True)
class Skirt:
    """The skirt of a dress: where it ends, half its width there, how many seams go round it, whether it wraps."""

    hem_y: float
    flare: float
    tiers: int = 0
    wrap: bool = False


def _skirt_seams(skirt: Skirt, waist: float) -> list[Points]:
    """Lines on the skirt of a dress: tiers, the edge of a wrap, or two pleats."""
    hem_y, flare, tiers = skirt.hem_y, skirt.flare, skirt.tiers
    seams = []
    for share in np.arange(1, tiers + 1) / (tiers + 1):
        half = waist + (flare - waist) * share + 0.012
        seams.append(across(half, WAIST + (hem_y - WAIST) * share, 0.02))
    if skirt.wrap:
        over = points((0.04, 0.18), (-0.03, 0.33), (-waist, WAIST), (0.02, WAIST))
        seams.append(points(over, arc((0.02, WAIST), (flare * 0.55, hem_y), 0.08)))
    if flare > 0.12 and not tiers:
        seams += [points((x * waist, WAIST + 0.01), (x * flare, hem_y - 0.02)) for x in (-0.5, 0.45)]
    return seams


def dress(neck: str, arms: str, skirt: Skirt, waist: float = 0.074) -> Cut:
    """A dress: a bodice to the waist and a skirt below it. `arms` is a key of `SLEEVES`, none or straps."""
    hem_y, flare = skirt.hem_y, skirt.flare
    side = arc((waist, WAIST), (flare, hem_y), 0.05 if flare > 0.12 else -0.06)
    hem = points(arc((0.086, ARMPIT), (waist, WAIST), -0.03), side, arc((flare, hem_y), (0, hem_y + 0.012), 0.03))
    if arms == "straps":
        half = points(arc((0, 0.235), (0.06, 0.222), -0.15), (0.08, ARMPIT - 0.02), hem)
        strap = points((0.046, 0.172), (0.056, 0.172), (0.062, 0.228), (0.05, 0.228))
        panels = [*both(strap, "edge"), Panel(symmetric(half))]
    else:
        inside, band = _neck_panels(neck)
        arm_panels = sleeves(*SLEEVES[arms]) if arms != "none" else []
        panels = [inside, *arm_panels, Panel(bodice(neck, hem, NARROW if arms == "none" else WIDE)), *band]
    belt = across(waist, WAIST, 0.03)
    return Cut(
        panels,
        [belt, *_skirt_seams(skirt, waist)],
        front=points((0, 0.25 if arms == "straps" else NECKS[neck][1] + 0.02), (0, hem_y)),
        edges=[across(flare, hem_y - 0.012, 0.015), belt],
        pockets=[(-0.06, 0.46, 0.05), (0.06, 0.46, 0.05)],
        bow=(0, WAIST, 0.045),
        print=(0, 0.31, 0.042),
    )


def _collar(kind: str) -> tuple[list[Panel], list[Panel], list[Points]]:
    """What closes a coat at the neck: panels under the body, panels over it, seams."""
    if kind == "notch":
        under = [Panel(symmetric(points((0, 0.166), (0.045, 0.17), (0.03, 0.29), (0, 0.3))), "inside")]
        shirt = Panel(symmetric(points((0, 0.17), (0.028, 0.172), (0.0, 0.3))), "lining")
        lapel = points((0.024, 0.166), (0.05, 0.176), (0.072, 0.225), (0.056, 0.232), (0.062, 0.25), (0.0, 0.315))
        return under, [shirt, *both(lapel, "edge")], []
    if kind == "hood":
        lining = symmetric(points(arc((0, 0.152), (0.05, 0.19), 0.2), (0.0, 0.225)))
        cord = points((0.02, 0.215), (0.022, 0.285))
        return [Panel(ellipse((0, 0.165), 0.075, 0.055))], [Panel(lining, "lining")], [cord, mirror(cord)]
    if kind == "stand":
        return [], [Panel(symmetric(points((0, 0.152), (0.04, 0.15), (0.046, 0.188), (0, 0.202))), "edge")], []
    return [], both(points((0.0, 0.196), (0.034, 0.16), (0.072, 0.186), (0.042, 0.232)), "edge"), []


@dataclass(frozen=True)
class CoatBody:
    """What a coat measures: where it ends, half its width at the waist and at the hem."""

    hem_y: float
    waist: float
    flare: float


def coat(body: CoatBody, cuff: float, collar: str, ribs: bool = False, quilts: int = 0) -> Cut:
    """A jacket or coat, closed in front. `collar`: notch, hood, stand or shirt."""
    hem_y, waist, flare = body.hem_y, body.waist, body.flare
    ease = 0.012
    side = points(arc((0.098, ARMPIT + 0.006), (waist, WAIST), -0.03), (flare, hem_y), (0, hem_y + 0.006))
    under, over, seams = _collar(collar)
    panels = [*under, *sleeves(1.0, 0.046, cuff, 0.9, ease), Panel(bodice("crew", side, 0.112, ease)), *over]
    seams = [points((0, 0.2), (0, hem_y)), *seams]
    if ribs:
        panels.append(Panel(symmetric(points((flare, hem_y - 0.028), (flare * 0.94, hem_y + 0.006))), "edge"))
    seams += [across(0.1, 0.235 + (hem_y - 0.235) * (i + 0.6) / quilts, 0.03) for i in range(quilts)]
    return Cut(
        panels,
        seams,
        front=points((0.012, 0.315 if collar == "notch" else 0.23), (0.012, hem_y - 0.03)),
        edges=[points((-flare, hem_y - 0.02), (flare, hem_y - 0.02))],
        pockets=[(-0.058, hem_y - 0.085, 0.056), (0.058, hem_y - 0.085, 0.056)],
        bow=(0, 0.225, 0.04),
        print=(-0.052, 0.285 if quilts else 0.27, 0.034),
    )


def trench() -> Cut:
    """A long coat with a belt."""
    plain = coat(CoatBody(0.72, 0.084, 0.128), 0.034, "notch")
    belt = Panel(rectangle(-0.088, WAIST - 0.012, 0.088, WAIST + 0.016), "strap")
    buckle = Panel(rectangle(-0.016, WAIST - 0.016, 0.016, WAIST + 0.02, 0.004), "metal")
    return Cut(
        [*plain.panels, belt, buckle], plain.seams, plain.front, plain.edges, plain.pockets, plain.bow, plain.print
    )
