"""The training loop.

In: a `Run` (network, losses, optimisers and how far they are), a source of batches, and what to do at the end of an
epoch. Out: the run, further on. Everything random is a function of seed, epoch and position, so a run that is
stopped after any step resumes as if it had not been.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from fashret.learning.batches import Batch
from fashret.learning.losses import Loss
from fashret.learning.mining import spread
from fashret.learning.modes import set_modes, statistics_kept
from fashret.learning.optimisers import set_learning_rate
from fashret.learning.schedules import learning_rate, position
from fashret.learning.steps import Machine, check_finite, checkpoint_due, has_stalled, seed_of, step_or_back
from fashret.loading.processes import average_, gather
from fashret.models.devices import autocast
from fashret.models.network import Output, RetrievalNetwork
from fashret.options import TrainOptions


@dataclass
class Run:
    """Everything that training changes, and all that a checkpoint holds."""

    network: RetrievalNetwork
    losses: Sequence[Loss]
    optimisers: Sequence[Optimizer]
    scaler: torch.amp.GradScaler
    epoch: int = 0  # the epoch under way, from 0; logs and summaries count from 1
    batch: int = 0  # batches of it that are done
    step: int = 0  # steps done in all
    sums: Tensor = field(default_factory=lambda: torch.zeros(0))  # of this epoch, see `StepResult.counts`
    seconds: float = 0.0  # of this epoch, in earlier processes too
    best: dict[str, float] = field(default_factory=dict)  # scores of the best validation, its epoch (from 1) and step
    start: dict[str, float] = field(default_factory=dict)  # scores before the first step
    stalled: int = 0  # validations since the best one
    distance: float = 0.0  # mean distance of two features of the first batch
    precision: str = ""  # arithmetic that was faster on the first batch; "": not measured
    threads: int = 0  # that torch computes with on the CPU; 0: not known

    def state(self) -> dict[str, Any]:
        """Tensors and plain values."""
        return {
            "network": self.network.state_dict(),
            "losses": [loss.state_dict() for loss in self.losses],
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "scaler": self.scaler.state_dict(),
            "sums": self.sums,
            **{name: getattr(self, name) for name in _COUNTERS},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave."""
        self.network.load_state_dict(state["network"])
        for loss, saved in zip(self.losses, state["losses"], strict=True):
            loss.load_state_dict(saved)
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        if state["scaler"]:
            self.scaler.load_state_dict(state["scaler"])
        sums = state["sums"]
        if len(sums) == len(self.losses) + 3:  # of a version without norm and distance
            sums = torch.cat([sums[:-2], sums.new_zeros(2), sums[-2:]])
        self.sums = sums.to(next(self.network.parameters()).device)
        for name in _COUNTERS:
            setattr(self, name, state.get(name, getattr(self, name)))  # older versions counted less


_COUNTERS = ("epoch", "batch", "step", "seconds", "best", "start", "stalled", "distance", "precision", "threads")


class StepResult(NamedTuple):
    """What one step found, on the device."""

    loss: Tensor  # scalar
    counts: Tensor  # [loss·B, each of the losses·B, norm·B, distance·B, right answers, B], B images of all processes


AfterStep = Callable[[Run, Batch, StepResult], None]


def train(run: Run, batches: Iterator[Batch], options: TrainOptions, machine: Machine, after_step: AfterStep) -> None:
    """Take one step for each batch.

    Parameters
    ----------
    batches
        From the run's position on; the first may be in the middle of an epoch.
    after_step
        Called after each step, when the run already counts it: progress, validation, checkpoints.

    Raises
    ------
    FashretError
        `NotFiniteError` if the loss is not finite; `StepMemoryError` if a step does not fit into memory.
    """
    model: nn.Module = run.network
    started = False
    before: Tensor | None = None  # the last loss, looked at one step late so that a GPU is never waited for
    for batch in batches:
        if not started or batch.number == 0:
            set_modes(run.network, batch.epoch, options)
            if not started or batch.epoch == options.freeze:  # DDP must know which parameters learn
                model = _distributed(run.network, machine)
            started = True
        set_learning_rate(run.optimisers[0], learning_rate(position(batch.epoch, run.step, options), options))
        result = _whole_step(run, model, batch, options, machine)
        if before is not None:
            check_finite(before, run.step, run.optimisers[0])
        before = result.loss
        run.step += 1
        run.epoch, run.batch = (batch.epoch + 1, 0) if batch.last else (batch.epoch, batch.number + 1)
        run.sums = run.sums + result.counts if len(run.sums) else result.counts
        if batch.last or checkpoint_due(run.step, options.checkpoint_every):
            check_finite(before, run.step, run.optimisers[0])
        after_step(run, batch, result)
        if has_stalled(run.stalled, options.patience):
            return


def _distributed(network: RetrievalNetwork, machine: Machine) -> nn.Module:
    """The network, wrapped so that its gradients are averaged over the processes where there are several."""
    if machine.place.world == 1:
        return network
    return DistributedDataParallel(network, [machine.device.index] if machine.device.type == "cuda" else None)


