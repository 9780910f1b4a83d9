"""From a photo on the disk to crops in memory.

In: an encoded photo and boxes in pixels of the photo as stored. Out: each crop as an H×W×3 uint8 RGB array, upright,
its longer side at most `size`; or a `PhotoError` that says why not. A photo is decoded once for all its boxes.

A large JPEG is decoded at 1/2, 1/4 or 1/8 where that still holds more pixels than the crop (`reduction`); the rest is
done by a bicubic filter with antialiasing, like Pillow's. EXIF orientation is applied after cutting, because boxes
are in pixels as stored.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fashret.files import jpeg
from fashret.files.columns import Rows
from fashret.files.photo_kinds import prepare_to_decode
from fashret.files.photo_sources import PhotoError, file_bytes

MOST_PIXELS = 200_000_000  # a photo that claims more is refused before it is decoded
ORIENTATION = 0x0112  # EXIF tag
JPEGS = ("JPEG", "MPO")  # MPO: what phones write, a JPEG followed by further pictures
REDUCTIONS = (8, 4, 2)  # what the JPEG decoder can divide both sides by

WHOLE = (math.nan,) * 4  # the box of a whole photo

Image.MAX_IMAGE_PIXELS = None  # MOST_PIXELS is checked here, as an error of the photo instead of a warning

Pixels = NDArray[np.uint8]
Box = tuple[int, int, int, int]


def read_crop(path: Path, box: NDArray[np.float32] | None, size: int) -> Pixels:
    """Decode a photo, cut the box out, turn it upright, shrink it.

    Parameters
    ----------
    box
        x1 y1 x2 y2 in pixels of the photo as stored, half-open; None or NaN for the whole photo. What is outside the
        photo is cut off.
    size
        The longer side of the result is at most this many pixels; the aspect is kept, nothing is enlarged.

    Raises
    ------
    PhotoError
        If the photo is missing, cannot be decoded, is absurdly large, or the box has no area inside it.
    """
    crop = read_crops(path, [box], size)[0]
    if isinstance(crop, PhotoError):
        raise crop
    return crop


def read_crops(path: Path, boxes: Sequence[NDArray[np.float32] | None], size: int) -> list[Pixels | PhotoError]:
    """Cut several boxes out of one photo, decoded once; see `read_crop`. What fails is returned, not raised."""
    try:
        return cut_crops(file_bytes(path), boxes, size)
    except PhotoError as error:
        return [error] * len(boxes)


def cut_crops(data: bytes, boxes: Sequence[NDArray[np.float32] | None], size: int) -> list[Pixels | PhotoError]:
    """Cut several boxes out of one encoded photo; see `read_crops`."""
    try:
        prepare_to_decode(data)
        plain = jpeg.plain_size(data)  # most photos: Pillow need not look at them, which saves a tenth of the time
        if plain is not None:
            crops = _cut_all(plain, True, boxes, size, lambda divisor: jpeg.decode(data, plain, divisor))
            if crops is not None:
                return crops
        with Image.open(io.BytesIO(data)) as photo:
            turn, is_jpeg = _orientation(photo), photo.format in JPEGS
            crops = _cut_all(photo.size, is_jpeg, boxes, size, lambda divisor: _decode(photo, data, divisor)) or []
            return [crop if isinstance(crop, PhotoError) else _upright(crop, turn) for crop in crops]
    except PhotoError as error:
        return [error] * len(boxes)
    except Exception as error:  # Pillow's readers raise almost anything on bytes they do not expect
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if "cannot identify image file" in reason:
            reason = "not an image of a known format" if data else "empty file"
        return [PhotoError(f"cannot be decoded ({reason})")] * len(boxes)


def _cut_all(
    stored: tuple[int, int],
    is_jpeg: bool,
    boxes: Sequence[NDArray[np.float32] | None],
    size: int,
    decode: Callable[[int], Pixels | None],
) -> list[Pixels | PhotoError] | None:
    """Cut and shrink, as stored; None if `decode`, which is given the divisor, gives none."""
    width, height = stored
    if width * height > MOST_PIXELS:
        raise PhotoError(f"claims {width} x {height} pixels, more than {MOST_PIXELS:,}")
    inside = [_clamp_or_error(box, width, height) for box in boxes]
    sound = [box for box in inside if not isinstance(box, PhotoError)]
    if not sound:
        return [box for box in inside if isinstance(box, PhotoError)]
    divisor = reduction(min(map(_longer, sound)), size) if is_jpeg else 1
    pixels = decode(divisor)
    if pixels is None:
        return None
    return [box if isinstance(box, PhotoError) else shrink(pixels, box, divisor, size) for box in inside]


def reduction(longer: int, size: int) -> int:
    """Largest divisor of the JPEG decoder that leaves a side of `longer` pixels no shorter than `size`.

    >>> reduction(639, 320), reduction(640, 320), reduction(5000, 320)
    (1, 2, 8)
    """
    return next((n for n in REDUCTIONS if longer >= size * n), 1)


def _decode(photo: Image.Image, data: bytes, divisor: int) -> Pixels:
    """The pixels at 1/divisor of the stored size, sides rounded up; H×W×3 uint8."""
    pixels = jpeg.decode(data, photo.size, divisor) if photo.format in JPEGS and photo.mode == "RGB" else None
    if pixels is not None:
        return pixels
    width, height = photo.size
    if divisor > 1:
        photo.draft(None, (width // divisor, height // divisor))
    pixels = np.array(_rgb(photo))  # a copy: torch does not take what cannot be written
    if pixels.shape[:2] != (-(-height // divisor), -(-width // divisor)):
        raise PhotoError(f"cannot be decoded (gave {pixels.shape[1]} x {pixels.shape[0]} of {width} x {height} pixels)")
    return pixels


def _rgb(photo: Image.Image) -> Image.Image:
    """The pixels as RGB; what is transparent becomes white."""
    if photo.mode in ("RGBA", "LA", "PA") or "transparency" in photo.info:
        clear = photo.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    if photo.mode.startswith(("I", "F")):  # Pillow would clip 16 bits and more a pixel instead of scaling them
        wide = np.asarray(photo, np.float64)
        top = max(wide.max(), 0)
        scale = 1 if top <= 255 else 1 / 257 if top <= 65_535 else 255 / top
        photo = Image.fromarray((wide * scale).clip(0, 255).astype(np.uint8))
    return photo.convert("RGB")


def shrink(pixels: Pixels, box: Box, divisor: int, size: int) -> Pixels:
    """Cut a box out of a photo decoded at 1/divisor, and shrink it to a longer side of at most `size`.

    Parameters
    ----------
    box
        In pixels of the photo as stored, inside of it.

    Returns
    -------
    H×W×3 uint8, contiguous; may share the memory of `pixels`.
    """
    x1, y1, x2, y2 = box
    width, height = target_size(box, size)
    step_x, step_y = (x2 - x1) / divisor / width, (y2 - y1) / divisor / height
    if step_x == step_y == 1:
        return np.ascontiguousarray(pixels[y1:y2, x1:x2])
    left, skip_x = _anchor(x1 / divisor, step_x)
    top, skip_y = _anchor(y1 / divisor, step_y)
    right, bottom = math.ceil(x2 / divisor), math.ceil(y2 / divisor)
    part = pixels[max(top, 0) : bottom, max(left, 0) : right]
    if min(left, top) < 0:
        part = np.pad(part, ((max(-top, 0), 0), (max(-left, 0), 0), (0, 0)), mode="edge")
    shrunk = _resample(part, skip_y + height, skip_x + width, step_y, step_x)
    return np.ascontiguousarray(shrunk[skip_y:, skip_x:])


def target_size(box: Box, size: int) -> tuple[int, int]:
    """Width and height of a crop whose longer side is at most `size`.

    >>> target_size((0, 0, 900, 1200), 320), target_size((10, 10, 110, 60), 320)
    ((240, 320), (100, 50))
    """
    width, height = box[2] - box[0], box[3] - box[1]
    scale = min(1.0, size / max(width, height))
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


def _resample(part: Pixels, height: int, width: int, step_y: float, step_x: float) -> Pixels:
    """Bicubic with antialiasing: output pixel i is centred on (i + 0.5)·step. As Pillow's, but vectorised."""
    import torch

    # the function behind torch.nn.functional.interpolate, which takes either the output's size or the steps; and which
    # gives the channels of its result apart, so that they have to be put together again
    shrunk = torch.empty((1, 3, height, width), dtype=torch.uint8, memory_format=torch.channels_last)
    image = torch.from_numpy(np.ascontiguousarray(part)[None]).permute(0, 3, 1, 2)  # 1×3×H×W, channels last
    torch.ops.aten._upsample_bicubic2d_aa.out(image, [height, width], False, 1 / step_y, 1 / step_x, out=shrunk)
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


def _clamp_or_error(box: NDArray[np.float32] | None, width: int, height: int) -> Box | PhotoError:
    try:
        return clamp(box, width, height)
    except PhotoError as error:
        return error


def _longer(box: Box) -> int:
    return max(box[2] - box[0], box[3] - box[1])


def _orientation(photo: Image.Image) -> int:
    """EXIF orientation 1 to 8; 1 where there is none or it cannot be read."""
    try:
        return int(photo.getexif().get(ORIENTATION, 1))
    except Exception:  # damaged EXIF raises almost anything, and is no reason to refuse the pixels
        return 1


def _upright(crop: Pixels, orientation: int) -> Pixels:
    """Undo the camera's orientation."""
    turned = {
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a.transpose(1, 0, 2)[::-1, ::-1],
        8: lambda a: np.rot90(a, 1),
    }
    return np.ascontiguousarray(turned[orientation](crop)) if orientation in turned else crop


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


def photo_size(path: Path) -> tuple[int, int] | None:
    """Width and height of a photo as stored, from its header; None if it cannot be read."""
    try:
        with Image.open(path) as photo:
            return photo.size
    except Exception:  # Pillow's readers raise almost anything on bytes they do not expect
        return None
