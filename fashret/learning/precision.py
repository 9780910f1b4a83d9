"""The arithmetic that a training takes if none was asked for: bf16 or float32, whichever is faster on its first batch.

Hardware that multiplies bf16 can still be slower with it: what a network spends its time on may have no fast form, such
as the depthwise convolutions of small networks on a CPU. In: a task and its run. Out: the task with the arithmetic
settled; the run remembers it, so that a resumed one takes the same. Network and run are left as they were.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace

import torch
from torch import Tensor

from fashret.console import log
from fashret.learning.loop import Run
from fashret.learning.modes import set_modes, statistics_kept
from fashret.learning.steps import Machine
from fashret.learning.task import Task
from fashret.learning.training_rows import TrainingImages, requests
from fashret.loading.processes import gather
from fashret.models.devices import autocast, is_out_of_memory
from fashret.models.network import RetrievalNetwork

KINDS = ("bf16", "float32")
ROUNDS = 3  # the first of which only warms up
IMAGES = 16  # of the batch, that are enough for a CPU


def settle_precision(task: Task, run: Run) -> Task:
    """The task, computing as the run did before, or as is faster."""
    if task.options.precision != "auto" or task.machine.precision not in KINDS[:1]:
        return task
    if run.step and not run.precision:  # of a version that did not measure
        run.precision = task.machine.precision
    if not run.precision:
        set_modes(run.network, run.epoch, task.options)
        seconds = measured(run.network, _first_images(task, run), task.machine)
        run.precision = min(KINDS, key=lambda kind: seconds[kind])
        ratio = seconds["float32"] / seconds["bf16"]
        log.info("%s: bf16 computes %.2f times as fast as float32 on the first batch", run.precision, ratio)
    return replace(task, machine=replace(task.machine, precision=run.precision))


def measured(network: RetrievalNetwork, images: Tensor, machine: Machine) -> dict[str, float]:
    """Seconds that each kind takes for a pass to and fro: the best of several, of all processes together."""
    images = images.to(machine.device).contiguous(memory_format=torch.channels_last)
    best = dict.fromkeys(KINDS, math.inf)
    with statistics_kept(network):
        for number in range(ROUNDS):
            for kind in KINDS:
                seconds = seconds_of(network, images, replace(machine, precision=kind))
                best[kind] = min(best[kind], seconds if number else math.inf)
    network.zero_grad(set_to_none=True)
    mine = torch.tensor([list(best.values())], dtype=torch.float64, device=machine.device)
    return dict(zip(KINDS, gather(mine, machine.place.world).sum(dim=0).tolist(), strict=True))


def seconds_of(network: RetrievalNetwork, images: Tensor, machine: Machine) -> float:
    """Of one pass to and fro; infinite if memory does not suffice."""
    started = time.perf_counter()
    try:
        with autocast(machine.precision, machine.device):
            outputs = network(images)
        total = torch.stack([output.float().sum() for output in outputs if output is not None and output.requires_grad])
        total.sum().backward()
        float(total.detach()[0])  # waits for a GPU
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return math.inf
    return time.perf_counter() - started


def _first_images(task: Task, run: Run) -> Tensor:
    """Images of the batch that comes next, as many as one pass computes."""
    images = TrainingImages(task.crops, run.network.settings, task.augmentation, task.options.seed)
    place = task.machine.place
    try:
        batch = images[next(requests(task.rows, task.batching, task.options.epochs, place, run.epoch, run.batch))]
    finally:
        images.close()
    there = batch.images[batch.valid]
    part = there.tensor_split(max(1, min(task.options.accumulate, len(there) // 2)))[0]
    return part[:IMAGES] if task.machine.device.type == "cpu" else part