def take_step(run: Run, model: nn.Module, batch: Batch, options: TrainOptions, machine: Machine) -> StepResult:
    """Forward, losses, backward; the optimisers are a step of their own, `update`.

    The losses see the outputs of the whole batch: of all its parts (`options.accumulate`) and of all processes. Their
    gradient with respect to this process's outputs is then carried back through the network, part by part. With several
    parts the outputs are computed twice, the first time without keeping what the backward pass needs.
    """
    images = batch.images if bool(batch.valid.all()) else batch.images[batch.valid]  # empty places stay outside
    images = images.to(machine.device, non_blocking=True).contiguous(memory_format=torch.channels_last)
    parts = images.tensor_split(max(1, min(options.accumulate, len(images) // 2)))  # one image has no batch statistics
    seeds = [seed_of(options.seed, batch.epoch, batch.number, i, machine.place.rank) for i in range(len(parts))]
    if len(parts) == 1:
        output = _forward(model, parts[0], seeds[0], machine)
        result, gradients = losses_and_gradients(run, output, batch, machine)
        _backward(output, gradients)
        return result
    with torch.no_grad(), statistics_kept(run.network):
        outputs = [_forward(run.network, part, seed, machine) for part, seed in zip(parts, seeds, strict=True)]
    columns = [None if column[0] is None else torch.cat(column) for column in zip(*outputs, strict=True)]
    whole = Output(*columns)  # type: ignore[arg-type]
    result, gradients = losses_and_gradients(run, whole, batch, machine)
    sizes = [len(part) for part in parts]
    shares = zip(*([None] * len(parts) if g is None else g.split(sizes) for g in gradients), strict=True)
    for i, (part, seed, share) in enumerate(zip(parts, seeds, shares, strict=True)):
        several = isinstance(model, DistributedDataParallel)
        with model.no_sync() if several and i < len(parts) - 1 else nullcontext():  # type: ignore[operator]
            _backward(_forward(model, part, seed, machine), share)
    return result


def _forward(model: nn.Module, images: Tensor, seed: int, machine: Machine) -> Output:
    torch.manual_seed(seed)  # of dropout and the like
    with autocast(machine.precision, machine.device):
        return model(images)


def losses_and_gradients(
    run: Run, output: Output, batch: Batch, machine: Machine
) -> tuple[StepResult, list[Tensor | None]]:
    """Losses over the whole batch, and their gradient with respect to each of this process's outputs.

    Every process computes the same losses from the gathered outputs. DDP will take the mean of the gradients over the
    processes, where their sum is meant: hence the factor `world`.
    """
    world, rank = machine.place.world, machine.place.rank
    here = batch.valid.to(machine.device)
    labels, valid = gather(batch.labels.to(machine.device), world), gather(here, world)
    leaves = [None if o is None else gather(_with_gaps(o.detach(), here), world).requires_grad_() for o in output]
    everything = Output(*leaves)  # type: ignore[arg-type]
    values = [loss(everything, labels, valid) for loss in run.losses]
    total = torch.stack(values).sum()
    run.scaler.scale(total).backward()
    gradients: list[Tensor | None] = []
    for leaf in leaves:
        if leaf is None:
            gradients.append(None)
        else:  # zeros where no loss looks, since DDP waits for every parameter
            whole = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
            gradients.append(whole.tensor_split(world)[rank][here] * world)
    count = valid.sum()
    right = ((everything.logits.argmax(dim=1) == labels) & valid).sum() if everything.logits is not None else 0 * count
    sums = torch.stack([total, *values, *spread(everything.feature, valid)]).detach() * count
    return StepResult(total.detach(), torch.cat([sums, torch.stack([right, count])])), gradients


def _with_gaps(rows: Tensor, valid: Tensor) -> Tensor:
    """Rows put in their places in the batch; zeros in the empty places."""
    if len(rows) == len(valid):
        return rows
    spread = rows.new_zeros(len(valid), *rows.shape[1:])
    spread[valid] = rows
    return spread


def _backward(output: Output, gradients: Sequence[Tensor | None]) -> None:
    pairs = [(o, g) for o, g in zip(output, gradients, strict=True) if o is not None and o.requires_grad]
    torch.autograd.backward([o for o, _ in pairs], [g for _, g in pairs])


def update(run: Run, machine: Machine) -> None:
    """One step of every optimiser, with gradients that are those of the whole batch on every process."""
    for loss in run.losses:
        for parameter in loss.parameters():
            if parameter.grad is not None:
                average_(parameter.grad, machine.place.world)  # equal up to rounding; keeps the processes together
    for optimiser in run.optimisers:
        run.scaler.step(optimiser)
    run.scaler.update()
    for optimiser in run.optimisers:
        optimiser.zero_grad(set_to_none=True)


def _whole_step(run: Run, model: nn.Module, batch: Batch, options: TrainOptions, machine: Machine) -> StepResult:
    """A whole step; if memory does not suffice, the run is put back to where it was."""
    parts = f" in {options.accumulate} parts" if options.accumulate > 1 else ""
    return step_or_back(
        run.network,
        lambda: take_step(run, model, batch, options, machine),
        lambda: update(run, machine),
        f"{machine.device} with {len(batch.images) * machine.place.world} images per batch{parts} at step {run.step}; "
        "lower --batch-products, --batch-images or --input, or raise --accumulate",
    )
