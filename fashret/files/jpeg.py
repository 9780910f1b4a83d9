"""JPEG bytes to pixels and back, with simplejpeg where it is installed (the extra `fast`), otherwise with Pillow.

In: encoded bytes, or an H×W×3 uint8 RGB array. Out: the other one. Both ways stand on libjpeg-turbo; simplejpeg saves
the copies between Pillow's images and arrays.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

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


def decode(data: bytes, photo: Image.Image, reduction: int) -> NDArray[np.uint8] | None:
    """Decode at 1/reduction of the stored size (1, 2, 4 or 8), reading only the DCT coefficients this needs.

    Parameters
    ----------
    data
        The whole file.
    photo
        The same, opened by Pillow and not yet loaded.

    Returns
    -------
    A ceil(H/reduction)×ceil(W/reduction)×3 uint8 RGB array, or None where Pillow should decide: without simplejpeg, for
    other than plain colour JPEGs, and for damaged ones, so that both judge alike what is readable.
    """
    if simplejpeg is None or photo.format != "JPEG" or photo.mode != "RGB":
        return None
    width, height = photo.size
    size = -(-height // reduction), -(-width // reduction)
    try:
        pixels = simplejpeg.decode_jpeg(data, min_height=size[0], min_width=size[1], min_factor=reduction)
    except ValueError:
        return None
    return pixels if pixels.shape[:2] == size else None
