"""Colours and woven or printed patterns.

In: names of colours and of a pattern. Out: RGB uint8 textures that repeat without a seam.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fashret.demo.shapes import MOTIFS, Points

Colour = tuple[int, int, int]

COLOURS: dict[str, Colour] = {
    "black": (32, 32, 38),
    "charcoal": (78, 80, 88),
    "grey": (150, 152, 156),
    "ivory": (240, 234, 220),
    "sand": (214, 192, 158),
    "camel": (186, 138, 88),
    "brown": (104, 66, 44),
    "rust": (182, 82, 44),
    "orange": (232, 134, 52),
    "mustard": (222, 178, 60),
    "red": (200, 44, 50),
    "burgundy": (112, 28, 48),
    "pink": (236, 162, 178),
    "fuchsia": (206, 54, 124),
    "lilac": (178, 158, 210),
    "purple": (98, 58, 132),
    "navy": (36, 48, 92),
    "blue": (44, 92, 178),
    "sky": (140, 186, 222),
    "teal": (30, 122, 128),
    "mint": (160, 214, 190),
    "green": (44, 120, 72),
    "olive": (112, 114, 58),
}
"""Name → sRGB."""


def luminance(colour: Colour) -> float:
    """Perceived lightness of an sRGB colour, 0 (black) to 255 (ITU-R BT.601 weights)."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def shade(colour: Colour, factor: float) -> Colour:
    """The colour darkened (`factor` < 1) or moved towards white (`factor` > 1).

    Examples
    --------
    >>> shade((100, 200, 40), 0.5), shade((55, 155, 255), 1.5)
    ((50, 100, 20), (155, 205, 255))
    """
    if factor <= 1:
        return int(colour[0] * factor), int(colour[1] * factor), int(colour[2] * factor)
    lift = factor - 1
    r, g, b = (int(c + (255 - c) * lift) for c in colour)
    return r, g, b


# --- patterns: each draws one tile in place; a tile is SIZE pixels wide and repeats ---

SIZE = 96
Drawer = Callable[[ImageDraw.ImageDraw, Colour, Colour, Colour], None]


def _wrapped(
    draw: ImageDraw.ImageDraw, outline: Points, centre: tuple[float, float], size: float, angle: float, fill: Colour
) -> None:
    """Draw a motif and its copies across the borders of the tile (centre and size in fractions of the tile)."""
    turn = np.radians(angle)
    spin = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    shape = outline @ spin * (size * SIZE)
    reach = np.abs(shape).max()
    for dx in (-SIZE, 0, SIZE):
        for dy in (-SIZE, 0, SIZE):
            x, y = centre[0] * SIZE + dx, centre[1] * SIZE + dy
            if -reach < x < SIZE + reach and -reach < y < SIZE + reach:
                draw.polygon([(px + x, py + y) for px, py in shape.tolist()], fill=fill)


def _bars(draw: ImageDraw.ImageDraw, count: int, width: float, fill: Colour, vertical: bool) -> None:
    step = SIZE / count
    for i in range(count):
        a, b = round(i * step), round(i * step + step * width) - 1
        draw.rectangle((a, 0, b, SIZE) if vertical else (0, a, SIZE, b), fill=fill)


def _zigzag(draw: ImageDraw.ImageDraw, count: int, fill: Colour) -> None:
    half = SIZE / count / 2
    for i in range(-1, count + 1):
        y = i * 2 * half
        top = [(0, y + half), (SIZE / 4, y), (SIZE / 2, y + half), (3 * SIZE / 4, y), (SIZE, y + half)]
        draw.polygon(top + [(x, y + half) for x, y in reversed(top)], fill=fill)


def _diagonal(draw: ImageDraw.ImageDraw, count: int, width: float, fill: Colour) -> None:
    step = SIZE / count
    for i in range(-count, count + 1):
        x = i * step
        draw.polygon([(x, SIZE), (x + step * width, SIZE), (x + step * width + SIZE, 0), (x + SIZE, 0)], fill=fill)


def _blend(a: Colour, b: Colour) -> Colour:
    return (a[0] + b[0]) // 2, (a[1] + b[1]) // 2, (a[2] + b[2]) // 2


