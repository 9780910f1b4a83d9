"""What cloth, light, lens and file do to a picture: creases, warps, colour cast, blur, noise.

In: Pillow pictures and a random generator. Out: Pillow pictures.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

from fashret.demo.canvas import Cutout

GRID = (6, 8)  # cells of a warp, across and down
ZOOM = 0.84  # a warp shows this share of the picture's sides, so that it need not look beyond them


def creases(rng: np.random.Generator, size: int, count: int = 7) -> Image.Image:
    """Folds in cloth as a picture to multiply with: soft ridges, lit on one side and dark on the other.

    Returns
    -------
    size×size picture of mode RGB, grey.
    """
    y, x = np.mgrid[0:size:2, 0:size:2].astype(np.float32) / size - 0.5
    light = np.zeros_like(x)
    for _ in range(count):
        angle, place, width = rng.uniform(0, np.pi), rng.uniform(-0.45, 0.45), rng.uniform(0.018, 0.06)
        across, down = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        bend = rng.uniform(-0.25, 0.25) * down**2
        distance = (across - place - bend) / width
        reach = np.exp(-(((down - rng.uniform(-0.4, 0.4)) / rng.uniform(0.12, 0.4)) ** 2))
        light += rng.uniform(0.12, 0.34) * distance * np.exp(-0.5 * distance**2) * reach
    field = np.clip(0.88 + light, 0.35, 1.0)
    grey = Image.fromarray((field * 255).astype(np.uint8)).resize((size, size), Image.Resampling.BILINEAR)
    return Image.merge("RGB", [grey] * 3)


def creased(picture: Cutout, folds: Image.Image) -> Cutout:
    """A cutout with its colours multiplied by folds."""
    return Cutout(ImageChops.multiply(picture.rgb, folds), picture.alpha)


Mesh = list[tuple[tuple[int, int, int, int], tuple[float, ...]]]


def warp(rng: np.random.Generator, size: tuple[int, int], turn: float, tilt: float, ripple: float) -> Mesh:
    """A mesh for `Image.transform`: rotation, perspective, and a gentle random bending.

    Parameters
    ----------
    size : width and height of the picture.
    turn : standard deviation of the rotation in degrees.
    tilt : largest shift of a corner, in fractions of the size.
    ripple : standard deviation of the shift of a grid point, in fractions of the size.
    """
    across, down = GRID
    u, v = np.meshgrid(np.linspace(-0.5, 0.5, across + 1), np.linspace(-0.5, 0.5, down + 1))
    angle = np.radians(np.clip(rng.normal(0, turn), -2 * turn, 2 * turn))
    px, py = rng.uniform(-2 * tilt, 2 * tilt, 2)
    depth = 1 + px * u + py * v
    x = (np.cos(angle) * u - np.sin(angle) * v * size[1] / size[0]) / depth + rng.uniform(-tilt, tilt) * v
    y = (np.sin(angle) * u * size[0] / size[1] + np.cos(angle) * v) / depth
    # Clipped: beyond its borders a picture is black.
    x = np.clip((ZOOM * x + 0.5 + rng.normal(0, ripple, x.shape)) * size[0], 1, size[0] - 1)
    y = np.clip((ZOOM * y + 0.5 + rng.normal(0, ripple, y.shape)) * size[1], 1, size[1] - 1)
    edges_x = np.linspace(0, size[0], across + 1).astype(int).tolist()
    edges_y = np.linspace(0, size[1], down + 1).astype(int).tolist()
    mesh: Mesh = []
    for i in range(down):
        for j in range(across):
            corners = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)]
            quad = tuple(float(c) for corner in corners for c in (x[corner], y[corner]))
            mesh.append(((edges_x[j], edges_y[i], edges_x[j + 1], edges_y[i + 1]), quad))
    return mesh


def warped(picture: Image.Image, mesh: Mesh) -> Image.Image:
    """The picture drawn through a mesh of `warp`; the same mesh moves a picture and its mask alike."""
    smooth = Image.Resampling.NEAREST if picture.mode == "L" else Image.Resampling.BILINEAR
    return picture.transform(picture.size, Image.Transform.MESH, mesh, smooth)


def sunlight(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    """Uneven light: a slope over the picture and sometimes the edge of a shadow."""
    y, x = np.mgrid[0:24, 0:24].astype(np.float32) / 23 - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    ramp = x * np.cos(angle) + y * np.sin(angle)
    field = 1 - rng.uniform(0, 0.45) * (ramp + 0.7) / 1.4
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        edge = (x * np.cos(angle) + y * np.sin(angle) - rng.uniform(-0.3, 0.3)) * rng.uniform(8, 40)
        field *= 1 - rng.uniform(0.2, 0.45) / (1 + np.exp(-np.clip(edge, -30, 30)))
    light = Image.fromarray((np.clip(field, 0, 1) * 255).astype(np.uint8)).resize(
        picture.size, Image.Resampling.BILINEAR
    )
    return ImageChops.multiply(picture, Image.merge("RGB", [light] * 3))


LUMA = np.array([0.299, 0.587, 0.114])
DARKEST = 84  # mean level of a photo below which a camera exposes longer


def cast(rng: np.random.Generator, picture: Image.Image, strength: float) -> Image.Image:
    """Colour of the light, exposure, saturation, contrast and fading: one matrix and one curve a channel."""
    warm, tint, exposure = (
        rng.normal(0, 0.22 * strength),
        rng.normal(0, 0.07 * strength),
        rng.normal(0.1, 0.2 * strength),
    )
    level = float(np.asarray(picture.resize((16, 16), Image.Resampling.BOX)).mean()) + 1
    exposure = max(exposure, np.log(DARKEST / level))
    gains = np.exp(np.array([warm, -tint, -warm]) + exposure)
    saturation = rng.uniform(1 - 0.4 * strength, 1 + 0.2 * strength)
    mixed = (saturation * np.eye(3) + (1 - saturation) * LUMA) * gains[:, None]
    picture = picture.convert("RGB", tuple(np.column_stack([mixed, np.zeros(3)]).ravel().tolist()))
    gamma, lift = np.exp(rng.normal(0, 0.18 * strength)), rng.uniform(0, 28 * strength)
    curve = ((np.arange(256) / 255) ** gamma * (255 - lift) + lift).astype(int).tolist()
    return picture.point(curve * 3)


def blurred(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    """Out of focus, shaken, or neither."""
    kind = rng.random()
    if kind < 0.45:
        return picture.filter(ImageFilter.BoxBlur(float(rng.uniform(0.3, 1.3))))
    if kind < 0.7:  # the mean of a few shifted copies
        dx, dy = rng.integers(-3, 4, 2).tolist()
        shaken = Image.blend(picture, ImageChops.offset(picture, dx, dy), 0.5)
        return Image.blend(shaken, ImageChops.offset(picture, dx // 2, dy // 2), 0.34)
    return picture


def noisy(rng: np.random.Generator, picture: Image.Image, grain: NDArray[np.int8]) -> Image.Image:
    """Sensor noise: a window of `grain` (H×W×3, standard deviation 24) at a random place and strength."""
    height, width = picture.height, picture.width
    top, left = rng.integers(0, grain.shape[0] - height), rng.integers(0, grain.shape[1] - width)
    strength = int(rng.integers(2, 14))  # standard deviation in levels, times 24/32
    noise = (grain[top : top + height, left : left + width].astype(np.int16) * strength) >> 5
    return Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))
