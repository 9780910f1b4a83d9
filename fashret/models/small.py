"""A small residual network that learns from random weights on two CPU cores in about a minute.

In: B×3×H×W images, 96×96 or so. Out: a B×256×⌈H/32⌉×⌈W/32⌉ feature map.

Plain dense 3×3 convolutions: on CPUs they run several times faster for their arithmetic than the depthwise ones of
mobile networks. Made of convolutions, batch normalisation and ReLU only, so that bf16 autocast and channels_last hold
from the first layer to the last. 1.2 million parameters, 41 million multiplications for a 96×96 image.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (32, 64, 128, 256)  # channels of the four stages


class Block(nn.Module):
    """Two 3×3 convolutions beside a shortcut (arXiv 1512.03385; the shortcut averages where it strides, 1812.01187)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            average = nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity()
            self.shortcut = nn.Sequential(average, nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, features: Tensor) -> Tensor:
        """B×inputs×h×w → B×outputs×⌈h/stride⌉×⌈w/stride⌉."""
        inner = F.relu(self.bn1(self.conv1(features)))
        return F.relu(self.bn2(self.conv2(inner)) + self.shortcut(features))


class SmallNet(nn.Module):
    """The stem halves the sides twice, three of the four stages once each.

    Attributes
    ----------
    feature_width : channels of the feature map.

    >>> import torch
    >>> SmallNet()(torch.zeros(2, 3, 96, 96)).shape
    torch.Size([2, 256, 3, 3])
    """

    feature_width = WIDTHS[-1]

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, WIDTHS[0], 5, 2, 2, bias=False), nn.BatchNorm2d(WIDTHS[0]), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        )
        inputs = (WIDTHS[0], *WIDTHS)
        self.stages = nn.Sequential(
            *(Block(inputs[i], width, 1 if i == 0 else 2) for i, width in enumerate(WIDTHS)),
        )

    def forward(self, images: Tensor) -> Tensor:
        """B×3×H×W → B×256×⌈H/32⌉×⌈W/32⌉."""
        return self.stages(self.stem(images))
