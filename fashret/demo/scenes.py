"""The two kinds of photo of a product: a shop's, clean and whole, and the street's, with all that goes wrong there.

In: a product's sprite, the props of a seed and a random generator. Out: an RGB picture, and for a street photo the box
of the garment in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from fashret.demo import backdrops
from fashret.demo.camera import ZOOM, blurred, cast, creased, creases, noisy, sunlight, warp, warped
from fashret.demo.canvas import Canvas, Cutout
from fashret.demo.catalogue import CATEGORIES, Product, products
from fashret.demo.drawing import PIXELS, Sprite, alpha_box, sprite
from fashret.demo.fabrics import COLOURS, shade
from fashret.demo.figures import SKIN, Outfit, View, draw_person, worn_box
from fashret.demo.shapes import ellipse, limb, points, rectangle

Box = tuple[int, int, int, int]

SHOP_SIZE = (256, 288)
STREET_SIZES = ((240, 320), (272, 296), (296, 272))
CLUTTER_EACH = 6  # other garments of each category that street photos draw on


@dataclass(frozen=True)
class Props:
    """What all photos of a demo share: places, creases, grain, and garments and people to fill the scene."""

    places: list[Image.Image]
    surfaces: list[Image.Image]
    folds: list[Image.Image]
    grain: NDArray[np.int8]
    clutter: dict[str, list[tuple[Sprite, Cutout]]]
    people: list[Cutout]


def props(seed: int) -> Props:
    """Make the props of a seed; every process that draws makes its own, all alike."""
    rng = np.random.default_rng((seed, 1, 1))
    folds = [creases(rng, PIXELS) for _ in range(24)]
    grain = np.clip(rng.normal(0, 24, (512, 512, 3)), -127, 127).astype(np.int8)
    clutter: dict[str, list[tuple[Sprite, Cutout]]] = {category: [] for category in CATEGORIES}
    # The first of each family of a seed far from any demo's: none is a product of this demo, but by accident.
    for i, other in enumerate(products(4 * CLUTTER_EACH * len(CATEGORIES), 2**32 + seed)[::4]):
        drawn = sprite(other)
        clutter[other.category].append((drawn, creased(drawn.worn, folds[i % len(folds)])))
    places = [backdrops.place(rng, i) for i in range(18)]
    surfaces = [backdrops.surface(rng, i) for i in range(12)]
    made = Props(places, surfaces, folds, grain, clutter, people=[])
    view = View((150, 300), (-0.25, -0.01), 297.0)
    for _ in range(12):
        somebody = Cutout(Image.new("RGB", view.size, (90, 80, 76)), Image.new("L", view.size, 0))
        draw_person(somebody, view, _outfit(rng, made, ""), "", rng)
        made.people.append(somebody)
    return made


# --- shop photos ---


def shop_photo(drawn: Sprite, scene: Props, rng: np.random.Generator, first: bool) -> Image.Image:
    """A product on a light ground, aligned and whole; all but the `first` vary a little or come nearer."""
    width, height = SHOP_SIZE
    near = not first and rng.random() < 0.3
    side = round(width * float(rng.uniform(1.2, 1.45) if near else rng.uniform(0.84, 0.96)))
    picture = creased(drawn.flat, scene.folds[rng.integers(len(scene.folds))]) if rng.random() < 0.5 else drawn.flat
    if not first and rng.random() < 0.35:
        picture = picture.mirrored()
    if not first and rng.random() < 0.5:
        picture = picture.turned(float(rng.uniform(-7, 7)))
    picture = picture.resize(side, side)
    white, dim = rng.integers(238, 256, 3), rng.uniform(0.84, 0.97)
    column = np.linspace(white, white * dim, height)[:, None, :].repeat(width, axis=1)
    photo = Image.fromarray(column.astype(np.uint8))
    reach = 0.12 if near else 0.02
    x = (width - side) // 2 + int(rng.uniform(-reach, reach) * side)
    y = (height - side) // 2 + int(rng.uniform(-reach, reach) * side)
    shadow = (
        picture.alpha.reduce(4).filter(ImageFilter.GaussianBlur(2.2)).resize(picture.size, Image.Resampling.BILINEAR)
    )
    photo.paste((128, 124, 122), (x + 5, y + 7), shadow.point(lambda level: level * 0.45))
    picture.paste_on(photo, (x, y))
    return cast(rng, photo, 0.12)


# --- street photos ---


def _pick(rng: np.random.Generator, scene: Props, category: str) -> tuple[Sprite, Cutout]:
    return scene.clutter[category][rng.integers(CLUTTER_EACH)]


def _outfit(rng: np.random.Generator, scene: Props, target: str) -> Outfit:
    """What else somebody wears who wears the target's category; nothing that would hide it."""
    outfit = {"footwear": _pick(rng, scene, "footwear")}
    below = str(rng.choice(["pants", "pants", "skirts", "leggings"]))
    upper = "tops tucked" if target in ("pants", "skirts", "leggings", "belts") or rng.random() < 0.3 else "tops"
    if target == "dresses" or (target not in ("tops", "pants", "skirts", "leggings") and rng.random() < 0.25):
        outfit["dresses"] = _pick(rng, scene, "dresses")
    else:
        outfit[upper] = _pick(rng, scene, "tops")
        outfit[target if target in ("pants", "skirts", "leggings") else below] = _pick(rng, scene, below)
    chances = {"outerwear": 0.3, "bags": 0.4, "hats": 0.3, "eyewear": 0.25, "belts": 0.25}
    if target in ("tops", "dresses", "belts", "skirts", "pants", "leggings"):
        del chances["outerwear"]
    for category, chance in chances.items():
        if rng.random() < chance:
            outfit[category] = _pick(rng, scene, category)
    return outfit


