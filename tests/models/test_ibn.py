"""IBN, by hand."""

from __future__ import annotations

import torch

from fashret.models.ibn import IBN


def test_ibn_by_hand():
    """Two images of two places and two channels: the first normalised in each image, the second over both."""
    ibn = IBN(2)
    images = torch.tensor([[[[1.0, 3.0]], [[0.0, 2.0]]], [[[10.0, 50.0]], [[4.0, 6.0]]]])
    # channel 0: mean 2, deviation 1 → −1, 1; mean 30, deviation 20 → −1, 1
    # channel 1: mean 3, variance (9 + 1 + 1 + 9) / 4 = 5
    expected = torch.tensor([[[[-1.0, 1.0]], [[-3.0, -1.0]]], [[[-1.0, 1.0]], [[1.0, 3.0]]]])
    expected[:, 1] /= 5**0.5
    torch.testing.assert_close(ibn(images), expected, rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        ibn.IN.weight.fill_(2)
        ibn.IN.bias.fill_(7)
    torch.testing.assert_close(ibn(images)[:, 0], 2 * expected[:, 0] + 7, rtol=1e-4, atol=1e-4)
    ibn.eval()  # running statistics: mean 0.1 · 3, variance 0.9 + 0.1 · 20/3, after two batches of the same
    mean, variance = 0.3 + 0.9 * 0.3, 0.9 * (0.9 + 2 / 3) + 2 / 3
    by_hand = (images[:, 1] - mean) / variance**0.5
    torch.testing.assert_close(ibn(images)[:, 1], by_hand, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(ibn(images)[:, 0], 2 * expected[:, 0] + 7, rtol=1e-4, atol=1e-4)  # always per image
