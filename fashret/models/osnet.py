"""OSNet and OSNet-AIN: omni-scale features from parallel streams of growing receptive field.

In: B×3×H×W images. Out: B×C×h×w feature maps at a sixteenth of the size, and behind the pooling 512 numbers. (Zhou et
al., arXiv 1905.00953 and, with instance normalisation, 1910.06827.) Parameter names are those of the published
checkpoints; the two papers' codes name the same streams differently.
"""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FEATURE_WIDTH = 512
STREAMS = 4  # of 1, 2, 3 and 4 convolutions 3×3
BOTTLENECK = 4
GATE_REDUCTION = 16


class ConvLayer(nn.Module):
    """Convolution, normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, instance: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
        self.bn = nn.InstanceNorm2d(outputs, affine=True) if instance else nn.BatchNorm2d(outputs)

    def forward(self, features: Tensor) -> Tensor:
        """B×inputs×h×w → B×outputs×⌈h/stride⌉×⌈w/stride⌉."""
        return F.relu(self.bn(self.conv(features)))


class LinearLayer(nn.Module):
    """Convolution 1×1 without ReLU, with or without batch normalisation."""

    def __init__(self, inputs: int, outputs: int, normalised: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn = nn.BatchNorm2d(outputs) if normalised else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """B×inputs×h×w → B×outputs×h×w."""
        return self.bn(self.conv(features))


class LightLayer(nn.Module):
    """Convolution 1×1, convolution 3×3 channel by channel, batch normalisation, ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False, groups=channels)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, features: Tensor) -> Tensor:
        """B×C×h×w → B×C×h×w."""
        return F.relu(self.bn(self.conv2(self.conv1(features))))


class Gate(nn.Module):
    """A weight between 0 and 1 for every channel, from the channels' means; all streams of a block share it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // GATE_REDUCTION, 1)
        self.fc2 = nn.Conv2d(channels // GATE_REDUCTION, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """B×C×h×w → B×C×h×w, each channel times its weight."""
        means = features.mean(dim=(-2, -1), keepdim=True)
        return features * torch.sigmoid(self.fc2(F.relu(self.fc1(means))))


class OmniScaleBlock(nn.Module):
    """A residual block: the gated sum of streams, with instance normalisation inside the residual where asked for."""

    def __init__(self, inputs: int, outputs: int, ain: bool, instance: bool) -> None:
        super().__init__()
        width = outputs // BOTTLENECK
        streams = [nn.Sequential(*(LightLayer(width) for _ in range(t))) for t in range(1, STREAMS + 1)]
        self.conv1 = ConvLayer(inputs, width)
        if ain:
            self.conv2 = nn.ModuleList([nn.ModuleDict({"layers": stream}) for stream in streams])
        else:
            self.conv2a, self.conv2b, self.conv2c, self.conv2d = streams[0][0], *streams[1:]
        self.ain = ain
        self.gate = Gate(width)
        self.conv3 = LinearLayer(width, outputs, normalised=not instance)
        self.downsample = LinearLayer(inputs, outputs) if inputs != outputs else nn.Identity()
        self.IN = nn.InstanceNorm2d(outputs, affine=True) if instance else nn.Identity()

    def streams(self) -> list[nn.Module]:
        """The streams, of 1 to 4 light layers, under either paper's names."""
        if self.ain:
            return [stream["layers"] for stream in self.conv2]  # type: ignore[index]
        return [self.conv2a, self.conv2b, self.conv2c, self.conv2d]

    def forward(self, features: Tensor) -> Tensor:
        """B×inputs×h×w → B×outputs×h×w."""
        narrow = self.conv1(features)
        gated = reduce(torch.add, (self.gate(stream(narrow)) for stream in self.streams()))
        return F.relu(self.IN(self.conv3(gated)) + self.downsample(features))


class OSNet(nn.Module):
    """The network up to its 512 numbers.

    Parameters
    ----------
    channels
        Widths of the four resolutions.
    instance
        For OSNet-AIN: for each of the six blocks whether it has instance normalisation. None: plain OSNet.
    """

    def __init__(self, channels: tuple[int, int, int, int], instance: tuple[bool, ...] | None = None) -> None:
        super().__init__()
        ain = instance is not None
        self.conv1 = ConvLayer(3, channels[0], kernel=7, stride=2, instance=ain)
        for stage in range(3):
            inputs, outputs = channels[stage], channels[stage + 1]
            first, second = instance[2 * stage : 2 * stage + 2] if instance else (False, False)
            blocks = [OmniScaleBlock(inputs, outputs, ain, first), OmniScaleBlock(outputs, outputs, ain, second)]
            half = nn.Sequential(ConvLayer(outputs, outputs), nn.AvgPool2d(2))
            last = stage == 2  # the last stage keeps its resolution
            self.add_module(f"conv{stage + 2}", nn.Sequential(*blocks, *([] if ain or last else [half])))
            if ain and not last:
                self.add_module(f"pool{stage + 2}", half)
        self.conv5 = ConvLayer(channels[3], channels[3])
        self.channels = channels[3]  # of the map, which `fc` makes 512
        self.fc = nn.Sequential(nn.Linear(channels[3], FEATURE_WIDTH), nn.BatchNorm1d(FEATURE_WIDTH), nn.ReLU())
        self.apply(_initialise)

    def forward(self, images: Tensor) -> Tensor:
        """B×3×H×W → B×C×(H/16)×(W/16)."""
        features = F.max_pool2d(self.conv1(images), 3, stride=2, padding=1)
        for name, part in self.named_children():
            if name not in ("conv1", "fc"):
                features = part(features)
        return features

    def vector(self, pooled: Tensor) -> Tensor:
        """B×C pooled features → B×512."""
        return self.fc(pooled)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
    if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


WIDTHS = {
    "osnet_x1_0": (64, 256, 384, 512),
    "osnet_x0_75": (48, 192, 288, 384),
    "osnet_x0_5": (32, 128, 192, 256),
    "osnet_x0_25": (16, 64, 96, 128),
}
AIN_BLOCKS = (True, True, False, True, True, False)  # found by architecture search, arXiv 1910.06827, figure 6
