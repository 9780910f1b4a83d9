"""Pictures without a ground, and what draws them.

In: outlines in body coordinates and colours. Out: a `Cutout`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from fashret.demo.fabrics import Colour
from fashret.demo.shapes import Points, ellipse

OVERSAMPLING = 2  # pixels drawn for one of the finished picture, each way


@dataclass(frozen=True)
class Cutout:
    """A picture without its ground: colours (RGB) and coverage (L) apart.

    Transparent pixels keep the colour of the cloth beside them, so that scaling needs no premultiplied alpha: Pillow
    converts an RGBA picture to premultiplied and back around every transform, at more than the transform's own cost.
    """

    rgb: Image.Image
    alpha: Image.Image

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.rgb.size

    def map(self, change: Callable[[Image.Image], Image.Image]) -> Cutout:
        """Do the same to the colours and the coverage."""
        return Cutout(change(self.rgb), change(self.alpha))

    def resize(self, width: int, height: int) -> Cutout:
        """Scale to this size in pixels, bilinearly."""
        return self.map(lambda layer: layer.resize((width, height), Image.Resampling.BILINEAR))

    def mirrored(self) -> Cutout:
        """Swap left and right."""
        return self.map(lambda layer: layer.transpose(Image.Transpose.FLIP_LEFT_RIGHT))

    def turned(self, degrees: float, expand: bool = False) -> Cutout:
        """Rotate counterclockwise about the centre; `expand` enlarges the picture so that nothing is cut off."""
        # Alpha is 0 where the turn brings in corners from outside, whatever their colour.
        return self.map(lambda layer: layer.rotate(degrees, Image.Resampling.BILINEAR, expand=expand))

    def paste_on(self, ground: Image.Image | Cutout, at: tuple[int, int] = (0, 0)) -> None:
        """Lay it over an RGB picture or over another cutout, in place."""
        if isinstance(ground, Cutout):
            ground.rgb.paste(self.rgb, at, self.alpha)
            covered = ground.alpha.crop((*at, at[0] + self.size[0], at[1] + self.size[1]))
            ground.alpha.paste(ImageChops.lighter(covered, self.alpha), at)
        else:
            ground.paste(self.rgb, at, self.alpha)


class Canvas:
    """A transparent picture that is drawn in body coordinates, at OVERSAMPLING times its final size.

    Parameters
    ----------
    size : width and height of the finished picture in pixels.
    origin : body coordinates of its upper left corner.
    scale : pixels of the finished picture to one body height.
    ground : colour of the transparent pixels; that of the drawing's outline is best.
    """

    def __init__(self, size: tuple[int, int], origin: tuple[float, float], scale: float, ground: Colour) -> None:
        self.size = (size[0] * OVERSAMPLING, size[1] * OVERSAMPLING)
        self.origin, self.ground = origin, ground
        self.scale = scale * OVERSAMPLING
        self.image = Image.new("RGBA", self.size, (*ground, 0))
        self.draw = ImageDraw.Draw(self.image)

    @property
    def span(self) -> float:
        """Width of the canvas in body heights."""
        return self.size[0] / self.scale

    def pixels(self, outline: Points) -> list[tuple[float, float]]:
        """Points in body coordinates as points in pixels of the canvas."""
        moved = (np.asarray(outline) - self.origin) * self.scale
        return [(x, y) for x, y in moved.tolist()]

    def fill(self, outline: Points, colour: Colour) -> None:
        """Fill a closed outline with one colour."""
        self.draw.polygon(self.pixels(outline), fill=(*colour, 255))

    def line(self, line: Points, colour: Colour, width: float) -> None:
        """`width` in fractions of the canvas."""
        self.draw.line(self.pixels(line), fill=(*colour, 255), width=max(1, round(width * self.size[0])), joint="curve")

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """`radius` in fractions of the canvas."""
        self.fill(ellipse((x, y), radius * self.span, radius * self.span), colour)

    def cloth(self, outline: Points, cloth: Image.Image) -> None:
        """Fill with a picture as large as the canvas."""
        corners = self.pixels(outline)
        xs, ys = [c[0] for c in corners], [c[1] for c in corners]
        x0, y0 = max(int(min(xs)) - 1, 0), max(int(min(ys)) - 1, 0)
        x1, y1 = min(int(max(xs)) + 2, self.size[0]), min(int(max(ys)) + 2, self.size[1])
        mask = Image.new("L", (x1 - x0, y1 - y0), 0)
        ImageDraw.Draw(mask).polygon([(x - x0, y - y0) for x, y in corners], fill=255)
        self.image.paste(cloth.crop((x0, y0, x1, y1)), (x0, y0), mask)

    def finished(self) -> Cutout:
        """What was drawn, at its final size."""
        small = self.image.reduce(OVERSAMPLING)  # with premultiplied alpha: transparent pixels become black
        alpha = small.getchannel("A")
        rgb = Image.new("RGB", small.size, self.ground)
        rgb.paste(small.convert("RGB"), mask=alpha.point(lambda covered: 255 if covered else 0))
        return Cutout(rgb, alpha)