def _gingham(draw: ImageDraw.ImageDraw, base: Colour, second: Colour, accent: Colour) -> None:
    for i in range(3):
        a, b = i * 32, i * 32 + 15
        draw.rectangle((a, 0, b, SIZE), fill=_blend(base, second))
        draw.rectangle((0, a, SIZE, b), fill=_blend(base, second))
    for i in range(3):
        for j in range(3):
            draw.rectangle((i * 32, j * 32, i * 32 + 15, j * 32 + 15), fill=second)


def _tartan(draw: ImageDraw.ImageDraw, base: Colour, second: Colour, accent: Colour) -> None:
    draw.rectangle((14, 0, 52, SIZE), fill=_blend(base, second))
    draw.rectangle((0, 14, SIZE, 52), fill=_blend(base, second))
    draw.rectangle((14, 14, 52, 52), fill=second)
    for at in (30, 74):
        draw.rectangle((at, 0, at + 4, SIZE), fill=accent)
        draw.rectangle((0, at, SIZE, at + 4), fill=accent)


def _houndstooth(draw: ImageDraw.ImageDraw, base: Colour, second: Colour, accent: Colour) -> None:
    # The weave itself: four dark and four light threads each way in a 2/2 twill.
    for i in range(24):
        for j in range(24):
            thread = i if (i - j) % 4 < 2 else j
            if thread % 8 < 4:
                draw.rectangle((i * 4, j * 4, i * 4 + 3, j * 4 + 3), fill=second)


def _argyle(draw: ImageDraw.ImageDraw, base: Colour, second: Colour, accent: Colour) -> None:
    draw.polygon([(48, 0), (80, 48), (48, 96), (16, 48)], fill=second)
    for x in (0, SIZE):
        draw.line([(x - 48, 0), (x + 48, SIZE)], fill=accent, width=3)
        draw.line([(x + 48, 0), (x - 48, SIZE)], fill=accent, width=3)


def _blot(rng: np.random.Generator, corners: int = 10) -> Points:
    angle = np.arange(corners) * 2 * np.pi / corners
    radius = 0.7 + 0.3 * rng.random(corners)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _leopard(draw: ImageDraw.ImageDraw, base: Colour, second: Colour, accent: Colour) -> None:
    rng = np.random.default_rng(7)
    for i in range(4):
        for j in range(4):
            x, y = (i + 0.5 * (j % 2) + rng.uniform(-0.15, 0.15)) / 4, (j + rng.uniform(-0.15, 0.15)) / 4
            angle = rng.uniform(0, 360)
            _wrapped(draw, _blot(rng), (x, y), rng.uniform(0.1, 0.125), angle, second)
            _wrapped(draw, _blot(rng), (x + rng.uniform(-0.04, 0.04), y + 0.02), 0.065, angle, _blend(base, accent))


def _camouflage(draw: ImageDraw.ImageDraw, base: Colour, second: Colour, accent: Colour) -> None:
    rng = np.random.default_rng(11)
    for fill in (second, _blend(base, second), accent, second):
        for _ in range(4):
            wide = _blot(rng) * np.array([1.5, 0.8])
            _wrapped(draw, wide, (rng.random(), rng.random()), 0.17, rng.uniform(-20, 20), fill)


def _scatter(motif: str, cells: int, size: float, seed: int, centre_size: float = 0.0) -> Drawer:
    """A pattern of one motif on a brick grid, the fill going back and forth between second colour and accent."""

    def drawer(draw: ImageDraw.ImageDraw, base: Colour, second: Colour, accent: Colour) -> None:
        turns = np.random.default_rng(seed)
        for i in range(cells):
            for j in range(cells):
                centre = ((i + 0.5 * (j % 2) + 0.25) / cells, (j + 0.5) / cells)
                fill = accent if (i + j) % 3 == 2 else second
                angle = turns.uniform(-25, 25)
                for outline in MOTIFS[motif]:
                    _wrapped(draw, outline, centre, size / cells, angle, fill)
                if centre_size:
                    _wrapped(
                        draw,
                        MOTIFS["flower"][0],
                        centre,
                        centre_size / cells,
                        angle,
                        accent if fill == second else second,
                    )

    return drawer


