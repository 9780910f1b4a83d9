"""From a crop to the network's input: the same for validation, `embed` and the search of a single photo.

In: RGB uint8 crops of any size. Out: `fit_image` makes one H×W×3 uint8 array (in worker processes; a quarter of the
bytes to send), `normalise` turns a batch of them into the B×3×H×W float32 tensor that the network takes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from fashret.console import log
from fashret.errors import FashretError
from fashret.models.settings import ModelSettings

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def warn_of_small_crops(size: int, settings: ModelSettings, boxes: NDArray[np.float32] | None = None) -> None:
    """Warn of crops that lost pixels which the input would have shown.

    Parameters
    ----------
    size
        The longer side that crops were shrunk to; 0: they keep their pixels, or it is not known.
    boxes
        N×4 that the crops were cut by, NaN where it is not known how large the photo is: then their shorter sides count
        as well. None: only the longer ones.
    """
    height, width = settings.height, settings.width
    if 0 < size < max(height, width):
        log.warning(
            "the crops are %d pixels long, the input of %s is %dx%d: make them with `fashret crop --size %d`, or 0",
            *(size, settings.backbone, height, width, max(height, width)),
        )
    elif size and boxes is not None and (count := _shrunk(boxes, size, (height, width))):
        log.warning(
            "%d of %d crops were shrunk below the %dx%d of %s: make them with `fashret crop --size 0`",
            *(count, len(boxes), height, width, settings.backbone),
        )


def _shrunk(boxes: NDArray[np.float32], size: int, wanted: tuple[int, int]) -> int:
    """How many boxes became smaller than the height and width that are wanted, because they were shrunk."""
    sides = np.stack([boxes[:, 3] - boxes[:, 1], boxes[:, 2] - boxes[:, 0]], axis=1)
    scale = size / np.maximum(sides.max(axis=1), 1)  # NaN, and so neither below nor above
    return int(((scale < 1) & (sides * scale[:, None] < wanted).any(axis=1)).sum())


def fit_image(image: NDArray[np.uint8], settings: ModelSettings) -> NDArray[np.uint8]:
    """Bring one crop to the input size.

    Parameters
    ----------
    image
        h×w×3 uint8, RGB.
    settings
        `fit="stretch"` resizes to height × width; `fit="pad"` shrinks keeping the aspect, never enlarges, and puts
        the result centred on white; `fit="crop"` resizes keeping the aspect until both sides are filled, and takes the
        middle, rounded as torchvision rounds; `fit="crop-floor"` as the transformers library does.

    Returns
    -------
    height×width×3 uint8.

    Raises
    ------
    FashretError
        If the array is not an RGB image.

    >>> black = np.zeros((2, 4, 3), np.uint8)
    >>> fit_image(black, ModelSettings(height=4, width=4, fit="pad"))[:, 0, 0]
    array([255,   0,   0, 255], dtype=uint8)
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise FashretError(f"a crop must be h×w×3 uint8, not {'×'.join(map(str, image.shape))} {image.dtype}")
    height, width = settings.height, settings.width
    if settings.fit == "stretch":
        return _resize(image, height, width, settings.resample)
    if settings.fit.startswith("crop"):
        return _filled(image, settings)
    scale = min(1.0, height / image.shape[0], width / image.shape[1])
    shrunk = _resize(
        image, max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale)), settings.resample
    )
    top, left = (height - shrunk.shape[0]) // 2, (width - shrunk.shape[1]) // 2
    fitted = np.full((height, width, 3), 255, np.uint8)
    fitted[top : top + shrunk.shape[0], left : left + shrunk.shape[1]] = shrunk
    return fitted


def _filled(image: NDArray[np.uint8], settings: ModelSettings) -> NDArray[np.uint8]:
    """The middle of an image whose shorter side was resized to the input's; sizes are rounded as torchvision's are."""
    height, width = settings.height, settings.width
    (rows, columns), square = image.shape[:2], height == width
    if square:
        rows, columns = (height * rows // columns, width) if rows >= columns else (height, width * columns // rows)
    else:
        scale = max(height / rows, width / columns)
        rows, columns = max(height, round(rows * scale)), max(width, round(columns * scale))
    resized = _resize(image, rows, columns, settings.resample)
    half = (lambda n: n // 2) if settings.fit == "crop-floor" else (lambda n: round(n / 2))
    top, left = half(rows - height), half(columns - width)
    return np.ascontiguousarray(resized[top : top + height, left : left + width])


def _resize(image: NDArray[np.uint8], height: int, width: int, resample: str) -> NDArray[np.uint8]:
    if image.shape[:2] == (height, width):
        return image
    # over the source area (antialiased), as in the published codes
    return np.asarray(Image.fromarray(image).resize((width, height), FILTERS[resample]))


def normalise(images: NDArray[np.uint8] | torch.Tensor, settings: ModelSettings) -> torch.Tensor:
    """(value / 255 − mean) / std, channels first.

    Parameters
    ----------
    images
        B×H×W×3 or H×W×3 uint8, RGB; a tensor stays on its device.

    Returns
    -------
    B×3×H×W or 3×H×W float32.

    >>> normalise(np.full((1, 1, 3), 255, np.uint8), ModelSettings(mean=(0.5,) * 3, std=(0.25,) * 3)).flatten()
    tensor([2., 2., 2.])
    """
    pixels = torch.as_tensor(np.require(images, requirements=["C", "W"]) if isinstance(images, np.ndarray) else images)
    pixels = pixels.movedim(-1, -3)  # ..., 3, H, W
    mean = torch.tensor(settings.mean, device=pixels.device).view(3, 1, 1)
    std = torch.tensor(settings.std, device=pixels.device).view(3, 1, 1)
    return ((pixels.to(torch.float32) - 255 * mean) / (255 * std)).contiguous()


def prepare(image: NDArray[np.uint8], settings: Sequence[ModelSettings]) -> tuple[NDArray[np.uint8], ...]:
    """One RGB crop, H×W×3 uint8, in the input size of each network; what worker processes do."""
    return tuple(fit_image(image, each) for each in settings)
