"""From a photo on the disk to crops in memory.

In: an encoded photo and boxes in pixels of the photo as stored, or upright. Out: each crop as an H×W×3 uint8 RGB array,
upright, its longer side at most `size`; or a `PhotoError` that says why not. A photo is decoded once for all its boxes.

A large JPEG is decoded at 1/2, 1/4 or 1/8 where that still holds more pixels than the crop (`reduction`); the rest is
done by a bicubic filter with antialiasing, like Pillow's. Crops are turned upright after cutting.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashret.errors import PhotoError
from fashret.files.columns import Rows
from fashret.files.photos.decoder import Decoder
from fashret.files.photos.orientation import SIDEWAYS, Pixels, stored_box, turn
from fashret.files.photos.picture import Picture, decoding_errors
from fashret.files.photos.sources import file_bytes

REDUCTIONS = (8, 4, 2)  # what the JPEG decoder can divide both sides by

WHOLE = (math.nan,) * 4  # the box of a whole photo

Box = tuple[int, int, int, int]
GivenBox = NDArray[np.float32] | None


def read_crop(path: Path, box: GivenBox, size: int, upright: bool = False, decoder: Decoder | None = None) -> Pixels:
    """Decode a photo, cut the box out, turn it upright, shrink it.

    Parameters
    ----------
    box
        x1 y1 x2 y2, half-open; None or NaN for the whole photo. What is outside the photo is cut off.
    size
        The longer side of the result is at most this many pixels; the aspect is kept, nothing is enlarged. 0: the
        box's own pixels.
    upright
        Whether the box is in pixels of the upright photo, as people see it, and not of the photo as stored.

    Raises
    ------
    PhotoError
        If the photo is missing, cannot be decoded, is absurdly large, or the box has no area inside it.
    """
    crop = _cut(file_bytes(path), [box], size, decoder or Decoder(), upright)[0]
    if isinstance(crop, PhotoError):
        raise crop
    return crop


def cut_crops(
    data: bytes, boxes: Sequence[GivenBox], size: int, decoder: Decoder | None = None, upright: bool = False
) -> list[Pixels | PhotoError]:
    """Cut several boxes out of one photo, decoded once; what fails is returned, not raised.

    Boxes are in pixels as stored, or, if `upright`, of the upright photo.
    """
    try:
        return _cut(data, boxes, size, decoder or Decoder(), upright)
    except PhotoError as error:
        return [error] * len(boxes)


def _cut(
    data: bytes, boxes: Sequence[GivenBox], size: int, decoder: Decoder, upright: bool
) -> list[Pixels | PhotoError]:
    """Cut, shrink and turn. Raises PhotoError where the photo is at fault, and returns it where the box is."""
    with decoding_errors(empty=not data), Picture(data) as picture:
        decoder.check(picture, REDUCTIONS[0] if picture.reducible else 1)
        inside = [_placed(box, picture, size, decoder, upright) for box in boxes]
        sound = [box for box in inside if not isinstance(box, PhotoError)]
        if not sound:
            return [box for box in inside if isinstance(box, PhotoError)]
        divisor = min(_divisor(box, picture, size) for box in sound)
        pixels, orientation = decoder.decode(picture, divisor), picture.orientation
        sideways = orientation in SIDEWAYS

        def crop(box: Box) -> Pixels:
            return np.ascontiguousarray(turn(shrink(pixels, box, divisor, size, sideways), orientation))

        return [box if isinstance(box, PhotoError) else crop(box) for box in inside]


def _placed(box: GivenBox, picture: Picture, size: int, decoder: Decoder, upright: bool) -> Box | PhotoError:
    """Whole pixels of the photo as stored; the error of a box without area, or one that needs too many pixels."""
    try:
        if box is not None and upright:
            box = np.array(stored_box(box.tolist(), picture.size, picture.orientation), np.float32)
        placed = clamp(box, *picture.size)
        decoder.check(picture, _divisor(placed, picture, size))
        return placed
    except PhotoError as error:
        return error


def _divisor(box: Box, picture: Picture, size: int) -> int:
    return reduction(max(box[2] - box[0], box[3] - box[1]), size) if picture.reducible else 1


def reduction(longer: int, size: int) -> int:
    """Largest divisor of the JPEG decoder that leaves a side of `longer` pixels no shorter than `size`; 0: as it is.

    >>> reduction(639, 320), reduction(640, 320), reduction(5000, 320), reduction(5000, 0)
    (1, 2, 8, 1)
    """
    return next((n for n in REDUCTIONS if longer >= size * n), 1) if size else 1


def shrink(pixels: Pixels, box: Box, divisor: int, size: int, sideways: bool = False) -> Pixels:
    """Cut a box out of a photo decoded at 1/divisor, and shrink it to a longer side of at most `size`.

    Parameters
    ----------
    box
        In pixels of the photo as stored, inside of it.
    sideways
        Whether the result will be turned so that width and height are exchanged: then it is filtered down before it is
        filtered across, as that crop of the upright photo would be. Between the two, values are rounded.

    Returns
    -------
    H×W×3 uint8, contiguous; may share the memory of `pixels`.
    """
    x1, y1, x2, y2 = box
    width, height = target_size(box, size)
    step_x, step_y = (x2 - x1) / divisor / width, (y2 - y1) / divisor / height
    if step_x == step_y == 1 and x1 % divisor == y1 % divisor == 0:
        left, top = x1 // divisor, y1 // divisor
        return np.ascontiguousarray(pixels[top : top + height, left : left + width])
    left, skip_x = _anchor(x1 / divisor, step_x)
    top, skip_y = _anchor(y1 / divisor, step_y)
    right, bottom = math.ceil(x2 / divisor), math.ceil(y2 / divisor)
    part = pixels[max(top, 0) : bottom, max(left, 0) : right]
    if min(left, top) < 0:
        part = np.pad(part, ((max(-top, 0), 0), (max(-left, 0), 0), (0, 0)), mode="edge")
    shape, steps = (skip_y + height, skip_x + width), (step_y, step_x)
    if sideways:
        shrunk = _resample(_resample(part, (shape[0], part.shape[1]), (step_y, 1)), shape, (1, step_x))
    else:
        shrunk = _resample(part, shape, steps)
    return np.ascontiguousarray(shrunk[skip_y:, skip_x:])


def target_size(box: Box, size: int) -> tuple[int, int]:
    """Width and height of a crop whose longer side is at most `size`; 0: those of the box.

    >>> target_size((0, 0, 900, 1200), 320), target_size((10, 10, 110, 60), 320), target_size((0, 0, 900, 1200), 0)
    ((240, 320), (100, 50), (900, 1200))
    """
    width, height = box[2] - box[0], box[3] - box[1]
    scale = min(1.0, (size or math.inf) / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _anchor(edge: float, step: float) -> tuple[int, int]:
    """Where to begin so that the resampling grid meets the box's edge: (first pixel, output pixels to skip).

    The filter begins at whole pixels, but in a photo decoded at 1/divisor the edge may lie between two. Beginning n
    output pixels earlier moves the start by n·step; the n that brings it nearest to a whole pixel is taken.
    """
    if edge == round(edge):
        return round(edge), 0
    distance, skip = min((round(abs(edge - n * step - round(edge - n * step)), 3), n) for n in range(16))
    return round(edge - skip * step), skip


def _resample(part: Pixels, shape: tuple[int, int], steps: tuple[float, float]) -> Pixels:
    """Bicubic with antialiasing, across and then down: output pixel i is centred on (i + 0.5)·step.

    As Pillow's, but vectorised. `shape`: height and width of the result.
    """
    import torch

    # the function behind torch.nn.functional.interpolate, which takes either the output's size or the steps; and which
    # gives the channels of its result apart, so that they have to be put together again
    shrunk = torch.empty((1, 3, *shape), dtype=torch.uint8, memory_format=torch.channels_last)
    image = torch.from_numpy(np.ascontiguousarray(part)[None]).permute(0, 3, 1, 2)  # 1×3×H×W, channels last
    torch.ops.aten._upsample_bicubic2d_aa.out(image, list(shape), False, 1 / steps[0], 1 / steps[1], out=shrunk)
    return shrunk[0].permute(1, 2, 0).numpy()


def clamp(box: NDArray[np.float32] | None, width: int, height: int) -> Box:
    """Box in whole pixels inside the photo.

    >>> clamp(np.array([-3, 2.4, 50, 9.6]), 40, 20)
    (0, 2, 40, 10)

    Raises
    ------
    PhotoError
        If it does not overlap the photo.
    """
    x1, y1, x2, y2 = WHOLE if box is None else box.tolist()  # Python's numbers: numpy's are slow one by one
    numbers = sum(map(math.isfinite, (x1, y1, x2, y2)))
    if numbers == 0 and x1 != x1:  # all NaN
        return 0, 0, width, height
    if numbers < 4:
        raise PhotoError(f"box {x1:g},{y1:g},{x2:g},{y2:g} is not four numbers")
    left, top, right, bottom = max(0, round(x1)), max(0, round(y1)), min(width, round(x2)), min(height, round(y2))
    if left >= right or top >= bottom:
        raise PhotoError(f"box {x1:g},{y1:g},{x2:g},{y2:g} has no area inside the photo of {width} x {height}")
    return left, top, right, bottom


def same_photo(rows: Rows, order: Iterable[int]) -> Iterator[list[int]]:
    """Split positions into runs that share a photo.

    >>> rows = type("", (), {"source": ["a", "a", "b", "a"]})
    >>> list(same_photo(rows, range(4)))
    [[0, 1], [2], [3]]
    """
    run: list[int] = []
    for i in order:
        if run and rows.source[i] != rows.source[run[0]]:
            yield run
            run = []
        run.append(int(i))
    if run:
        yield run


def by_photo(rows: Rows) -> NDArray[np.int64]:
    """Order of rows in which those of one photo follow each other, photos in the order of their first row."""
    first: dict[str, int] = {}
    rank = np.fromiter((first.setdefault(s, i) for i, s in enumerate(rows.source)), np.int64, len(rows))
    return np.argsort(rank, kind="stable")
