"""What of a network learns and which statistics it keeps, epoch by epoch.

In: a network, the epoch and the options. Out: its modules in training or evaluation mode, its parameters with or
without gradients.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm  # what all batch normalisations inherit from

from fashret.models.network import RetrievalNetwork
from fashret.options import TrainOptions


def set_modes(network: RetrievalNetwork, epoch: int, options: TrainOptions) -> None:
    """Training mode, but for what is frozen in this epoch: the backbone, or its batch-norm statistics."""
    network.train()
    frozen = epoch < options.freeze
    network.backbone.requires_grad_(not frozen)
    if frozen:
        network.backbone.eval()
    if options.freeze_bn:
        for module in network.backbone.modules():
            if isinstance(module, _BatchNorm):
                module.eval()


@contextmanager
def statistics_kept(network: nn.Module) -> Iterator[None]:
    """Batch normalisation goes by the batch as always, but its running statistics stay as they are."""
    tracking = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    for module in tracking:
        module.track_running_stats = False
    try:
        yield
    finally:
        for module in tracking:
            module.track_running_stats = True
