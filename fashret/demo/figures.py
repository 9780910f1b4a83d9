"""People, drawn and dressed: skin, hair, face, and what they wear.

In: sprites by category and a random generator. Out: the person, drawn on a picture, and the mask of one garment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from fashret.demo.canvas import Canvas, Cutout
from fashret.demo.cuts import ARM, HEAD_HALF, HEAD_TALL, HEAD_Y, across
from fashret.demo.drawing import Sprite
from fashret.demo.fabrics import Colour, shade
from fashret.demo.shapes import Points, arc, ellipse, limb, mirror, points, symmetric

SKIN: tuple[Colour, ...] = (
    (244, 206, 176),
    (226, 178, 142),
    (196, 142, 104),
    (150, 100, 70),
    (104, 68, 50),
    (236, 190, 160),
)
HAIR: tuple[Colour, ...] = ((38, 30, 28), (84, 54, 36), (140, 92, 52), (204, 164, 100), (150, 62, 36), (128, 126, 130))
ANKLES = (0.058, 0.945)
HAND = (0.193, 0.505)


@dataclass(frozen=True)
class View:
    """A window on the body: width and height in pixels, its upper left corner on the body, pixels to a body height."""

    size: tuple[int, int]
    origin: tuple[float, float]
    scale: float

    def place(self, picture: Cutout, frame: tuple[float, float, float]) -> tuple[Cutout, tuple[int, int]] | None:
        """Scale a sprite's cutout to its frame and keep what the window shows of it; None where nothing is."""
        left, top = ((frame[i] - self.origin[i]) * self.scale for i in (0, 1))
        side = frame[2] * self.scale
        x0, y0 = max(int(left), 0), max(int(top), 0)
        x1, y1 = min(int(left + side) + 1, self.size[0]), min(int(top + side) + 1, self.size[1])
        if x1 <= x0 or y1 <= y0:
            return None
        while picture.size[0] > 2 * side:  # bilinear sampling alone would leave out pixels
            picture = picture.map(lambda layer: layer.reduce(2))
        step = picture.size[0] / side
        box = (step, 0.0, (x0 - left) * step, 0.0, step, (y0 - top) * step)
        size = (x1 - x0, y1 - y0)
        affine, bilinear = Image.Transform.AFFINE, Image.Resampling.BILINEAR
        return picture.map(lambda layer: layer.transform(size, affine, box, bilinear)), (x0, y0)


LEG = limb(
    points((0.05, 0.46), (0.053, 0.6), (0.056, 0.74), (0.058, 0.84), (0.058, 0.965)),
    [0.046, 0.041, 0.027, 0.026, 0.015],
)
LIMBS = (
    LEG,
    ellipse((ANKLES[0] + 0.012, 0.975), 0.03, 0.014),  # foot
    limb(np.concatenate([ARM, [HAND]]), [0.026, 0.021, 0.014, 0.014]),
    ellipse((HAND[0] + 0.002, HAND[1] + 0.012), 0.014, 0.024),  # hand
)
TORSO = symmetric(
    points((0, 0.168), (0.05, 0.178), (0.1, 0.192), (0.086, 0.262), (0.072, 0.385), (0.09, 0.47), (0.08, 0.53))
)
NECK = symmetric(points((0, 0.12), (0.022, 0.125), (0.026, 0.168), (0.056, 0.182), (0, 0.2)))
EYE_Y = HEAD_Y - 0.004
BROW = limb(arc((0.009, HEAD_Y - 0.0155), (0.028, HEAD_Y - 0.014), 0.15), np.full(9, 0.0014))
NOSE = limb(arc((-0.003, HEAD_Y + 0.016), (0.005, HEAD_Y + 0.014), -0.3), np.full(9, 0.0012))
MOUTH = points(across(0.014, HEAD_Y + 0.033, 0.05), across(0.014, HEAD_Y + 0.033, 0.22)[::-1])
FRINGE = symmetric(
    points(
        arc((0, HEAD_Y - 0.035), (HEAD_HALF + 0.001, HEAD_Y + 0.004), 0.2),
        arc((HEAD_HALF + 0.006, HEAD_Y), (0, HEAD_Y - HEAD_TALL - 0.008), -0.24),
    )
)
HAIR_BEHIND = (
    symmetric(points(arc((0, 0.02), (0.06, 0.1), 0.25), (0.064, 0.2), (0.03, 0.215), (0, 0.21))),  # long
    ellipse((0, 0.018), 0.026, 0.024),  # a bun
    symmetric(points(arc((0, 0.02), (0.057, 0.1), 0.25), (0.056, 0.15), (0, 0.14))),  # a bob
)
STRAND = points(arc((0.046, 0.06), (0.052, 0.27), 0.06), arc((0.052, 0.27), (0.036, 0.16), 0.1), (0.042, 0.1))


def _pair(canvas: Canvas, outline: Points, colour: Colour) -> None:
    for piece in (outline, mirror(outline)):
        canvas.fill(piece, colour)


def _limbs(canvas: Canvas, skin: Colour) -> None:
    for outline in LIMBS:
        for piece in (outline, mirror(outline)):
            canvas.fill(piece, skin)
            canvas.line(np.concatenate([piece, piece[:1]]), shade(skin, 0.82), 0.002)
    canvas.fill(TORSO, skin)


