"""From photos, on the disk or in memory, to vectors.

In: paths of photos, or their pixels; perhaps the garment's box in each. Out: crops, cut as `fashret crop` cuts them,
and their vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashret.console import counted
from fashret.errors import FashretError
from fashret.files.photos.box_frames import refuse_fractions
from fashret.files.photos.cuts import clamp, read_crop, shrink
from fashret.files.photos.decoder import Decoder, warn_of_scaled
from fashret.files.photos.workers import aside
from fashret.models.embedder import Embedder
from fashret.options import EmbedOptions

Photo = Path | str | NDArray[np.uint8]  # a file, or H×W×3 uint8 RGB
Box = Sequence[float] | NDArray[np.floating] | None  # x1, y1, x2, y2 in pixels of the upright photo; None: all of it


def listed(photos: Photo | Sequence[Photo]) -> Sequence[Photo]:
    """Several photos as they are, one photo as a list of one.

    >>> listed("a.jpg"), listed(["a.jpg", "b.jpg"])
    (['a.jpg'], ['a.jpg', 'b.jpg'])
    """
    if isinstance(photos, str | Path) or (isinstance(photos, np.ndarray) and photos.ndim == 3):
        return [photos]
    return photos  # type: ignore[return-value]


def crop_photo(photo: Photo, box: Box, size: int, max_pixels: str = EmbedOptions.max_pixels) -> NDArray[np.uint8]:
    """Cut the box out of a photo and shrink it to a longer side of at most `size` pixels: H×W×3 uint8.

    Parameters
    ----------
    max_pixels
        A photo that decodes to more is refused.

    Raises
    ------
    FashretError
        If the photo cannot be read or is not an RGB picture, or the box has no area inside it.
    """
    try:
        corners = None if box is None else np.asarray(box, np.float32).reshape(4)
    except (TypeError, ValueError):
        raise FashretError(f"box {box}: give x1, y1, x2, y2 in pixels") from None
    if corners is not None and np.isfinite(corners).all():
        refuse_fractions(corners[None], f"box {box}")
    name = str(photo) if isinstance(photo, str | Path) else "a photo in memory"
    try:
        if isinstance(photo, str | Path):
            decoder = Decoder(max_pixels)
            crop = aside(read_crop, Path(photo), corners, size, upright=True, decoder=decoder)
            warn_of_scaled(decoder.scaled, name)
            return crop
        pixels = np.asarray(photo)
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
            raise FashretError(f"should be H×W×3 uint8, RGB, and is {pixels.dtype} of shape {pixels.shape}")
        return shrink(pixels, clamp(corners, pixels.shape[1], pixels.shape[0]), 1, size)
    except FashretError as error:
        raise FashretError(f"{name}: {error}") from error


def embed_photos(
    embedder: Embedder, photos: Sequence[Photo], boxes: Sequence[Box] | None = None, size: int = EmbedOptions.size
) -> NDArray[np.float32]:
    """N photos → N×D float32, each row of length 1.

    Parameters
    ----------
    boxes
        One per photo; None: whole photos.
    size
        Longer side of a crop in pixels.

    Raises
    ------
    FashretError
        As `crop_photo`, and if there are not as many boxes as photos.
    """
    boxes = [None] * len(photos) if boxes is None else boxes
    if len(boxes) != len(photos):
        raise FashretError(
            f"{counted(len(photos), 'photo')} and {counted(len(boxes), 'box', 'boxes')}: "
            "give one box per photo, None for a whole one"
        )
    vectors = [embedder.embed([])]
    for start in range(0, len(photos), EmbedOptions.batch_size):
        part = slice(start, start + EmbedOptions.batch_size)
        crops = [crop_photo(photo, box, size) for photo, box in zip(photos[part], boxes[part], strict=True)]
        vectors.append(embedder.embed(crops))
    return np.concatenate(vectors)
