"""An encoded picture of any container becomes RGB on white: the one way in for photos, crops and uploads.

In: bytes. Out: a `Picture`, which knows its size and orientation before anything is decoded, and its pixels as H×W×3
uint8. What is transparent becomes white. More than 8 bits and floating point are scaled by what the picture holds.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fashret.errors import PhotoError
from fashret.files.photos import jpeg
from fashret.files.photos.kinds import prepare_to_decode
from fashret.files.photos.orientation import SIDEWAYS, Pixels, turn_back

FORMATS = (  # of still pictures; Pillow would also start other programs, for PostScript
    *("JPEG", "MPO", "PNG", "WEBP", "AVIF", "GIF", "BMP", "DIB", "TIFF", "JPEG2000", "PPM", "TGA", "ICO", "PCX", "SGI"),
    *("QOI", "HEIF"),
)
JPEGS = ("JPEG", "MPO")  # MPO: what phones write, a JPEG followed by further pictures
ORIENTATION = 0x0112  # tag of EXIF and TIFF
DEPTHS = (8, 10, 12, 14, 16)  # bits that cameras and scanners give a colour
OVERSHOOT = 1.5  # floats of 0 to 1 end a little above, where they were resampled
STRIP = 1 << 20  # pixels that are converted at a time

Frame = tuple[tuple[int, int], int]  # size as stored, and the orientation (`fashret.files.photos.orientation`)

Image.MAX_IMAGE_PIXELS = None  # sizes are checked by `fashret.files.photos.cuts`, as an error of the photo


class Picture:
    """An opened picture of which only the size has been read; a context manager.

    Attributes
    ----------
    size
        Width and height as stored.
    reducible
        Whether it can be decoded at 1/2, 1/4 or 1/8 of its size: a JPEG.
    scaled
        How its numbers became 8 bits, once it is decoded; empty = they were.
    """

    def __init__(self, data: bytes) -> None:
        """Raises PhotoError if it is no picture."""
        self._data = data
        self._photo: Image.Image | None = None
        self.scaled = ""
        plain = jpeg.plain_size(data)  # most photos: Pillow need not look at them, which saves a tenth of the time
        if plain is not None:
            self.size, self.reducible = plain, True
            return
        photo = self._opened()
        self.size = _stored_size(photo)
        self.reducible = photo.format in JPEGS

    @cached_property
    def orientation(self) -> int:
        """1 to 8, see `fashret.files.photos.orientation`; read when it is asked for."""
        return 1 if self._photo is None else _orientation(self._photo)

    def _opened(self) -> Image.Image:
        if self._photo is None:
            prepare_to_decode(self._data)
            self._photo = _open(io.BytesIO(self._data))
        return self._photo

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._photo is not None:
            self._photo.close()

    @property
    def progressive(self) -> bool:
        """Whether it is a JPEG that is in memory as a whole while it is decoded, at whatever size."""
        return self.reducible and jpeg.is_progressive(self._data)

    def decode(self, divisor: int = 1) -> Pixels:
        """The pixels as stored, at 1/divisor of the size, sides rounded up; H×W×3 uint8.

        Raises
        ------
        PhotoError
            If it is damaged. Pillow's own errors pass, see `decoding_errors`.
        """
        width, height = self.size
        if self._photo is None or (self.reducible and self._photo.mode == "RGB"):
            pixels = jpeg.decode(self._data, self.size, divisor)
            if pixels is not None:
                return pixels
        photo, orientation = self._opened(), self.orientation  # Pillow forgets that of a TIFF
        if divisor > 1:
            photo.draft(None, (width // divisor, height // divisor))
        pixels = self._rgb(photo)
        if photo.format == "TIFF":  # which Pillow turns by itself
            pixels = turn_back(pixels, orientation)
        if pixels.shape[:2] != (-(-height // divisor), -(-width // divisor)):
            found = f"{pixels.shape[1]} x {pixels.shape[0]}"
            raise PhotoError(f"cannot be decoded (gave {found} of {width} x {height} pixels)")
        return pixels

    def _rgb(self, photo: Image.Image) -> Pixels:
        """The pixels as Pillow has them, as RGB on white."""
        sixteen = any(";16" in str(tile.args) for tile in getattr(photo, "tile", ()))
        photo.load()
        if photo.mode.startswith(("I", "F")):  # Pillow would clip 16 bits and more a pixel instead of scaling them
            pixels, self.scaled = _scaled(np.asarray(photo))
            clear = photo.info.get("transparency")
            if isinstance(clear, int):
                pixels[np.asarray(photo) == clear] = 255
            return pixels
        if sixteen and isinstance(clear := photo.info.get("transparency"), tuple):
            photo.info["transparency"] = tuple(value >> 8 for value in clear)  # like the pixels
        pixels = np.empty((photo.height, photo.width, 3), np.uint8)
        for top, bottom in _strips(photo.height, photo.width):  # so that there are not several copies of all
            pixels[top:bottom] = np.asarray(_on_white(photo.crop((0, top, photo.width, bottom))))
        if sixteen and photo.mode in ("RGB", "L") and 0 < (top := int(pixels.max())) < 64:  # the upper 8 of 16 bits
            bits = next(bits for bits in DEPTHS if top < 1 << (bits - 8))
            pixels <<= 16 - bits
            self.scaled = f"{bits} of 16 bits"
        return pixels


def picture_frame(photo: Path | IO[bytes]) -> Frame | None:
    """Size and orientation of a photo, a file or an open one, from its header; None if it cannot be read."""
    try:
        if isinstance(photo, Path):
            if not photo.is_file():  # opening a pipe would wait for ever
                return None
            with photo.open("rb") as stream, _open(stream) as opened:
                return _frame(opened)
        with _open(photo) as opened:
            return _frame(opened)
    except Exception:  # Pillow's readers raise almost anything on bytes they do not expect
        return None


def picture_size(path: Path) -> tuple[int, int] | None:
    """Width and height of a photo as stored, from its header; None if it cannot be read."""
    frame = picture_frame(path)
    return frame[0] if frame else None


@contextmanager
def decoding_errors(empty: bool = False) -> Iterator[None]:
    """Whatever a decoder raises becomes a PhotoError of one line."""
    try:
        yield
    except PhotoError:
        raise
    except Exception as error:  # Pillow's readers raise almost anything on bytes they do not expect
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if "cannot identify image file" in reason:
            reason = "empty file" if empty else "not an image of a known format"
        raise PhotoError(f"cannot be decoded ({reason})") from None


def _open(stream: IO[bytes]) -> Image.Image:
    return Image.open(stream, formats=_formats())


def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _frame(photo: Image.Image) -> Frame:
    return _stored_size(photo), _orientation(photo)


def _stored_size(photo: Image.Image) -> tuple[int, int]:
    """Width and height of an opened photo that is not decoded yet; of a TIFF Pillow gives those after turning."""
    return photo.size[::-1] if photo.format == "TIFF" and _orientation(photo) in SIDEWAYS else photo.size


def _orientation(photo: Image.Image) -> int:
    """1 to 8; 1 where there is none or it cannot be read."""
    try:
        if photo.format == "PNG":
            photo.info.setdefault(
                "exif", _exif_of_png(getattr(photo, "fp", None))
            )  # Pillow would decode all pixels to find it
        number = int(photo.getexif().get(ORIENTATION, 1))
    except Exception:  # damaged EXIF raises almost anything, and is no reason to refuse the pixels
        return 1
    return number if 1 <= number <= 8 else 1


def _exif_of_png(stream: IO[bytes] | None) -> bytes | None:
    """The chunk eXIf, which may be after the pixels."""
    if stream is None:
        return None
    position = stream.tell()
    try:
        stream.seek(8)
        while len(head := stream.read(8)) == 8:
            length = int.from_bytes(head[:4], "big")
            if head[4:] == b"eXIf":
                return stream.read(length)
            stream.seek(length + 4, io.SEEK_CUR)
        return None
    finally:
        stream.seek(position)


def _on_white(photo: Image.Image) -> Image.Image:
    """A picture of 8 bits as RGB; what is transparent becomes white."""
    if photo.mode not in ("RGBA", "LA", "PA", "RGBa", "La") and "transparency" not in photo.info:
        return photo if photo.mode == "RGB" else photo.convert("RGB")
    clear = photo if photo.mode == "RGBA" else photo.convert("RGBA")
    white = Image.new("RGB", clear.size, "white")
    white.paste(clear, mask=clear.getchannel("A"))
    return white


def _scaled(wide: NDArray[Any]) -> tuple[Pixels, str]:
    """Numbers of one colour, H×W, as RGB, and how they became 8 bits; what is no number becomes 0.

    A picture of 12 bits is often stored in 16, and one of floats from 0 to 1, to 255, or to 65,535: the smallest of
    these that holds the largest number is taken. Beyond, and where floats are negative, it is the picture's own range.
    """
    real = wide.dtype.kind == "f"
    low, high = _range(wide)
    top = 1.0 if real and high <= OVERSHOOT else next((float((1 << d) - 1) for d in DEPTHS if high < 1 << d), high)
    bottom = 0.0
    if (real and low < 0) or top == high > 65_535:
        bottom, top, name = low, high, f"{low:.6g} to {high:.6g}"
    elif real:
        name = f"floats of 0 to {top:.0f}"
    else:
        name = "16 bits" if top == 65_535 else f"{round(math.log2(top + 1))} of 16 bits"
    scale = 255 / (top - bottom) if top > bottom else 1.0
    grey = np.empty(wide.shape, np.uint8)
    for start, stop in _strips(*wide.shape):
        part = np.nan_to_num(wide[start:stop].astype(np.float64), nan=bottom, posinf=top, neginf=bottom)
        grey[start:stop] = np.rint((part - bottom) * scale).clip(0, 255)
    return np.repeat(grey[:, :, None], 3, axis=2), name


def _range(wide: NDArray[Any]) -> tuple[float, float]:
    """The smallest and largest finite number; 0 and 0 if there is none."""
    low, high = math.inf, -math.inf
    for start, stop in _strips(*wide.shape):
        finite = wide[start:stop][np.isfinite(wide[start:stop])]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return (low, high) if low <= high else (0.0, 0.0)


def _strips(height: int, width: int) -> Iterator[tuple[int, int]]:
    """First and last row + 1 of strips of about `STRIP` pixels."""
    rows = max(1, STRIP // max(1, width))
    return ((top, min(top + rows, height)) for top in range(0, height, rows))
