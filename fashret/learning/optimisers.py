"""Optimisers: name → builder, as published.

In: a network, its losses and the options. Out: the optimiser of the network, and one more for each loss whose
parameters learn at a rate of their own (center loss).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from fashret.errors import FashretError
from fashret.options import TrainOptions

if TYPE_CHECKING:
    from fashret.learning.losses import Loss

MOMENTUM = 0.9  # of SGD

OPTIMISERS: dict[str, Callable[..., Optimizer]] = {
    "adam": Adam,
    "amsgrad": lambda parameters, **rest: Adam(parameters, amsgrad=True, **rest),
    "adamw": AdamW,
    "sgd": lambda parameters, **rest: SGD(parameters, momentum=MOMENTUM, **rest),
}


def build_optimisers(network: nn.Module, losses: Sequence[Loss], options: TrainOptions) -> list[Optimizer]:
    """The network's optimiser first, then one SGD for each loss with `own_rate`.

    Weight decay acts on every parameter, biases too, as in the published settings; parameters that never learn (the
    bias of the BNNeck) are left out. A loss's parameters without a rate of their own learn with the network.

    Raises
    ------
    FashretError
        For an optimiser that is not known, or numbers that make no sense.
    """
    if options.optimiser not in OPTIMISERS:
        raise FashretError(f"--optimiser {options.optimiser}: not known; there are {', '.join(OPTIMISERS)}")
    if not options.weight_decay >= 0:
        raise FashretError(f"--weight-decay {options.weight_decay}: must be 0 or more")
    shared: list[Any] = [p for p in network.parameters() if p.requires_grad]
    own = []
    for loss in losses:
        learned = list(loss.parameters())
        if loss.own_rate is None:
            shared += learned
        elif learned:
            own.append(SGD(learned, lr=loss.own_rate))
    return [OPTIMISERS[options.optimiser](shared, lr=options.lr, weight_decay=options.weight_decay), *own]


def set_learning_rate(optimiser: Optimizer, rate: float) -> None:
    """Give every parameter of an optimiser the same rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate
