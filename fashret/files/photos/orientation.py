"""How a photo is turned: from the pixels as stored to the upright photo that viewers show, and boxes with them.

In: pixels or a box, and the EXIF orientation. Out: the same, turned. The only place that knows what orientations mean.

    1 as stored · 2 mirrored · 3 turned by 180° · 4 mirrored top to bottom
    5 mirrored along the diagonal · 6 turned right by 90° · 7 mirrored along the other diagonal · 8 turned left by 90°
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SIDEWAYS = (5, 6, 7, 8)  # width and height are exchanged
BACK = {6: 8, 8: 6}  # what undoes an orientation, where that is not itself

Pixels = NDArray[np.uint8]


def turn(pixels: Pixels, orientation: int) -> Pixels:
    """Pixels as stored, H×W×3, upright: a view of the same memory."""
    if orientation in SIDEWAYS:
        pixels = pixels.transpose(1, 0, 2)
    mirrored = orientation in (2, 3, 6, 7)
    upside_down = orientation in (3, 4, 7, 8)
    return pixels[:: -1 if upside_down else 1, :: -1 if mirrored else 1]


def turn_back(pixels: Pixels, orientation: int) -> Pixels:
    """Upright pixels as they are stored: undoes `turn`."""
    return turn(pixels, BACK.get(orientation, orientation))


def upright_size(stored: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Width and height of the upright photo.

    >>> upright_size((400, 300), 3), upright_size((400, 300), 6)
    ((400, 300), (300, 400))
    """
    return (stored[1], stored[0]) if orientation in SIDEWAYS else stored


def turn_box(box: Sequence[float], size: tuple[int, int], orientation: int) -> tuple[float, float, float, float]:
    """The box around the same part of the photo after `turn`.

    Parameters
    ----------
    box
        x1 y1 x2 y2, half-open; NaN stays NaN, and a box without area stays one.
    size
        Width and height of the photo that the box is in.

    >>> turn_box((10, 20, 110, 220), (400, 300), 6)  # the left edge becomes the top
    (80, 10, 280, 110)
    """
    (x1, y1, x2, y2), (width, height) = box, size
    across, down = (x1, x2), (y1, y2)
    if orientation in SIDEWAYS:
        across, down, width, height = down, across, height, width
    if orientation in (2, 3, 6, 7):
        across = (width - across[1], width - across[0])
    if orientation in (3, 4, 7, 8):
        down = (height - down[1], height - down[0])
    return across[0], down[0], across[1], down[1]


def stored_box(box: Sequence[float], stored: tuple[int, int], orientation: int) -> tuple[float, float, float, float]:
    """A box in pixels of the upright photo, in pixels of the photo as stored: undoes `turn_box`.

    Parameters
    ----------
    stored
        Width and height of the photo as stored.

    >>> stored_box((80, 10, 280, 110), (400, 300), 6)
    (10, 20, 110, 220)
    """
    return turn_box(box, upright_size(stored, orientation), BACK.get(orientation, orientation))