def _view(rng: np.random.Generator, category: str, drawn: Sprite, size: tuple[int, int]) -> View:
    """Look at the wearer so that the garment fills a good part of the photo."""
    x0, y0, x1, y1 = worn_box(category, drawn)
    share = float(rng.uniform(0.6, 0.92)) * ZOOM
    scale = min(share * size[0] / (x1 - x0), share * size[1] / (y1 - y0))
    free_x, free_y = size[0] / scale - (x1 - x0), size[1] / scale - (y1 - y0)
    return View(
        size, (x0 - free_x * float(rng.uniform(0.35, 0.65)), y0 - free_y * float(rng.uniform(0.35, 0.65))), scale
    )


def _backdrop(rng: np.random.Generator, pool: list[Image.Image], size: tuple[int, int]) -> Image.Image:
    picture = pool[rng.integers(len(pool))]
    if rng.random() < 0.5:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    side = backdrops.SIDE * float(rng.uniform(0.5, 1.0))
    width, height = (side, side * size[1] / size[0]) if size[0] > size[1] else (side * size[0] / size[1], side)
    x, y = rng.uniform(0, backdrops.SIDE - width), rng.uniform(0, backdrops.SIDE - height)
    return picture.resize(size, Image.Resampling.BILINEAR, (x, y, x + width, y + height))


def _worn(
    product: Product, drawn: Sprite, scene: Props, rng: np.random.Generator, size: tuple[int, int]
) -> tuple[Image.Image, Image.Image]:
    """Somebody wears it, before a place with other people: the photo and the mask of the garment."""
    photo = _backdrop(rng, scene.places, size)
    passers_by = 0 if product.category == "footwear" else int(rng.integers(0, 4))  # feet would stand before the feet
    for _ in range(passers_by):
        tall = size[1] * float(rng.uniform(0.35, 0.9))
        other = scene.people[rng.integers(len(scene.people))].resize(int(tall / 2), int(tall))
        other.paste_on(photo, (int(rng.uniform(-0.1, 0.9) * size[0]), int(size[1] * rng.uniform(0.15, 0.4))))
    outfit = _outfit(rng, scene, product.category)
    outfit[product.category] = (drawn, creased(drawn.worn, scene.folds[rng.integers(len(scene.folds))]))
    mask = draw_person(photo, _view(rng, product.category, drawn, size), outfit, product.category, rng)
    return photo, mask


def _drop(
    photo: Image.Image, picture: Cutout, centre: tuple[float, float], side: float, angle: float
) -> tuple[Cutout, tuple[int, int]]:
    """Lay a cutout down, turned by `angle` degrees, with the shadow it throws; give what was pasted, and where."""
    small = picture.resize(int(side), int(side)).turned(angle, expand=True)
    at = (int(centre[0] - small.size[0] / 2), int(centre[1] - small.size[1] / 2))
    shadow = small.alpha.filter(ImageFilter.BoxBlur(3)).point(lambda level: level * 0.5)
    photo.paste((30, 28, 30), (at[0] + 3, at[1] + 4), shadow)
    small.paste_on(photo, at)
    return small, at


def _laid(
    product: Product, drawn: Sprite, scene: Props, rng: np.random.Generator, size: tuple[int, int]
) -> tuple[Image.Image, Image.Image]:
    """It lies among other garments on a floor, a lawn or a bed: the photo and the mask of the garment."""
    photo, mask = _backdrop(rng, scene.surfaces, size), Image.new("L", size, 0)
    side = min(size) * float(rng.uniform(0.72, 0.95)) * ZOOM
    middle = (size[0] * float(rng.uniform(0.46, 0.54)), size[1] * float(rng.uniform(0.46, 0.54)))

    def other(distance: float) -> None:
        thing, _ = _pick(rng, scene, CATEGORIES[rng.integers(len(CATEGORIES))])
        around = rng.uniform(0, 2 * np.pi)
        centre = (middle[0] + distance * side * np.cos(around), middle[1] + distance * side * np.sin(around))
        _drop(photo, thing.flat, centre, side * float(rng.uniform(0.45, 0.9)), float(rng.uniform(0, 360)))

    for _ in range(int(rng.integers(2, 5))):
        other(float(rng.uniform(0.5, 0.8)))
    folds = scene.folds[rng.integers(len(scene.folds))]
    small, at = _drop(photo, creased(drawn.flat, folds), middle, side, float(rng.normal(0, 14)))
    mask.paste(255, at, small.alpha)
    for _ in range(int(rng.integers(0, 2))):
        other(float(rng.uniform(0.62, 0.75)))
    return photo, mask


