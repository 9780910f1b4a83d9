"""OSNet: its blocks and gates by hand, what its streams see."""

from __future__ import annotations

import torch
from torch import nn

from fashret.models.osnet import Gate, OmniScaleBlock, OSNet


def identity(convolution: nn.Conv2d) -> None:
    """Pass each channel on: to itself, or zeros where there are more outputs than inputs."""
    nn.init.zeros_(convolution.weight)
    middle = convolution.kernel_size[0] // 2
    for channel in range(min(convolution.weight.shape[0], convolution.in_channels)):
        inner = 0 if convolution.groups > 1 else channel
        convolution.weight.data[channel, inner, middle, middle] = 1.0


def test_osnet_ain_block_by_hand():
    """Every convolution passes on its input, every gate is sigmoid(0) = ½: four streams give 2x, normalised in each
    image."""
    block = OmniScaleBlock(64, 64, ain=True, instance=True).eval()
    for module in block.modules():
        if isinstance(module, nn.Conv2d):
            identity(module)
    for gate in (block.gate.fc1, block.gate.fc2):
        nn.init.zeros_(gate.weight)
        nn.init.zeros_(gate.bias)
    images = torch.zeros(1, 64, 1, 2)
    images[0, :16] = torch.tensor([[1.0, 3.0]])  # the block's inner width is 16
    images[0, 16:] = torch.tensor([[5.0, 6.0]])
    with torch.no_grad():
        result = block(images)
    # inner channels: 2x = 2, 6 → −1, 1; beside the residual 1, 3 → 0, 4. The others: 0 after the last convolution → 0
    torch.testing.assert_close(result[0, :16], torch.tensor([[0.0, 4.0]]).expand(16, 1, 2), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(result[0, 16:], torch.tensor([[5.0, 6.0]]).expand(48, 1, 2), rtol=1e-3, atol=1e-3)
    block.gate.fc2.bias.data.fill_(-100.0)  # closed gates: only the residual is left
    with torch.no_grad():
        torch.testing.assert_close(block(images), images, rtol=1e-3, atol=1e-3)


def test_osnet_block_without_instance_norm_by_hand():
    block = OmniScaleBlock(64, 64, ain=False, instance=False).eval()
    for module in block.modules():
        if isinstance(module, nn.Conv2d):
            identity(module)
    for gate in (block.gate.fc1, block.gate.fc2):
        nn.init.zeros_(gate.weight)
        nn.init.zeros_(gate.bias)
    images = torch.ones(1, 64, 1, 2)
    with torch.no_grad():
        result = block(images)
    torch.testing.assert_close(result[0, :16], torch.full((16, 1, 2), 3.0), rtol=1e-3, atol=1e-3)  # 2x + x
    torch.testing.assert_close(result[0, 16:], torch.ones(48, 1, 2), rtol=1e-3, atol=1e-3)


def test_streams_see_3_5_7_and_9_pixels():
    block = OmniScaleBlock(64, 64, ain=True, instance=False).eval()
    for module in block.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 0.01)
    dot = torch.zeros(1, 16, 15, 15)
    dot[..., 7, 7] = 1.0
    with torch.no_grad():
        seen = [int((stream(dot)[0, 0] > 0).any(dim=0).sum()) for stream in block.streams()]
    assert seen == [3, 5, 7, 9]


def test_gate_weighs_channels_by_their_means():
    gate = Gate(16)
    with torch.no_grad():
        nn.init.zeros_(gate.fc1.weight)
        gate.fc1.weight[0, 2] = 1.0  # the mean of channel 2
        gate.fc1.bias.fill_(0.0)
        nn.init.constant_(gate.fc2.weight, 1.0)
        gate.fc2.bias.fill_(-1.0)
        images = torch.ones(1, 16, 1, 2)
        images[0, 2] = torch.tensor([[1.0, 5.0]])  # mean 3 → sigmoid(3 − 1)
        torch.testing.assert_close(gate(images), images * torch.sigmoid(torch.tensor(2.0)))


def test_osnet_ain_has_instance_norm_in_its_stem_and_in_four_blocks():
    network = OSNet((16, 64, 96, 128), (True, True, False, True, True, False))
    inner = [name for name, module in network.named_modules() if isinstance(module, nn.InstanceNorm2d)]
    assert inner == ["conv1.bn", "conv2.0.IN", "conv2.1.IN", "conv3.1.IN", "conv4.0.IN"]