def _head(canvas: Canvas, skin: Colour, hair: Colour) -> None:
    canvas.fill(NECK, shade(skin, 0.9))
    canvas.fill(ellipse((0, HEAD_Y), HEAD_HALF, HEAD_TALL), skin)
    _pair(canvas, ellipse((HEAD_HALF, HEAD_Y + 0.006), 0.007, 0.012), shade(skin, 0.93))  # ears
    _pair(canvas, ellipse((0.018, EYE_Y), 0.0065, 0.0042), (250, 248, 244))
    _pair(canvas, ellipse((0.018, EYE_Y), 0.0036, 0.004), (52, 40, 36))
    _pair(canvas, BROW, shade(hair, 0.9))
    _pair(canvas, ellipse((0.024, HEAD_Y + 0.02), 0.008, 0.005), shade(skin, 0.95))  # cheeks
    canvas.fill(NOSE, shade(skin, 0.75))
    canvas.fill(MOUTH, (186, 84, 84))


@dataclass(frozen=True)
class _Look:
    skin: Colour
    hair: Colour
    style: int  # index into HAIR_BEHIND; beyond it: shaven
    strands: bool  # long hair falls over the shoulders


def _body(view: View, look: _Look) -> Cutout:
    """All that clothes go over."""
    canvas = Canvas(view.size, view.origin, view.scale, shade(look.skin, 0.8))
    if look.style < len(HAIR_BEHIND):
        canvas.fill(HAIR_BEHIND[look.style], shade(look.hair, 0.85))
    _limbs(canvas, look.skin)
    return canvas.finished()


def _face(view: View, look: _Look) -> tuple[Cutout, tuple[int, int]] | None:
    """All that goes over clothes, and where; None where the window does not reach up to it."""
    reach = int((0.28 - view.origin[1]) * view.scale)
    if reach < 1:
        return None
    canvas = Canvas((view.size[0], min(reach, view.size[1])), view.origin, view.scale, shade(look.hair, 0.9))
    _head(canvas, look.skin, look.hair)
    if look.style < len(HAIR_BEHIND):
        canvas.fill(FRINGE, look.hair)
    if look.style == 0 and look.strands:
        _pair(canvas, STRAND, look.hair)
    return canvas.finished(), (0, 0)


ORDER = (
    "leggings",
    "tops tucked",
    "pants",
    "footwear",
    "skirts",
    "tops",
    "dresses",
    "belts",
    "outerwear",
    "head",
    "eyewear",
    "hats",
    "bags",
)
"""From the inside to the outside."""


Frame = tuple[float, float, float]


def _pieces(category: str, sprite: Sprite, picture: Cutout) -> list[tuple[Cutout, Frame]]:
    """Cutouts and frames of a worn product: shoes come in twos, a bag hangs from the hand."""
    x, y, side = sprite.frame
    if category == "footwear":
        return [
            (picture, (x + ANKLES[0], y + ANKLES[1], side)),
            (picture.mirrored(), (-ANKLES[0] - x - side, y + ANKLES[1], side)),
        ]
    if category == "bags":
        return [(picture, (x + HAND[0], y + HAND[1] + 0.008, side))]
    return [(picture, sprite.frame)]


def worn_box(category: str, sprite: Sprite) -> tuple[float, float, float, float]:
    """Box of a worn product in body coordinates, the margins of its sprite included."""
    frames = [frame for _, frame in _pieces(category, sprite, sprite.worn)]
    low = [min(f[i] for f in frames) for i in (0, 1)]
    return low[0], low[1], max(f[0] + f[2] for f in frames), max(f[1] + f[2] for f in frames)


Outfit = dict[str, tuple[Sprite, Cutout]]
"""Slot of `ORDER` → a sprite and the cutout of it to use (its `worn`, creased)."""


def draw_person(
    ground: Image.Image | Cutout, view: View, outfit: Outfit, target: str, rng: np.random.Generator
) -> Image.Image:
    """Draw somebody wearing an outfit.

    Parameters
    ----------
    ground : what to draw on, in place; of the view's size.
    view : the window on the body.
    outfit : what is worn.
    target : the slot whose mask is wanted; any other name gives an empty mask.
    rng : draws skin and hair.

    Returns
    -------
    The mask of the target, mode L, of the view's size.
    """
    look = _Look(
        SKIN[rng.integers(len(SKIN))], HAIR[rng.integers(len(HAIR))], int(rng.integers(4)), bool(rng.random() < 0.5)
    )
    mask = Image.new("L", view.size, 0)
    _body(view, look).paste_on(ground)
    for slot in ORDER:
        if slot == "head" and (face := _face(view, look)) is not None:
            face[0].paste_on(ground, face[1])
        if slot not in outfit:
            continue
        for picture, frame in _pieces(slot, *outfit[slot]):
            placed = view.place(picture, frame)
            if placed is not None:
                placed[0].paste_on(ground, placed[1])
                if slot == target:
                    mask.paste(255, placed[1], placed[0].alpha)
    return mask
