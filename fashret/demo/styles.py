"""The eleven categories of Street2Shop and the styles that are drawn of each.

In: nothing. Out: `CUTS`, category → style → what builds its cut.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from fashret.demo.accessories import CROWNS, BagBody, bag, belt, glasses, hat
from fashret.demo.cuts import ANKLE, Cut
from fashret.demo.footwear import shoe
from fashret.demo.lower import leggings, skirt, trousers
from fashret.demo.shapes import arc, ellipse, points, rectangle
from fashret.demo.upper import CoatBody, Skirt, coat, dress, top, trench

_ROUND = ellipse((0, 0), 0.0165, 0.0165)
_SQUARE = rectangle(-0.0175, -0.0125, 0.0175, 0.0135, 0.006)
_NARROW = rectangle(-0.0185, -0.009, 0.0185, 0.009, 0.004)
_PILOT = points(arc((-0.016, -0.012), (0.018, -0.013), 0.05), arc((0.018, -0.013), (0.004, 0.019), 0.25))
_PILOT = points(_PILOT, arc((0.004, 0.019), (-0.016, -0.012), 0.25))
_CAT = points(arc((-0.016, -0.008), (0.022, -0.017), 0.04), arc((0.022, -0.017), (0.006, 0.014), 0.22))
_CAT = points(_CAT, arc((0.006, 0.014), (-0.016, -0.008), 0.25))
_HEXAGON = np.stack([f(np.radians(np.arange(0, 360, 60))) for f in (np.cos, np.sin)], axis=1) * 0.0185

CUTS: dict[str, dict[str, Callable[[], Cut]]] = {
    "bags": {
        "tote": partial(bag, BagBody(0.072, 0.064, 0.13), "twin"),
        "flap bag": partial(bag, BagBody(0.074, 0.078, 0.09), "long", "flap", flap=0.55),
        "backpack": partial(bag, BagBody(0.058, 0.064, 0.15, 0.08), "short", pocket=True),
        "bucket bag": partial(bag, BagBody(0.048, 0.062, 0.12, 0.05), "long", "tied"),
        "handbag": partial(bag, BagBody(0.056, 0.08, 0.092), "short"),
        "barrel": partial(bag, BagBody(0.084, 0.084, 0.08, 0.16), "twin"),
        "satchel": partial(bag, BagBody(0.078, 0.078, 0.1), "roll", "flap", flap=0.42, pocket=True),
    },
    "belts": {
        "classic": partial(belt, 0.024, "square"),
        "wide": partial(belt, 0.04, "square"),
        "round buckle": partial(belt, 0.028, "round"),
        "western": partial(belt, 0.03, "plate"),
        "ring": partial(belt, 0.026, "rings"),
        "sash": partial(belt, 0.034, "sash"),
    },
    "dresses": {
        "skater": partial(dress, "scoop", "none", Skirt(0.66, 0.17)),
        "sheath": partial(dress, "crew", "cap", Skirt(0.71, 0.092), 0.076),
        "sundress": partial(dress, "scoop", "straps", Skirt(0.68, 0.15)),
        "maxi": partial(dress, "vee", "short", Skirt(0.93, 0.155)),
        "wrap": partial(dress, "vee", "long", Skirt(0.72, 0.125, wrap=True)),
        "tiered": partial(dress, "boat", "half", Skirt(0.82, 0.16, tiers=2)),
        "shift": partial(dress, "boat", "bell", Skirt(0.62, 0.118), 0.09),
    },
    "eyewear": {
        "wayfarer": partial(glasses, _SQUARE, 1.28),
        "round": partial(glasses, _ROUND, 1.24),
        "pilot": partial(glasses, _PILOT, 1.18, bar=True),
        "cat eye": partial(glasses, _CAT, 1.28, -0.012),
        "narrow": partial(glasses, _NARROW, 1.34),
        "hexagon": partial(glasses, _HEXAGON, 1.24),
        "oversized": partial(glasses, _SQUARE * np.array([1.08, 1.42]), 1.24),
    },
    "footwear": {
        "sneaker": partial(shoe, 0.0, 0.0, 0.013, "laced"),
        "high top": partial(shoe, 0.034, 0.0, 0.013, "laced"),
        "ankle boot": partial(shoe, 0.05, 0.014, 0.006, "boot"),
        "knee boot": partial(shoe, 0.15, 0.014, 0.006, "boot"),
        "pump": partial(shoe, 0.0, 0.036, 0.004, "open"),
        "loafer": partial(shoe, 0.0, 0.0, 0.008, "slip"),
        "strap heel": partial(shoe, 0.0, 0.026, 0.005, "strap"),
    },
    "hats": {kind: partial(hat, kind) for kind in CROWNS},
    "leggings": {
        "full": partial(leggings, 0.935, 0.033, 0.022),
        "capri": partial(leggings, 0.8, 0.034, 0.03),
        "high waist": partial(leggings, 0.935, 0.033, 0.022, band=0.05),
        "side panel": partial(leggings, 0.935, 0.033, 0.022, side=True),
        "cycling": partial(leggings, 0.67, 0.044, 0.042),
    },
    "outerwear": {
        "blazer": partial(coat, CoatBody(0.52, 0.086, 0.1), 0.03, "notch"),
        "bomber": partial(coat, CoatBody(0.46, 0.102, 0.094), 0.026, "stand", ribs=True),
        "trench": trench,
        "puffer": partial(coat, CoatBody(0.5, 0.106, 0.106), 0.032, "stand", quilts=6),
        "parka": partial(coat, CoatBody(0.6, 0.1, 0.114), 0.032, "hood"),
        "denim jacket": partial(coat, CoatBody(0.44, 0.096, 0.094), 0.028, "shirt", ribs=True),
        "overcoat": partial(coat, CoatBody(0.68, 0.1, 0.112), 0.034, "shirt"),
    },
    "pants": {
        "straight": partial(trousers, ANKLE, 0.043, 0.041),
        "wide leg": partial(trousers, ANKLE, 0.058, 0.07, 0.07),
        "flared": partial(trousers, ANKLE, 0.036, 0.066, 0.062),
        "cargo": partial(trousers, 0.93, 0.048, 0.036, 0.058, cargo=True),
        "shorts": partial(trousers, 0.645, 0.052, 0.055),
        "culottes": partial(trousers, 0.8, 0.062, 0.08, 0.078),
    },
    "skirts": {
        "mini": partial(skirt, 0.55, 0.115, 0.02),
        "pencil": partial(skirt, 0.7, 0.078, 0.12),
        "pleated": partial(skirt, 0.7, 0.15, 0.03, pleats=7),
        "circle": partial(skirt, 0.62, 0.175, -0.05, pleats=2),
        "maxi": partial(skirt, 0.92, 0.14, 0.04),
        "tiered": partial(skirt, 0.76, 0.15, 0.03, tiers=2),
        "wrap": partial(skirt, 0.66, 0.11, 0.06, wrap=True),
    },
    "tops": {
        "tee": partial(top, "crew", "short"),
        "tank": partial(top, "scoop", "none"),
        "vee tee": partial(top, "vee", "cap", 0.49, 0.09),
        "polo": partial(top, "crew", "short", collar=True),
        "jumper": partial(top, "crew", "long", 0.5, 0.09),
        "roll neck": partial(top, "high", "long", 0.49, 0.086, 0.078),
        "shirt": partial(top, "vee", "long", 0.53, 0.098, collar=True),
        "crop top": partial(top, "boat", "half", 0.41, 0.084),
        "bell blouse": partial(top, "vee", "bell", 0.5, 0.1),
    },
}
"""Category → style → what builds its cut."""
