"""One query and what was found for it, as a picture file: the paper's figures 4 and 5, one row of them.

In: a `GalleryRow` and where its pictures are. Out: a PNG or JPEG: the query on the left, for each ranking its best
results, true matches framed in green, the rank of the first hit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fashret.errors import FashretError
from fashret.files.atomic import check_output, whole_file
from fashret.report.gallery import GalleryRow, Line, Picture
from fashret.report.pictures import Pictures
from fashret.report.tables import printable

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

FORMATS = (".png", ".jpg", ".jpeg", ".webp")
CELL = (132, 176)  # pixels of one result, width and height
QUERY = (168, 224)
GAP, MARGIN, FRAME = 12, 24, 5
HEADING, CAPTION = 30, 42  # heights of the text above and below a picture
LINE_GAP = 22
INK, MUTED, GREEN, GROUND, EDGE = "#171a21", "#5c6472", "#16a34a", "#ffffff", "#dfe3e8"


def save_row(path: Path, row: GalleryRow, pictures: Mapping[str, Pictures]) -> None:
    """Draw a row and write it, complete or not at all.

    Raises
    ------
    FashretError
        If the name ends in none of `FORMATS`, or the file cannot be written.
    """
    check_name(path)
    check_output(path)
    image = draw_row(row, pictures)
    with whole_file(path) as part:
        image.save(part, {".png": "PNG", ".webp": "WEBP"}.get(path.suffix.lower(), "JPEG"), quality=92)


def check_name(path: Path) -> None:
    """Before any work, refuse a name that a picture cannot have."""
    if path.suffix.lower() not in FORMATS:
        raise FashretError(f"{path}: a picture's name must end in one of {', '.join(FORMATS)}")


def draw_row(row: GalleryRow, pictures: Mapping[str, Pictures]) -> Image:
    """The row as an RGB picture."""
    from PIL import Image, ImageDraw

    most = max([1, *(len(line.results) for line in row.lines)])
    line_height = HEADING + CELL[1] + CAPTION + LINE_GAP
    width = 2 * MARGIN + QUERY[0] + 2 * GAP + most * (CELL[0] + GAP) - GAP
    height = 2 * MARGIN + max(len(row.lines) * line_height - LINE_GAP, HEADING + QUERY[1] + CAPTION)
    image = Image.new("RGB", (width, height), GROUND)
    pen = ImageDraw.Draw(image)
    pen.text((MARGIN, MARGIN), "Query", INK, font(15, bold=True))
    _place(image, pen, _pixels(row.query, pictures), (MARGIN, MARGIN + HEADING), QUERY, None)
    _caption(pen, (MARGIN, MARGIN + HEADING + QUERY[1] + 6), QUERY[0], row.query.name, row.category, INK)
    for i, line in enumerate(row.lines):
        _draw_line(image, pen, line, pictures, (MARGIN + QUERY[0] + 2 * GAP, MARGIN + i * line_height))
    return image


def _draw_line(
    image: Image, pen: ImageDraw, line: Line, pictures: Mapping[str, Pictures], corner: tuple[int, int]
) -> None:
    x, y = corner
    pen.text((x, y), line.name, INK, font(15, bold=True))
    start = x + (pen.textlength(line.name, font(15, bold=True)) + 14 if line.name else 0)
    pen.text((start, y), _summary(line), MUTED, font(15))
    for result in line.results:
        frame = GREEN if result.hit else None
        _place(image, pen, _pixels(result, pictures), (x, y + HEADING), CELL, frame)
        below = (x, y + HEADING + CELL[1] + 6)
        _caption(pen, below, CELL[0], result.name, f"{result.distance:.3f}", GREEN if result.hit else INK)
        x += CELL[0] + GAP


def _summary(line: Line) -> str:
    if not line.results:
        return "no results"
    known = [f"first hit at {line.first_hit:,}"] if line.first_hit else []
    known += [] if math.isnan(line.average_precision) else [f"AP {100 * line.average_precision:.1f}"]
    return ", ".join(known)


def _pixels(picture: Picture, pictures: Mapping[str, Pictures]) -> NDArray[np.uint8]:
    return pictures[picture.side].image(picture.row)


def _place(
    image: Image,
    pen: ImageDraw,
    pixels: NDArray[np.uint8],
    corner: tuple[int, int],
    size: tuple[int, int],
    frame: str | None,
) -> None:
    """Paste a picture centred in its cell, with a thin edge, or a frame."""
    from PIL import Image, ImageOps

    inside = (size[0] - 2 * FRAME, size[1] - 2 * FRAME)
    fitted = ImageOps.contain(Image.fromarray(pixels), inside)
    x, y = corner
    image.paste(fitted, (x + (size[0] - fitted.width) // 2, y + (size[1] - fitted.height) // 2))
    box = (x, y, x + size[0] - 1, y + size[1] - 1)
    pen.rounded_rectangle(box, 7, outline=frame or EDGE, width=FRAME - 1 if frame else 1)


def _caption(pen: ImageDraw, corner: tuple[int, int], width: int, name: str, below: str, ink: str) -> None:
    x, y = corner
    pen.text((x, y), _cut(pen, name, width), ink, font(13))
    pen.text((x, y + 17), _cut(pen, below, width), MUTED, font(12))


def _cut(pen: ImageDraw, name: str, width: int) -> str:
    """As much of a name as fits, its middle left out."""
    for length in range(40, 3, -1):
        text = printable(name, length)
        if pen.textlength(text, font(13)) <= width:
            return text
    return "…"


@cache
def font(size: int, bold: bool = False) -> FreeTypeFont:
    """The font that matplotlib brings along: Latin, Greek, Cyrillic, Arabic, Hebrew and more."""
    import matplotlib
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


class ArrayPictures:
    """Pictures that are in memory already: H×W×3 uint8 RGB by row."""

    def __init__(self, arrays: Mapping[int, NDArray[np.uint8]]) -> None:
        self.arrays = arrays

    def image(self, row: int) -> NDArray[np.uint8]:
        """The picture of a row."""
        return self.arrays[row]
