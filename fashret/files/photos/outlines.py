"""Outlines of garments: polygons of an annotation become masks of a picture.

In: polygons in pixels of a photo, as COCO's `segmentation` has them. Out: a mask of a part of the upright photo, in the
size of a picture of that part. Masks as run lengths are not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fashret.errors import FashretError
from fashret.files.photos.orientation import turn_box

FARTHEST = 1_000_000  # pixels from a photo's corner

Window = tuple[float, float, float, float]  # x1 y1 x2 y2


@dataclass(frozen=True)
class Outline:
    """The polygons of one garment."""

    polygons: tuple[NDArray[np.float32], ...]  # each K×2, x and y in pixels of the photo
    upright: bool = False  # of the upright photo, and not of the photo as stored

    @property
    def box(self) -> Window:
        """The box round all points: x1 y1 x2 y2."""
        across, down = np.concatenate(self.polygons).T
        return float(across.min()), float(down.min()), float(across.max()), float(down.max())


def outline_of(segmentation: Any, where: str, upright: bool = False) -> Outline | None:
    """COCO's polygons, lists of x y x y …; None where there is none of three points, or a mask of run lengths.

    Parameters
    ----------
    where
        File and entry, for messages.

    Raises
    ------
    FashretError
        If a polygon is no list of pairs of numbers: which.

    >>> outline_of([[0, 0, 4, 0, 4, 4]], "a.json").polygons[0].tolist()
    [[0.0, 0.0], [4.0, 0.0], [4.0, 4.0]]
    """
    if not segmentation or isinstance(segmentation, dict):
        return None
    if not isinstance(segmentation, list):
        raise FashretError(f"{where}, segmentation: expected a list of polygons")
    polygons = []
    for i, points in enumerate(segmentation):
        if not isinstance(points, list) or any(type(value) not in (int, float) for value in points):
            raise FashretError(f"{where}, segmentation, polygon {i}: expected a list of numbers, x y x y …")
        if len(points) % 2 or not all(abs(value) < FARTHEST for value in points):  # NaN neither
            odd = f"it has {len(points):,}" if len(points) % 2 else f"one is not below {FARTHEST:,}"
            raise FashretError(f"{where}, segmentation, polygon {i}: expected pairs of finite numbers, {odd}")
        if len(points) >= 6:
            polygons.append(np.array(points, np.float32).reshape(-1, 2))
    return Outline(tuple(polygons), upright) if polygons else None


def draw_mask(
    outline: Outline, stored: tuple[int, int], orientation: int, window: Window, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """The mask of a garment in a picture.

    Parameters
    ----------
    stored
        Width and height of the photo as stored.
    window
        The part of the upright photo that the picture shows.
    size
        Width and height of the picture.

    Returns
    -------
    H×W uint8: 1 where the garment is.
    """
    mask = Image.new("L", size)
    draw = ImageDraw.Draw(mask)
    left, top, right, bottom = window
    scale = np.array([size[0] / (right - left), size[1] / (bottom - top)])
    for polygon in outline.polygons:
        points = polygon if outline.upright else _turned(polygon, stored, orientation)
        placed = (points - np.array([left, top])) * scale - 0.5  # Pillow's whole numbers are the centres of pixels
        draw.polygon([(float(x), float(y)) for x, y in placed], fill=1, outline=1)
    return np.asarray(mask)


def _turned(points: NDArray[np.float32], stored: tuple[int, int], orientation: int) -> NDArray[np.float32]:
    if orientation == 1:
        return points
    return np.array([turn_box((x, y, x, y), stored, orientation)[:2] for x, y in points.tolist()], np.float32)
