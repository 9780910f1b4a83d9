"""Modes: what is frozen in which epoch, and statistics that stay."""

from __future__ import annotations

import pytest
import torch

from fashret.learning.modes import set_modes, statistics_kept
from fashret.models.network import RetrievalNetwork, build
from fashret.models.settings import ModelSettings
from tests.training_case import add_tiny_backbone, tiny_options


@pytest.fixture
def network() -> RetrievalNetwork:
    add_tiny_backbone()
    return build(ModelSettings(backbone="tiny", weights="none", height=16, width=16, classes=5))


def test_a_frozen_backbone_neither_learns_nor_counts(network: RetrievalNetwork) -> None:
    options = tiny_options(freeze=1)
    set_modes(network, 0, options)
    assert not any(p.requires_grad for p in network.backbone.parameters())
    assert not network.backbone.training and network.neck.training
    assert not network.neck.bias.requires_grad
    set_modes(network, 1, options)
    assert all(p.requires_grad for p in network.backbone.parameters())
    assert network.backbone.training and network.backbone.norm.training
    assert not network.neck.bias.requires_grad  # it never learns


def test_frozen_statistics_are_those_of_the_backbone_alone(network: RetrievalNetwork) -> None:
    set_modes(network, 0, tiny_options(freeze_bn=True))
    assert network.backbone.training and not network.backbone.norm.training and network.neck.training
    assert all(p.requires_grad for p in network.backbone.norm.parameters())


def test_kept_statistics_are_not_counted_and_come_back_after_an_error(network: RetrievalNetwork) -> None:
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    network.backbone.dropout.p = 0.0
    norm, before = network.backbone.norm, network.backbone.norm.running_mean.clone()
    network.train()
    with torch.no_grad(), statistics_kept(network):
        inside = network.backbone(images)
    assert norm.running_mean.equal(before) and int(norm.num_batches_tracked) == 0
    with torch.no_grad():
        assert network.backbone(images).equal(inside)  # normalised by the batch, in there too
    assert not norm.running_mean.equal(before) and int(norm.num_batches_tracked) == 1
    with pytest.raises(ValueError, match="broken"), statistics_kept(network):
        raise ValueError("broken")
    assert norm.track_running_stats
