"""What the steps of every training have in common, whatever its network.

In: what computes a step and what updates the weights by it. Out: the step, or the network as it was before and one line
that says why; and when a checkpoint is due, a loss is broken, or training is to stop early.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fashret.errors import FashretError
from fashret.loading.processes import Place
from fashret.models.devices import is_out_of_memory

T = TypeVar("T")


class StepMemoryError(FashretError):
    """A step did not fit into memory; the run is as it was before the step and can be saved."""


class NotFiniteError(FashretError):
    """The loss is not finite; the last checkpoint, if there is one, is from before."""


@dataclass(frozen=True)
class Machine:
    """Where and how the steps are computed."""

    device: torch.device
    precision: str = "float32"
    place: Place = field(default_factory=Place)


def step_or_back(network: nn.Module, compute: Callable[[], T], update: Callable[[], None], tried: str) -> T:
    """A whole step: gradients, then the optimisers; if memory does not suffice, the network is put back.

    Parameters
    ----------
    compute
        Leaves gradients in the network's parameters; what it returns is returned.
    tried
        Where and with what, and what to lower: the message after "out of memory on".

    Raises
    ------
    FashretError
        `StepMemoryError` where memory does not suffice for the gradients; without that name, and with weights that
        must not be saved, where it does not for the update.
    """
    buffers = [buffer.clone() for buffer in network.buffers()]
    try:
        result = compute()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        for buffer, saved in zip(network.buffers(), buffers, strict=True):
            buffer.copy_(saved)
        network.zero_grad(set_to_none=True)
        raise StepMemoryError(f"out of memory on {tried}") from None
    try:
        update()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise FashretError(f"out of memory on {tried}") from None
    return result


def check_finite(loss: Tensor, step: int, optimiser: Optimizer) -> None:
    """Stop before a checkpoint could hold what a broken step left. Raises NotFiniteError."""
    if not math.isfinite(float(loss)):
        rate = optimiser.param_groups[0]["lr"]
        raise NotFiniteError(
            f"the loss is {float(loss)} at step {step} (learning rate {rate:.3g}); "
            "try a lower --lr, a longer --warmup, or --precision float32"
        )


def checkpoint_due(step: int, every: int) -> bool:
    """Whether a checkpoint follows this step in the middle of an epoch.

    Parameters
    ----------
    every
        Steps; 0 = only at the end of each epoch.
    """
    return every > 0 and step % every == 0


def validation_due(epoch: int, every: int, epochs: int) -> bool:
    """Whether a validation follows an epoch, counted from 0: every so many (0 = none), and the last of them."""
    return every > 0 and ((epoch + 1) % every == 0 or epoch + 1 == epochs)


def has_stalled(stalled: int, patience: int) -> bool:
    """Whether so many validations were no better that training stops early; a patience of 0 has no end."""
    return 0 < patience <= stalled


def seed_of(*parts: int) -> int:
    """63 bits out of seed, epoch, batch, part and rank, for `torch.manual_seed`."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))
