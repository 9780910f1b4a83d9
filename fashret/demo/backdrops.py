"""Places: streets, walls, rooms, parks and beaches to stand in; floors, lawns and beds to lie on.

In: a random generator. Out: RGB pictures of SIDE×SIDE pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from fashret.demo.fabrics import COLOURS, PATTERNS, Colour, shade, texture

SIDE = 420
Draw = ImageDraw.ImageDraw


def _tint(rng: np.random.Generator, colour: Colour, spread: float = 0.15) -> Colour:
    """A random neighbour of a colour."""
    red, green, blue = (
        int(np.clip(c * f, 0, 255))
        for c, f in zip(colour, np.exp(rng.normal(0, spread, 3) * 0.3 + rng.normal(0, spread)), strict=True)
    )
    return red, green, blue


def _any(rng: np.random.Generator) -> Colour:
    return list(COLOURS.values())[rng.integers(len(COLOURS))]


def _gradient(top: Colour, bottom: Colour) -> Image.Image:
    column = np.linspace(top, bottom, SIDE)[:, None, :].repeat(SIDE, axis=1)
    return Image.fromarray(column.astype(np.uint8))


def _house(draw: Draw, rng: np.random.Generator, x0: int, x1: int, y0: int, ground: int) -> None:
    wall = _tint(
        rng, ((188, 150, 120), (170, 170, 168), (206, 192, 160), (150, 92, 76), (120, 130, 140))[rng.integers(5)]
    )
    draw.rectangle((x0, y0, x1, ground), fill=wall)
    pane, frame = _tint(rng, (96, 120, 140)), shade(wall, 0.7)
    columns, step = max(1, (x1 - x0) // 44), 52
    for row in range((ground - y0 - 80) // step):
        for column in range(columns):
            x, y = x0 + (column + 0.5) * (x1 - x0) / columns, y0 + 16 + row * step
            draw.rectangle((x - 13, y, x + 13, y + 32), fill=frame)
            draw.rectangle((x - 10, y + 3, x + 10, y + 29), fill=pane if rng.random() < 0.75 else (236, 206, 130))
            draw.line((x, y + 3, x, y + 29), fill=frame, width=2)
    front = _any(rng)  # a shop on the ground floor
    draw.rectangle((x0 + 6, ground - 66, x1 - 6, ground), fill=shade(front, 0.55))
    draw.rectangle((x0 + 12, ground - 52, x1 - 12, ground - 6), fill=_tint(rng, (150, 160, 160)))
    for i in range(x0 + 4, x1 - 4, 16):
        draw.polygon([(i, ground - 74), (i + 8, ground - 74), (i + 6, ground - 54), (i - 2, ground - 54)], fill=front)


def _street(rng: np.random.Generator) -> Image.Image:
    picture = _gradient(_tint(rng, (150, 186, 220)), _tint(rng, (226, 226, 220)))
    draw, ground, x = ImageDraw.Draw(picture), int(rng.integers(270, 330)), -int(rng.integers(0, 60))
    while x < SIDE:
        width = int(rng.integers(80, 170))
        _house(draw, rng, x, x + width, int(rng.integers(-60, 120)), ground)
        x += width + 2
    pavement = _tint(rng, (164, 160, 154))
    draw.rectangle((0, ground, SIDE, SIDE), fill=pavement)
    for i in range(-6, 16):
        draw.line(
            (SIDE / 2 + (i - 5) * 40, ground, SIDE / 2 + (i - 5) * 130, SIDE), fill=shade(pavement, 0.85), width=2
        )
    for i in range(4):
        y = ground + (SIDE - ground) * ((i + 1) / 4) ** 1.7
        draw.line((0, y, SIDE, y), fill=shade(pavement, 0.85), width=2)
    if rng.random() < 0.6:
        _car(draw, rng, int(rng.integers(-40, 300)), ground + 14)
    if rng.random() < 0.5:
        x = int(rng.integers(20, 400))
        draw.rectangle((x, 40, x + 7, ground + 20), fill=(52, 54, 58))
        draw.ellipse((x - 9, 20, x + 16, 48), fill=(250, 236, 190))
    return picture


def _car(draw: Draw, rng: np.random.Generator, x: int, y: int) -> None:
    paint = _any(rng)
    draw.rounded_rectangle((x, y - 34, x + 170, y), 12, fill=paint)
    draw.polygon([(x + 32, y - 32), (x + 52, y - 62), (x + 118, y - 62), (x + 142, y - 32)], fill=paint)
    draw.polygon([(x + 42, y - 34), (x + 57, y - 57), (x + 82, y - 57), (x + 82, y - 34)], fill=(190, 210, 220))
    draw.polygon([(x + 88, y - 57), (x + 115, y - 57), (x + 131, y - 34), (x + 88, y - 34)], fill=(190, 210, 220))
    for wheel in (x + 38, x + 132):
        draw.ellipse((wheel - 17, y - 17, wheel + 17, y + 17), fill=(36, 36, 40))
        draw.ellipse((wheel - 8, y - 8, wheel + 8, y + 8), fill=(170, 172, 176))


def _wall(rng: np.random.Generator) -> Image.Image:
    brick = _tint(rng, ((164, 88, 66), (206, 196, 184), (128, 122, 118))[rng.integers(3)])
    picture = Image.new("RGB", (SIDE, SIDE), shade(brick, 1.35))
    draw, tall = ImageDraw.Draw(picture), int(rng.integers(14, 24))
    for row in range(SIDE // tall + 1):
        for column in range(-1, SIDE // (2 * tall) + 2):
            x, y = (column + 0.5 * (row % 2)) * 2 * tall * 1.1, row * tall
            draw.rectangle((x, y, x + 2.2 * tall - 3, y + tall - 3), fill=shade(brick, float(rng.uniform(0.82, 1.1))))
    for _ in range(int(rng.integers(1, 4))):  # posters
        x, y = int(rng.integers(-20, 340)), int(rng.integers(-10, 220))
        w, h = int(rng.integers(60, 120)), int(rng.integers(80, 150))
        draw.rectangle((x, y, x + w, y + h), fill=_any(rng))
        draw.ellipse((x + w * 0.2, y + h * 0.15, x + w * 0.8, y + h * 0.55), fill=_any(rng))
        for i in range(3):
            draw.rectangle(
                (x + w * 0.15, y + h * (0.65 + 0.1 * i), x + w * 0.85, y + h * (0.69 + 0.1 * i)), fill=_any(rng)
            )
    draw.rectangle((0, 370, SIDE, SIDE), fill=_tint(rng, (120, 116, 112)))
    return picture


def _room(rng: np.random.Generator) -> Image.Image:
    wall = _tint(rng, ((226, 214, 196), (190, 206, 206), (216, 190, 186), (176, 186, 160))[rng.integers(4)])
    picture = Image.new("RGB", (SIDE, SIDE), wall)
    draw = ImageDraw.Draw(picture)
    for shelf in range(3):  # books and boxes
        y, x = 90 + shelf * 84, 14.0
        draw.rectangle((0, y, SIDE, y + 8), fill=(132, 96, 66))
        while x < SIDE - 10:
            wide, tall = float(rng.uniform(7, 30)), float(rng.uniform(24, 62))
            if rng.random() < 0.8:
                draw.rectangle((x, y - tall, x + wide, y - 1), fill=shade(_any(rng), 0.9))
            x += wide + 1.5
    floor = _tint(rng, (160, 120, 84))
    draw.rectangle((0, 330, SIDE, SIDE), fill=floor)
    for i in range(14):
        draw.line((i * 60 - 200, SIDE, 60 + i * 24, 330), fill=shade(floor, 0.8), width=2)
    x = int(rng.integers(0, 360))
    draw.polygon([(x, 330), (x + 50, 330), (x + 42, 376), (x + 8, 376)], fill=(186, 104, 70))
    for _ in range(9):
        tip = (x + 25 + rng.uniform(-60, 60), 330 - rng.uniform(50, 120))
        draw.polygon([(x + 20, 330), tip, (x + 32, 330)], fill=_tint(rng, (62, 120, 70)))
    return picture


def _park(rng: np.random.Generator) -> Image.Image:
    picture = _gradient(_tint(rng, (164, 204, 232)), _tint(rng, (222, 232, 222)))
    draw, horizon = ImageDraw.Draw(picture), int(rng.integers(200, 280))
    for _ in range(9):
        x, y, crown = rng.uniform(0, SIDE), horizon - rng.uniform(20, 150), _tint(rng, (78, 128, 66))
        draw.rectangle((x - 6, y, x + 6, horizon + 6), fill=(98, 74, 54))
        for _ in range(14):
            dx, dy, radius = rng.normal(0, 30), rng.normal(0, 24), rng.uniform(14, 34)
            draw.ellipse(
                (x + dx - radius, y + dy - radius, x + dx + radius, y + dy + radius),
                fill=shade(crown, float(rng.uniform(0.8, 1.15))),
            )
    draw.rectangle((0, horizon, SIDE, SIDE), fill=_tint(rng, (112, 154, 80)))
    middle = rng.uniform(120, 300)
    draw.polygon(
        [(middle, horizon), (middle + 24, horizon), (middle + 180, SIDE), (middle - 140, SIDE)],
        fill=_tint(rng, (206, 190, 160)),
    )
    for _ in range(60):
        x, y = rng.uniform(0, SIDE), rng.uniform(horizon + 10, SIDE)
        draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=_any(rng) if rng.random() < 0.5 else (90, 132, 66))
    return picture


def _beach(rng: np.random.Generator) -> Image.Image:
    picture = _gradient(_tint(rng, (120, 180, 226)), _tint(rng, (230, 232, 226)))
    draw, sea = ImageDraw.Draw(picture), int(rng.integers(150, 210))
    draw.rectangle((0, sea, SIDE, SIDE), fill=_tint(rng, (58, 140, 168)))
    for _ in range(16):
        x, y = rng.uniform(0, SIDE), rng.uniform(sea + 6, sea + 80)
        draw.line((x, y, x + rng.uniform(20, 60), y), fill=(214, 234, 236), width=2)
    draw.polygon([(0, sea + 70), (SIDE, sea + 100), (SIDE, SIDE), (0, SIDE)], fill=_tint(rng, (226, 204, 160)))
    for _ in range(3):
        x, y, one, two = rng.uniform(10, 410), rng.uniform(sea + 20, sea + 110), _any(rng), _any(rng)
        draw.line((x, y - 40, x, y + 60), fill=(240, 236, 226), width=4)
        for i in range(6):
            draw.pieslice((x - 56, y - 70, x + 56, y + 10), 180 + i * 30, 210 + i * 30, fill=one if i % 2 else two)
    return picture


def _boards(rng: np.random.Generator) -> Image.Image:
    wood = _tint(rng, ((176, 128, 86), (120, 84, 60), (208, 184, 150))[rng.integers(3)])
    picture = Image.new("RGB", (SIDE, SIDE), wood)
    draw = ImageDraw.Draw(picture)
    for x in range(0, SIDE, 46):
        draw.rectangle((x, 0, x + 44, SIDE), fill=shade(wood, float(rng.uniform(0.85, 1.08))))
        for _ in range(5):
            at = x + rng.uniform(4, 40)
            draw.line((at, 0, at + rng.uniform(-6, 6), SIDE), fill=shade(wood, 0.82), width=1)
        y = rng.uniform(0, SIDE)
        draw.line((x, y, x + 44, y), fill=shade(wood, 0.6), width=2)
    return picture


def _lawn(rng: np.random.Generator) -> Image.Image:
    grass = _tint(rng, (104, 148, 72))
    picture = Image.new("RGB", (SIDE, SIDE), grass)
    draw = ImageDraw.Draw(picture)
    for x, y in rng.uniform(0, SIDE, (700, 2)):
        draw.line(
            (x, y, x + rng.uniform(-6, 6), y - rng.uniform(6, 16)),
            fill=shade(grass, float(rng.uniform(0.7, 1.25))),
            width=2,
        )
    for x, y in rng.uniform(0, SIDE, (25, 2)):
        draw.ellipse((x - 5, y - 5, x + 5, y + 5), fill=(244, 240, 232))
        draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=(236, 196, 70))
    return picture


def _blanket(rng: np.random.Generator) -> Image.Image:
    names = list(PATTERNS)
    return texture(names[rng.integers(len(names))], (_any(rng), _any(rng), _any(rng)), SIDE, int(rng.integers(60, 160)))


def _tiles(rng: np.random.Generator) -> Image.Image:
    one, two = (
        _tint(rng, (200, 196, 188)),
        _tint(rng, ((150, 150, 150), (90, 110, 120), (170, 120, 100))[rng.integers(3)]),
    )
    picture = Image.new("RGB", (SIDE, SIDE), shade(one, 0.7))
    draw, side = ImageDraw.Draw(picture), int(rng.integers(40, 80))
    for i in range(SIDE // side + 1):
        for j in range(SIDE // side + 1):
            draw.rectangle(
                (i * side, j * side, (i + 1) * side - 3, (j + 1) * side - 3), fill=one if (i + j) % 2 else two
            )
    return picture


PLACES: tuple[Callable[[np.random.Generator], Image.Image], ...] = (_street, _street, _wall, _room, _park, _beach)
SURFACES: tuple[Callable[[np.random.Generator], Image.Image], ...] = (_boards, _lawn, _blanket, _tiles)


def place(rng: np.random.Generator, kind: int) -> Image.Image:
    """A place to stand in, a little out of focus."""
    return PLACES[kind % len(PLACES)](rng).filter(ImageFilter.GaussianBlur(float(rng.uniform(0.8, 1.8))))


def surface(rng: np.random.Generator, kind: int) -> Image.Image:
    """Something to lie on, seen from above."""
    return SURFACES[kind % len(SURFACES)](rng).filter(ImageFilter.GaussianBlur(0.7))
