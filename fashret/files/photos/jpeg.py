"""JPEG bytes to pixels and back, with simplejpeg where it is installed (the extra `fast`), otherwise with Pillow.

In: encoded bytes, or an H×W×3 uint8 RGB array. Out: the other one. Both use libjpeg-turbo; simplejpeg saves the
copies between Pillow's images and arrays.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers that begin a frame; the others define tables
PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}

try:
    import simplejpeg
except ImportError:
    simplejpeg = None


def encode(image: NDArray[np.uint8], quality: int) -> bytes:
    """Encode an H×W×3 uint8 RGB array as a baseline JPEG with 4:2:0 chroma, as Pillow does by default."""
    if simplejpeg is not None:
        return simplejpeg.encode_jpeg(np.ascontiguousarray(image), quality, colorsubsampling="420")
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def plain_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a plain colour JPEG without using Pillow; None if Pillow has to look.

    Plain means that `decode` accepts it and it need not be rotated: YCbCr, no metadata that could hold an orientation.
    """
    if simplejpeg is None or data[:2] != b"\xff\xd8" or b"Exif\0" in data or b"Orientation" in data:
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    return (width, height) if colours == "YCbCr" else None


def is_progressive(data: bytes) -> bool:
    """Whether the first picture of a JPEG comes in several passes, so that all of it is in memory before the last."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker in FRAMES:
            return marker in PROGRESSIVE
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return False


def decode(data: bytes, size: tuple[int, int], divisor: int) -> NDArray[np.uint8] | None:
    """Decode a colour JPEG at 1/divisor of its size (1, 2, 4 or 8), reading only the DCT coefficients this needs.

    Parameters
    ----------
    data, size
        The whole file; its width and height.

    Returns
    -------
    A ceil(H/divisor)×ceil(W/divisor)×3 uint8 RGB array; None without simplejpeg and for damaged files, so that Pillow
    alone decides what is readable.
    """
    if simplejpeg is None:
        return None
    height, width = -(-size[1] // divisor), -(-size[0] // divisor)
    try:
        pixels = simplejpeg.decode_jpeg(data, min_height=height, min_width=width, min_factor=divisor)
    except ValueError:
        return None
    return pixels if pixels.shape[:2] == (height, width) else None
