"""The training loop of a detector.

In: a `Run` (network, optimiser and how far they are) and a source of batches. Out: the run, further on. Everything
random is a function of seed, epoch and position, so a run that is stopped after any step resumes as if it had not been.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from fashret.detection.detectors import as_image
from fashret.learning.optimisers import set_learning_rate
from fashret.learning.steps import Machine, check_finite, checkpoint_due, seed_of, step_or_back
from fashret.models.devices import autocast

if TYPE_CHECKING:
    from fashret.detection.samples import Batch, Sample

LARGEST_GRADIENT = 10.0  # length of the whole gradient; longer ones are shortened


@dataclass
class Run:
    """Everything that training changes, and all that a checkpoint holds."""

    network: nn.Module
    optimiser: Optimizer
    scaler: torch.amp.GradScaler
    epoch: int = 0  # the epoch under way, from 0; logs and summaries count from 1
    batch: int = 0  # batches of it that are done
    step: int = 0  # steps done in all
    sums: Tensor = field(default_factory=lambda: torch.zeros(0))  # of this epoch: each loss · photos, and photos
    seconds: float = 0.0  # of this epoch, in earlier processes too
    best: dict[str, float] = field(default_factory=dict)  # scores of the best validation, its epoch (from 1) and step
    stalled: int = 0  # validations since the best one

    def state(self) -> dict[str, Any]:
        """Tensors and plain values."""
        return {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "sums": self.sums,
            **{name: getattr(self, name) for name in _COUNTERS},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave."""
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        if state["scaler"]:
            self.scaler.load_state_dict(state["scaler"])
        self.sums = state["sums"].to(next(self.network.parameters()).device)
        for name in _COUNTERS:
            setattr(self, name, state[name])


_COUNTERS = ("epoch", "batch", "step", "seconds", "best", "stalled")


@dataclass(frozen=True)
class Learning:
    """How the steps are taken."""

    losses: tuple[str, ...]  # of the network, in the order in which they are logged
    rate: Callable[[int, int], float]  # learning rate by epoch and step
    seed: int
    checkpoint_every: int  # steps; 0 = only at the end of each epoch


AfterStep = Callable[[Run, "Batch"], None]


def train(run: Run, batches: Iterator[Batch], learning: Learning, machine: Machine, after_step: AfterStep) -> None:
    """Take one step for each batch, until there are no more or `after_step` raises.

    Raises
    ------
    FashretError
        `NotFiniteError` if the loss is not finite; `StepMemoryError` if a step does not fit into memory.
    """
    model: nn.Module = run.network
    if machine.place.world > 1:
        model = DistributedDataParallel(model, [machine.device.index] if machine.device.type == "cuda" else None)
    before: Tensor | None = None  # the last loss, looked at one step late so that a GPU is never waited for
    for batch in batches:
        model.train()
        set_learning_rate(run.optimiser, learning.rate(batch.epoch, run.step))
        values = _step(run, model, batch, learning, machine)
        if before is not None:
            check_finite(before, run.step, run.optimiser)
        before = values.sum()
        run.step += 1
        run.epoch, run.batch = (batch.epoch + 1, 0) if batch.last else (batch.epoch, batch.number + 1)
        counts = torch.cat([values * batch.photos, values.new_tensor([batch.photos])])
        run.sums = run.sums + counts if len(run.sums) else counts
        if batch.last or checkpoint_due(run.step, learning.checkpoint_every):
            check_finite(before, run.step, run.optimiser)
        after_step(run, batch)


def targets_of(sample: Sample, device: torch.device) -> dict[str, Tensor]:
    """A sample's garments as torchvision's detectors take them; their classes count from 1."""
    target = {"boxes": torch.from_numpy(sample.boxes), "labels": torch.from_numpy(sample.labels + 1)}
    if sample.masks is not None:
        target["masks"] = torch.from_numpy(sample.masks)
    return {name: values.to(device) for name, values in target.items()}


def _step(run: Run, model: nn.Module, batch: Batch, learning: Learning, machine: Machine) -> Tensor:
    """One step of the optimiser; the losses by themselves, without gradients."""
    return step_or_back(
        run.network,
        lambda: _gradients(run, model, batch, learning, machine),
        lambda: _update(run),
        f"{machine.device} with {batch.photos} photos per batch at step {run.step}; lower --batch-size or --side",
    )


def _gradients(run: Run, model: nn.Module, batch: Batch, learning: Learning, machine: Machine) -> Tensor:
    """The losses by themselves, and in the parameters the gradients of their sum."""
    device = machine.device
    torch.manual_seed(seed_of(learning.seed, batch.epoch, batch.number, machine.place.rank))  # of boxes drawn by losses
    images = [as_image(sample.picture).to(device) for sample in batch.samples]
    targets = [targets_of(sample, device) for sample in batch.samples]
    with autocast(machine.precision, device):
        found = model(images, targets)
    values = torch.stack([found[name].float() for name in learning.losses])
    run.scaler.scale(values.sum()).backward()
    return values.detach()


def _update(run: Run) -> None:
    run.scaler.unscale_(run.optimiser)
    torch.nn.utils.clip_grad_norm_(run.network.parameters(), LARGEST_GRADIENT)
    run.scaler.step(run.optimiser)
    run.scaler.update()
    run.optimiser.zero_grad(set_to_none=True)
