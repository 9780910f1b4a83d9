"""Plane geometry for the drawings: arcs, mirrored outlines, tapered limbs and the outlines of the printed motifs.

In: numbers in the units of whoever draws (body heights for garments, the square −1…1 for motifs; x to the right, y
down). Out: outlines as N×2 float64 arrays of corner points, open or closed as the docstring says.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]

ARC_STEPS = 9


def points(*pairs: ArrayLike) -> Points:
    """Stack points and pieces of outline into one N×2 array.

    Examples
    --------
    >>> points((0, 1), [(2, 3), (4, 5)]).shape
    (3, 2)
    """
    return np.concatenate([np.atleast_2d(np.asarray(pair, dtype=np.float64)) for pair in pairs])


def arc(start: ArrayLike, end: ArrayLike, bulge: float, steps: int = ARC_STEPS) -> Points:
    """Quadratic arc from `start` to `end`, pushed out by `bulge` of the chord to the left of the walking direction.

    With y down, "left" of a walk to the right is up.

    Examples
    --------
    >>> arc((0, 0), (1, 0), 0.5, steps=3).tolist()
    [[0.0, 0.0], [0.5, -0.5], [1.0, 0.0]]
    """
    a, b = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    t = np.linspace(0.0, 1.0, steps)[:, None]
    normal = np.array([b[1] - a[1], a[0] - b[0]])
    return a + (b - a) * t + normal * (4.0 * bulge * t * (1.0 - t))


def mirror(outline: Points) -> Points:
    """The outline reflected at x = 0."""
    return outline * np.array([-1.0, 1.0])


def symmetric(half: Points) -> Points:
    """Close the right half of an outline, walked from top to bottom, with its mirror image."""
    return np.concatenate([half, mirror(half)[::-1]])


def ellipse(
    centre: tuple[float, float], radius_x: float, radius_y: float, start: float = 0.0, end: float = 360.0
) -> Points:
    """Arc of an ellipse between two angles in degrees (0 = right, 90 = down)."""
    angle = np.radians(np.linspace(start, end, 33))
    return np.stack([centre[0] + radius_x * np.cos(angle), centre[1] + radius_y * np.sin(angle)], axis=1)


def rectangle(x0: float, y0: float, x1: float, y1: float, radius: float = 0.0) -> Points:
    """Rectangle, its corners cut round by `radius`."""
    if radius <= 0:
        return points((x0, y0), (x1, y0), (x1, y1), (x0, y1))
    corners = [
        (x1 - radius, y0 + radius, -90),
        (x1 - radius, y1 - radius, 0),
        (x0 + radius, y1 - radius, 90),
        (x0 + radius, y0 + radius, 180),
    ]
    return np.concatenate([ellipse((x, y), radius, radius, a, a + 90)[::6] for x, y, a in corners])


def limb(line: ArrayLike, widths: ArrayLike) -> Points:
    """Outline of a tapered limb: a centre line and its half width at every point of it."""
    centre, half = np.asarray(line, dtype=np.float64), np.asarray(widths, dtype=np.float64)
    direction = np.gradient(centre, axis=0)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    offset = np.stack([direction[:, 1], -direction[:, 0]], axis=1) * half[:, None]
    return np.concatenate([centre + offset, (centre - offset)[::-1]])


def along(line: ArrayLike, fractions: ArrayLike) -> Points:
    """Points at the given fractions (0…1) of the length of a polyline."""
    corners = np.asarray(line, dtype=np.float64)
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    at = np.asarray(fractions, dtype=np.float64) * length[-1]
    return np.stack([np.interp(at, length, corners[:, 0]), np.interp(at, length, corners[:, 1])], axis=1)


# --- motifs: what prints and scattered patterns are made of ---


def _polar(radii: ArrayLike, turn: float = -90.0) -> Points:
    radius = np.asarray(radii, dtype=np.float64)
    angle = np.radians(turn + np.arange(len(radius)) * 360.0 / len(radius))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _heart() -> Points:
    t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    x = np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) / 16.0
    return np.stack([x, y], axis=1)


def _flower() -> Points:
    t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    return _polar(0.66 + 0.34 * np.cos(5 * t))


def _anchor() -> list[Points]:
    hook = np.concatenate([ellipse((0, 0.25), 0.75, 0.7, 10, 170), ellipse((0, 0.2), 0.5, 0.42, 170, 10)])
    return [
        hook,
        rectangle(-0.12, -0.55, 0.12, 0.9),
        rectangle(-0.45, -0.42, 0.45, -0.2),
        ellipse((0, -0.75), 0.25, 0.25),
    ]


def _cat() -> list[Points]:
    face = ellipse((0, 0.15), 0.85, 0.75)
    return [face, points((-0.82, 0.1), (-0.8, -0.95), (-0.15, -0.45)), points((0.82, 0.1), (0.8, -0.95), (0.15, -0.45))]


def _sun() -> list[Points]:
    rays = [points((0.0, -1.0), (0.13, -0.62), (-0.13, -0.62))]
    turns = np.radians(np.arange(0, 360, 40))
    spin = [np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) for a in turns]
    return [ellipse((0, 0), 0.5, 0.5)] + [rays[0] @ s for s in spin]


MOTIFS: dict[str, list[Points]] = {
    "star": [_polar([1.0, 0.42] * 5)],
    "heart": [_heart()],
    "bolt": [points((0.25, -1), (-0.6, 0.15), (-0.05, 0.15), (-0.3, 1), (0.6, -0.25), (0.05, -0.25))],
    "flower": [_flower()],
    "sun": _sun(),
    "moon": [np.concatenate([ellipse((-0.1, 0), 0.95, 0.95, 50, 310), ellipse((0.25, 0), 0.75, 0.8, 295, 65)])],
    "anchor": _anchor(),
    "cat": _cat(),
    "mountain": [points((-1, 0.75), (-0.35, -0.6), (0.02, 0.1), (0.35, -0.3), (1, 0.75))],
    "ring": [np.concatenate([ellipse((0, 0), 0.95, 0.95), ellipse((0, 0), 0.55, 0.55, 360, 0)])],
    "diamond": [points((0, -1), (0.7, 0), (0, 1), (-0.7, 0))],
    "arrow": [points((0, -1), (0.8, -0.1), (0.3, -0.1), (0.3, 0.95), (-0.3, 0.95), (-0.3, -0.1), (-0.8, -0.1))],
    "leaf": [np.concatenate([arc((0, 1), (0, -1), 0.3), arc((0, -1), (0, 1), 0.3)])],
    "cross": [
        points(
            (-0.3, -1),
            (0.3, -1),
            (0.3, -0.3),
            (1, -0.3),
            (1, 0.3),
            (0.3, 0.3),
            (0.3, 1),
            (-0.3, 1),
            (-0.3, 0.3),
            (-1, 0.3),
            (-1, -0.3),
            (-0.3, -0.3),
        )
    ],
}
"""Motif name → its closed outlines inside the square −1…1."""
