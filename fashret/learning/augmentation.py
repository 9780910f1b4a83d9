"""Random changes to training images, as published for the strong baseline and OSNet.

In: H×W×3 uint8 images of the input size (`preprocessing.fit_image`) and a random generator for each. Out: 3×H×W float32
normalised tensors. The generator comes from the seed, the epoch and the image's position in the epoch, so that nothing
depends on the number of worker processes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import functional as change

from fashret.errors import FashretError
from fashret.models.preprocessing import normalise
from fashret.models.settings import ModelSettings
from fashret.options import TrainOptions

ERASED_AREA = (0.02, 0.4)  # share of the image
ERASED_RATIO = 0.3  # height / width of the erased rectangle is in 0.3 .. 1 / 0.3
ERASING_ATTEMPTS = 100
CONTRAST_OF_JITTER = 0.75  # OSNet's colour jitter: brightness 0.2, contrast 0.15


@dataclass(frozen=True)
class Augmentation:
    """What may happen to a training image, in this order; the defaults are those of `fashret train`."""

    flip: float = TrainOptions.flip  # chance of mirroring
    pad: int = TrainOptions.pad  # black pixels added on each side before a random crop of the input's size
    jitter: float = TrainOptions.jitter  # brightness × (1 ± jitter), contrast × (1 ± ¾ jitter)
    erase: float = TrainOptions.erase  # chance of erasing a random rectangle

    def __post_init__(self) -> None:
        if not (0 <= self.flip <= 1 and 0 <= self.erase <= 1):
            raise FashretError(f"flip {self.flip:g}, erase {self.erase:g}: chances lie between 0 and 1")
        if self.pad < 0 or not 0 <= self.jitter <= 1:
            raise FashretError(f"pad {self.pad}, jitter {self.jitter:g}: at least 0; between 0 and 1")


def generator_for(seed: int, epoch: int, position: int) -> torch.Generator:
    """The random numbers of one image: `position` is its place among all images of the epoch.

    >>> torch.rand(1, generator=generator_for(0, 3, 7)).equal(torch.rand(1, generator=generator_for(0, 3, 7)))
    True
    """
    state = np.random.SeedSequence([seed, epoch, position]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> 1))  # torch takes 63 bits on every platform


def augment(
    image: NDArray[np.uint8], settings: ModelSettings, augmentation: Augmentation, generator: torch.Generator
) -> Tensor:
    """Mirror, shift, jitter, normalise and erase one image.

    Parameters
    ----------
    image
        H×W×3 uint8 RGB of the input size.
    settings
        Mean and std to normalise with.
    generator
        Its own random numbers, see `generator_for`.

    Returns
    -------
    3×H×W float32.

    >>> nothing = Augmentation(flip=0, pad=0, erase=0)
    >>> augment(np.zeros((4, 2, 3), np.uint8), ModelSettings(), nothing, generator_for(0, 0, 0)).shape
    torch.Size([3, 4, 2])
    """
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)  # 3×H×W; a copy, as decoded arrays are read-only
    if _uniform(generator) < augmentation.flip:
        pixels = change.horizontal_flip(pixels)
    if augmentation.pad:
        pixels = _shifted(pixels, augmentation.pad, generator)
    if augmentation.jitter:
        pixels = change.adjust_brightness(pixels, _factor(augmentation.jitter, generator))
        pixels = change.adjust_contrast(pixels, _factor(CONTRAST_OF_JITTER * augmentation.jitter, generator))
    normal = normalise(pixels.permute(1, 2, 0), settings)
    if _uniform(generator) < augmentation.erase:
        _erase(normal, settings.mean, generator)
    return normal


def _shifted(pixels: Tensor, pad: int, generator: torch.Generator) -> Tensor:
    """A random crop of the image's size out of the image with a black margin."""
    top, left = torch.randint(0, 2 * pad + 1, (2,), generator=generator).tolist()
    return change.crop(change.pad(pixels, [pad]), top, left, pixels.shape[1], pixels.shape[2])


def _erase(normal: Tensor, fill: tuple[float, float, float], generator: torch.Generator) -> None:
    """Random erasing in place (Zhong et al., arXiv 1708.04896, algorithm 1).

    As in the published re-identification code, the fill is ImageNet's mean in a tensor that is normalised already: a
    little above the mean, not exactly on it.
    """
    height, width = normal.shape[1:]
    for _ in range(ERASING_ATTEMPTS):
        area = _uniform(generator, *ERASED_AREA) * height * width
        ratio = _uniform(generator, ERASED_RATIO, 1 / ERASED_RATIO)
        tall, wide = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if tall < height and wide < width:
            top = int(_uniform(generator) * (height - tall + 1))
            left = int(_uniform(generator) * (width - wide + 1))
            normal[:, top : top + tall, left : left + wide] = torch.tensor(fill).view(3, 1, 1)
            return


def _uniform(generator: torch.Generator, low: float = 0.0, high: float = 1.0) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def _factor(strength: float, generator: torch.Generator) -> float:
    return _uniform(generator, 1 - strength, 1 + strength)
