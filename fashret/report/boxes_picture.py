"""A photo with the garments found in it: their boxes, numbered, with what they are and their scores.

In: an upright photo and boxes in its pixels. Out: a picture, or a JPEG file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from fashret.files.atomic import whole_file
from fashret.files.photos.orientation import upright_size
from fashret.files.photos.whole import WholePhoto
from fashret.report.row_picture import font
from fashret.report.tables import printable

if TYPE_CHECKING:
    from PIL.Image import Image

COLOURS = ("#e11d48", "#2563eb", "#16a34a", "#d97706", "#7c3aed", "#0891b2", "#be185d", "#4d7c0f")  # in turn
SHARE = 32  # of the photo's longer side: the height of letters
SMALLEST, LONGEST = 11, 40  # height of letters in pixels, characters of a label
QUALITY = 90


@dataclass(frozen=True)
class BoxLabel:
    """What is written on a box; `number` counts from 1 and chooses the colour."""

    number: int
    name: str
    score: float

    @property
    def text(self) -> str:
        """As it is written."""
        return f"{self.number} {printable(self.name, LONGEST)} {self.score:.2f}".replace("  ", " ")


class FoundBox(Protocol):
    """A garment that was found, in pixels of the whole upright photo."""

    @property
    def number(self) -> int:
        """From 1."""

    @property
    def category(self) -> str:
        """Empty = it can be several."""

    @property
    def label(self) -> str:
        """What it is called then."""

    @property
    def score(self) -> float:
        """0 to 1."""

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x1 y1 x2 y2."""


def draw_boxes(photo: NDArray[np.uint8], boxes: NDArray[np.float32], labels: Sequence[BoxLabel]) -> Image:
    """Draw boxes on a photo, the first on top."""
    from PIL import Image, ImageDraw

    picture = Image.fromarray(photo).convert("RGB")
    pen = ImageDraw.Draw(picture)
    letters = font(max(SMALLEST, max(picture.size) // SHARE), bold=True)
    line = max(2, max(picture.size) // 250)
    drawn = list(zip(boxes.tolist(), labels, strict=True))[::-1]
    for box, label in drawn:
        corners = [max(0, round(box[0])), max(0, round(box[1])), round(box[2]) - 1, round(box[3]) - 1]
        corners[2:] = max(corners[0], corners[2]), max(corners[1], corners[3])
        pen.rectangle(corners, outline=colour(label.number), width=line)
    for box, label in drawn:
        _write(pen, picture.size, (box[0], box[1]), label, letters)
    return picture


def colour(number: int) -> str:
    """The colour of a garment's box, by its number from 1."""
    return COLOURS[(number - 1) % len(COLOURS)]


def _write(pen, size, corner, label: BoxLabel, letters) -> None:  # type: ignore[no-untyped-def]
    """A label above the box where there is room, else inside; never outside of the photo."""
    left, top, right, bottom = pen.textbbox((0, 0), label.text, letters)
    width, height = right + 6, bottom + 5
    x = max(0, min(round(corner[0]), size[0] - width))
    y = round(corner[1]) - height
    y = y if y >= 0 else max(0, round(corner[1]))
    pen.rectangle((x, y, x + width, y + height), fill=colour(label.number))
    pen.text((x + 3, y + 2), label.text, "#ffffff", letters)


def drawn_found(photo: WholePhoto, garments: Sequence[FoundBox]) -> Image:
    """A photo with its garments, whose boxes are in pixels of the whole upright photo."""
    scale = np.array(photo.pixels.shape[1::-1]) / upright_size(*photo.frame)
    boxes = np.array([garment.box for garment in garments], np.float32).reshape(-1, 4) * np.tile(scale, 2)
    labels = [BoxLabel(each.number, each.category or each.label, each.score) for each in garments]
    return draw_boxes(photo.pixels, boxes.astype(np.float32), labels)


def draw_found(path: Path, photo: WholePhoto, garments: Sequence[FoundBox]) -> None:
    """Draw the garments of a photo and write a JPEG, complete or not at all."""
    picture = drawn_found(photo, garments)
    with whole_file(path) as part:
        picture.save(part, "JPEG", quality=QUALITY)


def picture_name(source: str) -> str:
    """The name of the picture of a photo: its own, with .jpg behind it where it has another ending.

    >>> picture_name("a/b.jpg"), picture_name("a/b.png")
    ('a/b.jpg', 'a/b.png.jpg')
    """
    return source if source.lower().endswith((".jpg", ".jpeg")) else source + ".jpg"
