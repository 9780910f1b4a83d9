"""The small network: its sizes, its shortcuts, and that it is made of what bf16 and channels_last keep."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fashret.models.small import WIDTHS, Block, SmallNet


@pytest.mark.parametrize(("height", "width"), [(96, 96), (64, 64), (32, 64), (33, 20)])
def test_the_map_is_a_thirty_second_of_the_image(height: int, width: int) -> None:
    features = SmallNet().eval()(torch.zeros(1, 3, height, width))
    assert features.shape == (1, SmallNet.feature_width, -(-height // 32), -(-width // 32))


def test_it_is_as_small_as_it_says() -> None:
    parameters = sum(p.numel() for p in SmallNet().parameters())
    assert 1.15e6 < parameters < 1.25e6
    kinds = {type(module) for module in SmallNet().modules() if not list(module.children())}
    assert kinds == {nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d, nn.AvgPool2d, nn.Identity}
    assert all(m.groups == 1 for m in SmallNet().modules() if isinstance(m, nn.Conv2d))


def test_a_block_without_convolutions_is_its_shortcut() -> None:
    same, halved = Block(4, 4, 1).eval(), Block(4, 6, 2).eval()
    for block in (same, halved):
        nn.init.zeros_(block.bn2.weight)
    images = torch.randn(1, 4, 6, 6)
    with torch.no_grad():
        torch.testing.assert_close(same(images), images.relu())
        average, convolution, norm = halved.shortcut
        torch.testing.assert_close(halved(images), norm(convolution(average(images))).relu())
    assert halved(images).shape == (1, 6, 3, 3)


def test_shortcuts_are_where_the_size_changes() -> None:
    shortcuts = [not isinstance(block.shortcut, nn.Identity) for block in SmallNet().stages]
    assert shortcuts == [False, True, True, True] and len(WIDTHS) == 4
