"""One training example: a part of a photo, and the boxes in it.

In: a photo of `BoxedPhotos` and a random generator. Out: a `Sample`, whose picture is no larger than the network needs.

Where all garments of a photo have boxes, a part of random size and place is shown. Where only one of many has, the part
is the box and some room around it: what is farther away may be a garment that nobody boxed, and must not be learned as
background. Photos are mirrored at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fashret.errors import PhotoError
from fashret.files.photos.cuts import clamp, cut_crops
from fashret.files.photos.decoder import Decoder
from fashret.files.photos.orientation import stored_box, turn_box, upright_size
from fashret.files.photos.outlines import draw_mask
from fashret.files.photos.sources import PhotoSource

if TYPE_CHECKING:
    from fashret.detection.boxed_photos import BoxedPhotos

LEFT = 0.5  # share of a box that a part of the photo must show to be learned from
ROOM = (0.05, 0.75)  # on each side of the box, in parts of its sides, where photos are annotated in part
TRIES = 10  # of drawing a part that shows a box


@dataclass(frozen=True)
class Sample:
    """One picture and its garments."""

    picture: NDArray[np.uint8]  # H×W×3 RGB, upright
    boxes: NDArray[np.float32]  # N×4 in pixels of the picture
    labels: NDArray[np.int64]  # N
    row: NDArray[np.int64]  # N, of the manifest
    window: tuple[float, float, float, float]  # the part of the upright photo that the picture shows
    mirrored: bool
    masks: NDArray[np.uint8] | None = None  # N×H×W, 1 where the garment is


@dataclass(frozen=True)
class Batch:
    """The examples that this process takes of one batch."""

    samples: Sequence[Sample]
    epoch: int
    number: int  # within the epoch
    last: bool  # of the epoch
    photos: int  # of all processes


@dataclass(frozen=True)
class Drawing:
    """How examples are drawn."""

    longest: int  # side of a picture in pixels
    flip: float = 0.0  # chance of mirroring
    zoom: float = 1.0  # smallest share of a photo's sides that is shown
    in_part: bool = False  # one garment of many has a box


def read_picture(photos: BoxedPhotos, photo: int, source: PhotoSource, longest: int, decoder: Decoder) -> NDArray[Any]:
    """A whole photo, upright, its longer side at most `longest`. Raises PhotoError."""
    picture = cut_crops(source.read(photos.source[photo]), [None], longest, decoder)[0]
    if isinstance(picture, PhotoError):
        raise picture
    return picture


def draw_sample(
    photos: BoxedPhotos,
    photo: int,
    source: PhotoSource,
    drawing: Drawing,
    random: np.random.Generator,
    decoder: Decoder,
) -> Sample:
    """One example of a photo.

    Raises
    ------
    PhotoError
        If the photo cannot be read or decoded.
    """
    mine = photos.boxes_of(photo)
    sound = ~photos.crowd[mine]
    boxes, labels, rows = photos.box[mine][sound], photos.label[mine][sound], photos.row[mine][sound]
    width, height = (int(side) for side in photos.size[photo])
    orientation = int(photos.orientation[photo])
    window = draw_window(boxes, (width, height), drawing, random)
    mirrored = bool(random.random() < drawing.flip)
    as_stored = upright_size((width, height), orientation)  # exchanging sides undoes itself
    cut = clamp(np.array(stored_box(window, as_stored, orientation)), *as_stored)
    picture = cut_crops(source.read(photos.source[photo]), [np.array(cut, np.float32)], drawing.longest, decoder)[0]
    if isinstance(picture, PhotoError):
        raise picture
    left, top, right, bottom = turn_box(cut, as_stored, orientation)
    scale = np.array([picture.shape[1] / (right - left), picture.shape[0] / (bottom - top)] * 2, np.float32)
    inside, shown = _inside(boxes, (left, top, right, bottom))
    moved = (inside - np.array([left, top, left, top], np.float32)) * scale
    shown &= (moved[:, 2:] - moved[:, :2] >= 1).all(axis=1)  # a box needs a pixel
    masks = None
    if photos.outline is not None:
        outlines = photos.outline[mine][sound][shown]
        size = picture.shape[1], picture.shape[0]
        drawn = [draw_mask(each, as_stored, orientation, (left, top, right, bottom), size) for each in outlines]
        masks = np.array(drawn, np.uint8).reshape(-1, *picture.shape[:2])
    if mirrored:
        masks = None if masks is None else np.ascontiguousarray(masks[..., ::-1])
        picture = np.ascontiguousarray(picture[:, ::-1])
        moved[:, [0, 2]] = picture.shape[1] - moved[:, [2, 0]]
    return Sample(picture, moved[shown], labels[shown], rows[shown], (left, top, right, bottom), mirrored, masks)


def draw_window(
    boxes: NDArray[np.float32], size: tuple[int, int], drawing: Drawing, random: np.random.Generator
) -> tuple[float, float, float, float]:
    """The part of an upright photo to show: x1 y1 x2 y2 inside of it, with at least one box if there is any."""
    width, height = size
    whole = (0.0, 0.0, float(width), float(height))
    if drawing.in_part and len(boxes):
        x1, y1, x2, y2 = boxes[random.integers(len(boxes))].tolist()
        left, top, right, bottom = random.uniform(*ROOM, 4).tolist()
        across, down = x2 - x1, y2 - y1
        return (
            max(0.0, x1 - left * across),
            max(0.0, y1 - top * down),
            min(width, x2 + right * across),
            min(height, y2 + bottom * down),
        )
    for _ in range(TRIES if drawing.zoom < 1 and len(boxes) else 0):
        w, h = (max(1.0, side * share) for side, share in zip(size, random.uniform(drawing.zoom, 1, 2), strict=True))
        x, y = random.uniform(0, width - w), random.uniform(0, height - h)
        window = (x, y, min(x + w, width), min(y + h, height))
        if _inside(boxes, window)[1].any():
            return window
    return whole


def _inside(
    boxes: NDArray[np.float32], window: tuple[float, float, float, float]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Boxes cut at the edge of a part, and which of them it shows well enough."""
    x1, y1, x2, y2 = window
    cut = np.clip(boxes, [x1, y1, x1, y1], [x2, y2, x2, y2]).astype(np.float32)
    area, whole = ((each[:, 2:] - each[:, :2]).prod(axis=1) for each in (cut, boxes))
    return cut, (area > 0) & (area >= LEFT * whole)
