"""IBN-a: half of a layer's channels normalised within each image, the other half over the batch.

In: a ResNet. Out: the same with IBN in place of the first normalisation of each block of the first three stages (Pan et
al., "Two at Once", ECCV 2018, figure 3 a). Parameter names are those of the published checkpoints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class IBN(nn.Module):
    """Instance normalisation of the first half of the channels, batch normalisation of the second.

    >>> IBN(4)(torch.ones(2, 4, 3, 3)).shape
    torch.Size([2, 4, 3, 3])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.IN = nn.InstanceNorm2d(channels // 2, affine=True)
        self.BN = nn.BatchNorm2d(channels - channels // 2)

    def forward(self, features: Tensor) -> Tensor:
        """B×C×h×w → B×C×h×w."""
        within, across = features.split([self.IN.num_features, self.BN.num_features], dim=1)
        return torch.cat([self.IN(within.contiguous()), self.BN(across.contiguous())], dim=1)


def use_ibn_a(resnet: nn.Module) -> None:
    """Put IBN into the first three stages of a torchvision ResNet; the last keeps its batch normalisation."""
    for stage in (resnet.layer1, resnet.layer2, resnet.layer3):
        for block in stage:  # type: ignore[union-attr]
            block.bn1 = IBN(block.bn1.num_features)
