"""The start of a head that projects regions (`LearnedRMAC`): a PCA of the regions of training images.

In: a network with such a head, a crops file and its training rows. Out: the same network, its shift the mean of the
regions, its layer their principal directions. At most `MOST_IMAGES` images are looked at, a sample drawn by the seed,
and no more is in memory than a batch and C×C numbers.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fashret.console import log
from fashret.loading.batches import CropsFile, load, slices
from fashret.loading.sources import CropImages
from fashret.models.network import RetrievalNetwork
from fashret.models.poolings import LearnedRMAC
from fashret.models.preprocessing import normalise

MOST_IMAGES = 1024
PIXELS_AT_ONCE = 1 << 21  # of images, 64 of 256x128
POWER = 0.25  # of the variance that directions are divided by: 0 turns them only, 0.5 evens them out
FLOOR = 0.01  # of the mean variance: no direction counts as narrower
NARROWEST = 1e-12  # of vectors that are all the same


def start_from_regions(
    network: RetrievalNetwork, crops: CropsFile, rows: NDArray[np.int64], seed: int, workers: int
) -> None:
    """Set shift and layer of a network's new head; other networks stay as they are."""
    head = network.pooling
    if not isinstance(head, LearnedRMAC) or not head.is_new:
        return
    if len(rows) > MOST_IMAGES:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST_IMAGES, replace=False))
    log.info("R-MAC: starting from the regions of %d training images", len(rows))
    device = head.shift.device
    images = CropImages(crops, (network.settings,))
    count, total, products = 0, torch.zeros(len(head.shift), dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    size = max(1, PIXELS_AT_ONCE // (network.settings.height * network.settings.width))
    network.eval()
    for batch in load(images, slices(rows, size), workers, device):
        regions = _regions(network, head, batch.images[0].to(device))
        count += len(regions)
        total += regions.sum(dim=0)
        products = products + regions.T @ regions
    images.close()
    shift, directions = principal(count, total, products)
    with torch.no_grad():
        head.shift.copy_(shift)
        head.linear.weight.copy_(directions)


@torch.no_grad()
def _regions(network: RetrievalNetwork, head: LearnedRMAC, images: Tensor) -> Tensor:
    """B×H×W×3 uint8 → (B·R)×C float64 on the CPU."""
    pixels = normalise(images, network.settings).contiguous(memory_format=torch.channels_last)
    return head.regions(network.backbone(pixels).float()).flatten(0, 1).cpu().double()


def principal(count: int, total: Tensor, products: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and principal directions, the widest first, each divided by its variance to the power `POWER`.

    Parameters
    ----------
    count, total, products
        Of N vectors of C numbers: N, their sum, and their second moments, C×C.

    >>> vectors = torch.tensor([[0.0, 2.0], [0.0, -2.0], [1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
    >>> principal(4, vectors.sum(dim=0), vectors.T @ vectors)[1].abs().round(decimals=3)  # variances 2 and 0.5
    tensor([[0.0000, 0.8410],
            [1.1890, 0.0000]], dtype=torch.float64)
    """
    mean = total / count
    variance, directions = torch.linalg.eigh(products / count - mean.outer(mean))
    variance, directions = variance.flip(0), directions.T.flip(0)
    widest = directions.gather(1, directions.abs().argmax(dim=1, keepdim=True))
    directions = directions * widest.sign()  # of two opposite directions always the same
    floored = variance.clamp(min=max(FLOOR * float(variance.mean()), NARROWEST))
    return mean, directions / floored[:, None] ** POWER
