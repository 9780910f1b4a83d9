"""What a cut is: the panels of a garment, its seams, and the places for trims and a print.

In: nothing. Out: the types `Panel` and `Cut`, and the measures of the wearer that all cuts share. Coordinates are body
heights: x = 0 is the middle of the body, positive to the right of the picture, y = 0 the top of the head, y = 1 the
sole. The same numbers dress the figure in `figures`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fashret.demo.shapes import Points, arc, mirror

SHOULDER, ARMPIT, WAIST, HIP, CROTCH, KNEE, ANKLE = 0.188, 0.262, 0.388, 0.47, 0.535, 0.73, 0.945
ARM = np.array([(0.094, 0.203), (0.15, 0.345), (0.186, 0.478)])  # shoulder, elbow, wrist of the right of the picture
HEAD_Y, HEAD_HALF, HEAD_TALL = 0.086, 0.045, 0.062  # middle, half width and half height of the head


@dataclass(frozen=True)
class Panel:
    """One closed piece of a garment."""

    outline: Points
    part: str = "body"  # what it is made of, see `drawing.Paint`
    turn: float = 0.0  # slant of its pattern in degrees
    behind: bool = False  # seen only when nobody wears it: the inside of a neck, the far side of a belt


@dataclass(frozen=True)
class Cut:
    """A garment before it gets cloth: what is drawn, and where trims and a print go."""

    panels: list[Panel]
    seams: list[Points] = field(default_factory=list)
    front: Points | None = None  # where buttons or a zip run
    edges: list[Points] = field(default_factory=list)  # where piping, studs, fringe and bands run
    pockets: list[tuple[float, float, float]] = field(default_factory=list)  # centre and width
    bow: tuple[float, float, float] = (0.0, 0.2, 0.04)  # centre and half width
    print: tuple[float, float, float] = (0.0, 0.3, 0.045)  # centre and half width


def both(outline: Points, part: str = "body", turn: float = 0.0, behind: bool = False) -> list[Panel]:
    """A panel and its mirror image."""
    return [Panel(outline, part, turn, behind), Panel(mirror(outline), part, -turn, behind)]


def across(half: float, y: float, sag: float) -> Points:
    """A line over the whole width −half…half at height y, hanging down by `sag` of its length in the middle."""
    return arc((-half, y), (half, y), -sag)
