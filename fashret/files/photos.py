"""From a photo on the disk to a crop in memory.

In: a photo's path and a box in pixels of the photo as stored. Out: the crop as an H×W×3 uint8 RGB array, upright,
its longer side at most `size`.
"""

from __future__ import annotations

import warnings
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from fashret.errors import FashretError

MOST_PIXELS = 200_000_000  # a photo that claims more is refused before it is decoded
EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")

Image.MAX_IMAGE_PIXELS = None  # MOST_PIXELS is checked here, with a message of our own


def photo_path(root: Path, source: str) -> Path:
    """Path of a photo under its root.

    Raises
    ------
    FashretError
        If `source` is absolute or climbs out of the root with "..". The user's own links inside the root are followed.
    """
    parts = PurePosixPath(source.replace("\\\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or (parts.parts and parts.parts[0].endswith(":")):
        raise FashretError(f"photo {source!r}: paths must be relative to the root and stay inside it")
    return root / parts


def read_crop(path: Path, box: NDArray[np.float32] | None, size: int) -> NDArray[np.uint8]:
    """Decode a photo, cut the box out, turn it upright, shrink it.

    Parameters
    ----------
    box
        x1 y1 x2 y2 in pixels of the photo as stored, half-open; None or NaN for the whole photo. What lies outside
        of the photo is clamped away.
    size
        The longer side of the result is at most this many pixels; the aspect is kept, nothing is enlarged.

    Raises
    ------
    FashretError
        If the photo cannot be decoded, is absurdly large, or the box has no area inside of it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as photo:
                return np.asarray(crop_of(photo, box, size))
    except FileNotFoundError:
        raise FashretError("no such photo") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FashretError(f"cannot be decoded ({reason.replace(str(path), path.name)})") from error


def crop_of(photo: Image.Image, box: NDArray[np.float32] | None, size: int) -> Image.Image:
    """Cut, turn upright and shrink an opened photo; see `read_crop`."""
    width, height = photo.size
    if width * height > MOST_PIXELS:
        raise FashretError(f"claims {width} x {height} pixels, more than {MOST_PIXELS:,}")
    if box is None or np.isnan(box).any():
        x1, y1, x2, y2 = 0, 0, width, height
    else:
        x1, y1, x2, y2 = clamp(box, width, height)
    scale = size / max(x2 - x1, y2 - y1)
    if scale < 0.5 and photo.format == "JPEG":  # decode at 1/2, 1/4 or 1/8 where that still holds two pixels for one
        photo.draft("RGB", (int(width * scale * 2) + 1, int(height * scale * 2) + 1))
    sx, sy = photo.size[0] / width, photo.size[1] / height
    cut = tuple(round(v) for v in (x1 * sx, y1 * sy, x2 * sx, y2 * sy))
    cut = (cut[0], cut[1], max(cut[2], cut[0] + 1), max(cut[3], cut[1] + 1))
    exif = photo.getexif()
    crop = upright_rgb(photo, exif).crop(cut) if cut != (0, 0, *photo.size) else upright_rgb(photo, exif)
    target = (max(1, round((x2 - x1) * scale)), max(1, round((y2 - y1) * scale)))
    if scale < 1:
        crop = crop.resize(target, Image.Resampling.LANCZOS)
    crop.getexif().update({0x0112: exif.get(0x0112, 1)})
    return ImageOps.exif_transpose(crop)


def upright_rgb(photo: Image.Image, exif: Image.Exif) -> Image.Image:
    """The pixels as RGB; what is transparent becomes white."""
    if photo.mode in ("RGBA", "LA", "PA") or "transparency" in photo.info:
        clear = photo.convert("RGBA")
        white = Image.new("RGBA", clear.size, "white")
        return Image.alpha_composite(white, clear).convert("RGB")
    return photo.convert("RGB")


def clamp(box: NDArray[np.float32], width: int, height: int) -> tuple[int, int, int, int]:
    """Box in whole pixels inside the photo.

    >>> clamp(np.array([-3, 2.4, 50, 9.6]), 40, 20)
    (0, 2, 40, 10)

    Raises
    ------
    FashretError
        If nothing of it lies inside.
    """
    x1, y1, x2, y2 = (float(v) for v in box)
    left, top = max(0, round(x1)), max(0, round(y1))
    right, bottom = min(width, round(x2)), min(height, round(y2))
    if left >= right or top >= bottom:
        raise FashretError(f"box {x1:g},{y1:g},{x2:g},{y2:g} has no area inside the photo of {width} x {height}")
    return left, top, right, bottom