# --- what stands before a garment; x, y and reach are in pixels ---


def _leaves(canvas: Canvas, rng: np.random.Generator, x: float, y: float, reach: float) -> None:
    for dx, dy, size in zip(*rng.normal(0, reach, (2, 14)), rng.uniform(0.15, 0.3, 14) * reach, strict=True):
        leaf = ellipse((x + dx / 2, y + dy), size, size * 0.5)
        canvas.fill(leaf, shade((70, 130, 60), float(rng.uniform(0.7, 1.2))))


def _post(canvas: Canvas, rng: np.random.Generator, x: float, y: float, reach: float) -> None:
    iron, below = shade((96, 98, 104), float(rng.uniform(0.5, 1.3))), float(canvas.size[1])
    canvas.fill(rectangle(x - reach * 0.3, 0, x + reach * 0.3, below), iron)
    canvas.fill(rectangle(x - reach * 0.3, 0, x - reach * 0.12, below), shade(iron, 1.2))


def _hand(canvas: Canvas, rng: np.random.Generator, x: float, y: float, reach: float) -> None:
    """A hand that holds a phone or a cup, and its arm."""
    skin, side = SKIN[rng.integers(len(SKIN))], rng.choice([-1.0, 1.0])
    canvas.fill(limb(points((0, 0), (side * 3, 5)) * reach + (x, y), [reach * 0.28, reach * 0.4]), skin)
    canvas.fill(ellipse((x, y), reach * 0.55, reach * 0.55), skin)
    phone = rng.random() < 0.5
    held = (34, 34, 38) if phone else list(COLOURS.values())[rng.integers(len(COLOURS))]
    top = y - reach * (1.4 if phone else 1.0)
    canvas.fill(rectangle(x - reach * 0.4, top, x + reach * 0.4, y + reach * 0.25, reach * 0.12), held)
    canvas.fill(ellipse((x - reach * 0.2, top + reach * 0.2), reach * 0.1, reach * 0.1), (190, 196, 204))


OCCLUDERS = (_leaves, _post, _hand, _hand)


def _occlude(rng: np.random.Generator, photo: Image.Image, box: Box) -> None:
    """Cover a part of the garment near its left or right side."""
    wide, tall = box[2] - box[0], box[3] - box[1]
    x = box[0] + wide * float(rng.choice([0.12, 0.88]) + rng.normal(0, 0.06))
    y = box[1] + tall * float(rng.uniform(0.1, 0.9))
    canvas = Canvas(photo.size, (0.0, 0.0), 1.0, (70, 90, 70))
    OCCLUDERS[rng.integers(len(OCCLUDERS))](canvas, rng, x, y, 0.16 * float(np.sqrt(wide * tall)))
    canvas.finished().paste_on(photo)


def street_photo(product: Product, drawn: Sprite, scene: Props, rng: np.random.Generator) -> tuple[Image.Image, Box]:
    """The product out of doors or on the floor.

    Returns
    -------
    The picture and the box of the garment, x1 y1 x2 y2 in pixels, half-open, as loosely drawn as people draw boxes.
    """
    size = STREET_SIZES[rng.integers(len(STREET_SIZES))]
    draw_scene = _worn if rng.random() < 0.72 else _laid
    photo, mask = draw_scene(product, drawn, scene, rng, size)
    mesh = warp(rng, size, turn=5, tilt=0.08, ripple=0.006)
    photo, mask = warped(photo, mesh), warped(mask, mesh)
    box = alpha_box(np.asarray(mask)) or (0, 0, *size)
    if rng.random() < 0.45:
        _occlude(rng, photo, box)
    photo = noisy(rng, blurred(rng, cast(rng, sunlight(rng, photo), 1.0)), scene.grain)
    slack = rng.uniform(-0.01, 0.06, 4) * np.array([box[2] - box[0], box[3] - box[1]] * 2)
    x0, y0 = max(int(box[0] - slack[0]), 0), max(int(box[1] - slack[1]), 0)
    return photo, (x0, y0, min(int(box[2] + slack[2]) + 1, size[0]), min(int(box[3] + slack[3]) + 1, size[1]))
