"""From a product to a picture of it: cloth on the panels of its cut, seams, trim, print, shading.

In: a `Product`. Out: a `Sprite`, cutouts with their place on the body.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from fashret.demo.canvas import OVERSAMPLING, Canvas, Cutout
from fashret.demo.catalogue import Product
from fashret.demo.cuts import Cut, Panel
from fashret.demo.fabrics import COLOURS, Colour, shade, texture
from fashret.demo.shapes import Points
from fashret.demo.styles import CUTS
from fashret.demo.trims import DRAWERS, Paint, draw_print

PIXELS = 256  # side of a sprite
MARGIN = 0.05  # of the sprite's side, left free for fringe and bows
REPEAT = 0.28  # share of the sprite after which the pattern repeats
REPEATS = {"belts": 0.22, "eyewear": 0.2, "hats": 0.3, "leggings": 0.22}  # where it differs


@dataclass(frozen=True)
class Sprite:
    """Cutouts of one product, PIXELS×PIXELS: `worn` without the parts that a wearer hides, `flat` with them."""

    worn: Cutout
    flat: Cutout
    frame: tuple[float, float, float]  # left, top and side of the cutouts' square on the body, in body heights


def _draw_panels(canvas: Canvas, panels: list[Panel], paint: Paint, cloth: Image.Image) -> None:
    """`cloth` is half as large again as the canvas, so that its middle stays covered when it is turned."""
    edge, side = (cloth.width - canvas.size[0]) // 2, canvas.size[0]
    turned: dict[float, Image.Image] = {}
    for panel in panels:
        if panel.part == "body":
            if panel.turn not in turned:
                whole = cloth if abs(panel.turn) < 8 else cloth.rotate(panel.turn, Image.Resampling.NEAREST)
                turned[panel.turn] = whole.crop((edge, edge, edge + side, edge + side))
            canvas.cloth(panel.outline, turned[panel.turn])
        else:
            canvas.fill(panel.outline, paint.of(panel.part))
        closed = np.concatenate([panel.outline, panel.outline[:1]])
        canvas.line(closed, paint.seam if panel.part == "body" else shade(paint.of(panel.part), 0.7), 0.004)
        if panel.part == "lens":
            _glint(canvas, panel.outline)


def _glint(canvas: Canvas, lens: Points) -> None:
    """A bright slanted streak on a lens."""
    centre, reach = lens.mean(axis=0), np.ptp(lens, axis=0) / 2
    streak = np.array([(-0.55, 0.1), (0.0, -0.65), (0.2, -0.65), (-0.4, 0.35)]) * reach + centre
    canvas.fill(streak, (214, 224, 232))


def _frame(cut: Cut) -> tuple[float, float, float]:
    corners = np.concatenate([p.outline for p in cut.panels])
    low, high = corners.min(axis=0), corners.max(axis=0)
    side = float((high - low).max()) / (1 - 2 * MARGIN)
    middle = (low + high) / 2
    return float(middle[0] - side / 2), float(middle[1] - side / 2), side


def _shaded(picture: Cutout) -> Cutout:
    """Round off the form: darker towards the outline, lit from the upper left."""
    soft = np.asarray(picture.alpha.filter(ImageFilter.GaussianBlur(PIXELS / 26)), dtype=np.float32) / 255
    slope = np.roll(soft, (3, 3), (0, 1)) - np.roll(soft, (-3, -3), (0, 1))
    light = 0.72 + 0.3 * soft - 0.5 * slope
    rgb = np.asarray(picture.rgb, dtype=np.float32) * light[..., None]
    return Cutout(Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8)), picture.alpha)


def _pair(shoe: Cutout, ground: Colour) -> Cutout:
    """Two shoes side by side as shops show them."""
    side = PIXELS * 78 // 100
    small, edge = shoe.resize(side, side), PIXELS * 3 // 100
    both = Cutout(Image.new("RGB", shoe.size, ground), Image.new("L", shoe.size, 0))
    small.paste_on(both, (PIXELS - side, edge))
    small.paste_on(both, (0, PIXELS - side - edge))
    return both


def sprite(product: Product) -> Sprite:
    """Draw a product."""
    cut = CUTS[product.category][product.style]()
    frame = _frame(cut)
    base, second, accent = (COLOURS[name] for name in product.colours)
    paint = Paint(base, second, accent, product.trim == "contrast")
    size = PIXELS * OVERSAMPLING
    repeat = round(size * REPEATS.get(product.category, REPEAT))
    cloth = texture(product.pattern, (base, second, accent), size * 3 // 2, repeat)
    outline = shade(base, 0.7)
    front, back = (Canvas((PIXELS, PIXELS), frame[:2], PIXELS / frame[2], outline) for _ in range(2))
    _draw_panels(back, [p for p in cut.panels if p.behind], paint, cloth)
    _draw_panels(front, [p for p in cut.panels if not p.behind], paint, cloth)
    for seam in cut.seams:
        front.line(seam, paint.seam, 0.0055)
    if product.trim in DRAWERS:
        DRAWERS[product.trim](front, cut, paint)
    if product.print != "none":
        draw_print(front, cut, product.print, paint)
    worn = _shaded(front.finished())
    flat = back.finished()
    worn.paste_on(flat)
    return Sprite(worn, _pair(flat, outline) if product.category == "footwear" else flat, frame)


def alpha_box(alpha: NDArray[np.uint8], threshold: int = 96) -> tuple[int, int, int, int] | None:
    """Half-open box of the pixels above `threshold`, None where there are none."""
    rows, columns = (np.flatnonzero((alpha > threshold).any(axis=axis)) for axis in (1, 0))
    if len(rows) == 0:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