def _dots(cells: int, size: float) -> Drawer:
    def drawer(draw: ImageDraw.ImageDraw, base: Colour, second: Colour, accent: Colour) -> None:
        disc = MOTIFS["ring"][0][:33] / 0.95
        for i in range(cells):
            for j in range(cells):
                _wrapped(draw, disc, ((i + 0.5 * (j % 2) + 0.25) / cells, (j + 0.5) / cells), size / cells, 0, second)

    return drawer


def _checker(draw: ImageDraw.ImageDraw, base: Colour, second: Colour, accent: Colour) -> None:
    for i in range(4):
        for j in range(i % 2, 4, 2):
            draw.rectangle((i * 24, j * 24, i * 24 + 23, j * 24 + 23), fill=second)


def _windowpane(draw: ImageDraw.ImageDraw, base: Colour, second: Colour, accent: Colour) -> None:
    draw.rectangle((0, 0, 5, SIZE), fill=second)
    draw.rectangle((0, 0, SIZE, 5), fill=second)


def _herringbone(draw: ImageDraw.ImageDraw, base: Colour, second: Colour, accent: Colour) -> None:
    for column in range(4):
        for i in range(-3, 9):
            x, y = column * 24, i * 16
            rise = 24 if column % 2 else -24
            draw.polygon([(x, y), (x + 24, y + rise), (x + 24, y + rise + 7), (x, y + 7)], fill=second)


PATTERNS: dict[str, Drawer] = {
    "plain": lambda draw, base, second, accent: None,
    "pinstripe": lambda draw, base, second, accent: _bars(draw, 4, 0.2, second, True),
    "breton": lambda draw, base, second, accent: _bars(draw, 4, 0.42, second, False),
    "bold stripe": lambda draw, base, second, accent: _bars(draw, 1, 0.5, second, False),
    "deckchair": lambda draw, base, second, accent: _bars(draw, 2, 0.5, second, True),
    "diagonal": lambda draw, base, second, accent: _diagonal(draw, 3, 0.45, second),
    "chevron": lambda draw, base, second, accent: _zigzag(draw, 2, second),
    "herringbone": _herringbone,
    "gingham": _gingham,
    "tartan": _tartan,
    "windowpane": _windowpane,
    "checkerboard": _checker,
    "houndstooth": _houndstooth,
    "argyle": _argyle,
    "polka dot": _dots(2, 0.27),
    "pin dot": _dots(4, 0.22),
    "leopard": _leopard,
    "camouflage": _camouflage,
    "floral": _scatter("flower", 2, 0.44, 3, 0.16),
    "hearts": _scatter("heart", 2, 0.36, 5),
    "stars": _scatter("star", 4, 0.4, 6),
    "leaves": _scatter("leaf", 2, 0.46, 8),
}
"""Pattern name → what draws one tile of it over the base colour."""


def tile(pattern: str, base: Colour, second: Colour, accent: Colour) -> NDArray[np.uint8]:
    """One repeat of a pattern, with a faint weave.

    Returns
    -------
    SIZE×SIZE×3 uint8 RGB; copies set side by side join without a seam.
    """
    image = Image.new("RGB", (SIZE, SIZE), base)
    PATTERNS[pattern](ImageDraw.Draw(image), base, second, accent)
    weave = np.random.default_rng(1).integers(-5, 6, (SIZE, SIZE, 1))
    return np.clip(np.asarray(image) + weave, 0, 255).astype(np.uint8)


def texture(pattern: str, colours: tuple[Colour, Colour, Colour], size: int, repeat: int) -> Image.Image:
    """Cloth of `size`×`size` pixels whose pattern repeats every `repeat` pixels."""
    piece = Image.fromarray(tile(pattern, *colours))
    if repeat != SIZE:
        piece = piece.resize((repeat, repeat), Image.Resampling.BILINEAR)
    times = -(-size // repeat)
    return Image.fromarray(np.tile(np.asarray(piece), (times, times, 1))[:size, :size])
