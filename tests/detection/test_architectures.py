"""torchvision's detectors: their parameters are those of its own builders, and all learn and find."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection.ssdlite import _mobilenet_extractor, mobilenet_v3_large
from torchvision.ops import FrozenBatchNorm2d

from fashret.choices import ARCHITECTURES as NAMES
from fashret.detection.architectures import ARCHITECTURES, build
from fashret.detection.settings import DetectorSettings

SSDLITE = DetectorSettings("ssdlite320_mobilenet_v3_large", ("bag", "hat"), 96)


def shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def test_the_weights_are_drawn_from_the_seed_and_nothing_else() -> None:
    torch.manual_seed(1)
    one = build(SSDLITE)
    after = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(3))
    torch.manual_seed(2)
    again, other = build(SSDLITE), build(replace(SSDLITE, seed=1))
    same = [torch.equal(a, b) for a, b in zip(one.parameters(), again.parameters(), strict=True)]
    assert all(same)
    assert not all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_ssdlite_takes_any_size_and_boxes_come_back_in_pixels_of_the_picture() -> None:
    network = build(SSDLITE).eval()
    with torch.no_grad():
        found = network([torch.rand(3, 40, 200)])[0]
    assert network.transform.fixed_size == (96, 96) and len(found["boxes"])
    assert found["boxes"][:, 2].max() > 100 and found["boxes"][:, 2].max() <= 200 and found["boxes"][:, 3].max() <= 40


def test_statistics_follow_the_weights_of_a_short_training() -> None:
    """torchvision's momentum of 0.03 is for hundreds of epochs."""
    network = build(SSDLITE)
    assert {module.momentum for module in network.modules() if isinstance(module, nn.BatchNorm2d)} == {0.1}


def test_the_wide_tail_has_the_names_and_shapes_of_torchvision() -> None:
    expected = _mobilenet_extractor(mobilenet_v3_large(weights=None), 6, nn.BatchNorm2d)
    assert shapes(build(replace(SSDLITE, wide_tail=True)).backbone) == shapes(expected)
    assert shapes(build(SSDLITE).backbone) != shapes(expected)


def test_frozen_statistics_are_the_backbones() -> None:
    network = build(replace(SSDLITE, frozen_norm=True))
    assert not [m for m in network.backbone.modules() if isinstance(m, nn.BatchNorm2d)]
    assert [m.eps for m in network.backbone.modules() if isinstance(m, FrozenBatchNorm2d)][0] == 0.001
    assert [m for m in network.head.modules() if isinstance(m, nn.BatchNorm2d)]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_architecture_learns_and_finds(name: str) -> None:
    network = build(DetectorSettings(name, ("bag", "hat", "top"), 64))
    original = ARCHITECTURES[name].build(weights=None, weights_backbone=None, num_classes=4)
    assert shapes(network) == shapes(original)
    target: dict[str, Tensor] = {"boxes": torch.tensor([[10.0, 10, 50, 60]]), "labels": torch.tensor([1])}
    if ARCHITECTURES[name].masks:
        target["masks"] = torch.ones(1, 70, 64, dtype=torch.uint8)
    pictures = [torch.rand(3, 70, 64), torch.rand(3, 70, 64)]
    losses = network.train()(pictures, [target, target])
    total = torch.stack(list(losses.values())).sum()
    total.backward()
    assert total.isfinite() and len(losses) > 1
    with torch.no_grad():
        found = network.eval()(pictures)[0]
    assert len(found["boxes"]) <= 100 and ("masks" in found) == ARCHITECTURES[name].masks
