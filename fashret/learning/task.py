"""What is to be trained, on what, where, and whether a run can be resumed.

In: options and a crops file. Out: a `Task`, the run that it begins or resumes, or one line that says why it cannot.
"""

from __future__ import annotations

import dataclasses
import json
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fashret.console import log
from fashret.errors import FashretError
from fashret.files.crops import Crops
from fashret.files.digests import Content
from fashret.files.embeddings import recorded
from fashret.files.models import MODEL, read_training_state
from fashret.files.resume import check_flags, check_same_task
from fashret.learning.augmentation import Augmentation
from fashret.learning.batches import Batching, check_batching
from fashret.learning.checkpoints import Checkpoints
from fashret.learning.loop import Run
from fashret.learning.losses import parse_losses, parse_spec
from fashret.learning.optimisers import build_optimisers
from fashret.learning.schedules import check_schedule
from fashret.learning.steps import Machine
from fashret.learning.training_folder import training_folder
from fashret.learning.training_rows import TrainingRows
from fashret.learning.validation import Validation, held_out, sampled, validation_of, validation_rows
from fashret.loading.batches import CropsFile
from fashret.loading.processes import wait
from fashret.models.backbones import settings_for
from fashret.models.settings import ModelSettings
from fashret.models.weights import start
from fashret.options import TrainOptions, check_last_stride

DIGEST = "digest of the crops"
# options that may differ when a run is resumed: its steps are the same. A recipe is the values that it sets
FREE = ("recipe", "resume", "restart", "device", "workers", "threads", "tensorboard", "checkpoint_every")


@dataclass(frozen=True)
class Task(Checkpoints):
    """One training run, as it was asked for."""

    options: TrainOptions
    output: Path
    machine: Machine
    crops: CropsFile
    rows: TrainingRows
    validation: Validation | None  # what is validated on, if anything
    held_out: tuple[str, ...]  # products kept from training for that
    batching: Batching
    augmentation: Augmentation
    content: Content  # of the crops file
    trained_on: dict[str, Any]  # dataset, images per product, and name, size and digest of the crops file
    crop_size: int  # longer side of the crops in pixels; 0 = unknown

    @property
    def identity(self) -> dict[str, Any]:
        """What must be the same when a run is resumed, as JSON holds it."""
        plain = {name: value for name, value in dataclasses.asdict(self.options).items() if name not in FREE}
        plain = recorded(plain, self.output / "model.json")
        return json.loads(json.dumps(plain | {DIGEST: self.trained_on["digest"]}))


def make_task(file: Crops, output: Path, options: TrainOptions, machine: Machine) -> Task:
    """Check what can be checked before any work.

    Raises
    ------
    FashretError
        If options make no sense, or the crops file has too little to train on.
    """
    check_schedule(options)
    check_last_stride(options)
    rows, validation, held_out = _rows(file, options)
    batching = Batching(
        options.batch_products, options.batch_images, options.missing, options.same_category, options.seed
    )
    needs_pairs = any(loss.needs_pairs for loss in parse_losses(options.loss, 1, 1))
    check_batching(rows.label, batching, machine.place.world, needs_pairs)
    if not rows.batches(batching, 0, machine.place):
        raise FashretError(f"{file.path}: its training rows fill no batch; lower --batch-products or --batch-images")
    options = _with_whole_epochs(options, rows, batching, machine)
    if options.sync_bn and machine.device.type != "cuda":
        raise FashretError(f"--sync-bn: only on GPUs, not on {machine.device}")
    check_flags(options.resume, options.restart)
    augmentation = Augmentation(options.flip, options.pad, options.jitter, options.erase)
    images = rows.images_per_product
    trained_on = {"dataset": file.dataset, **file.content.record(), "images_per_product": images}
    file_now = CropsFile.of(file.path)
    return Task(
        options, output, machine, file_now, rows, validation, held_out, batching, augmentation, file.content,
        trained_on, file.size,
    )  # fmt: skip


def _with_whole_epochs(options: TrainOptions, rows: TrainingRows, batching: Batching, machine: Machine) -> TrainOptions:
    """Where steps are to be reached: the epochs that it takes, and the steps that these have."""
    if not options.total_steps:
        return options
    steps = epochs = 0
    while steps < options.total_steps:
        steps += len(rows.batches(batching, epochs, machine.place))
        epochs += 1
    return dataclasses.replace(options, epochs=epochs, total_steps=steps)


def _rows(file: Crops, options: TrainOptions) -> tuple[TrainingRows, Validation | None, tuple[str, ...]]:
    """What is trained on, what is validated on, and the products that were held out for it."""
    rows = TrainingRows.of(file)
    if not options.validate_every:
        return rows, None, ()
    validation = validation_rows(file)
    if validation is not None:
        return rows, validation, ()
    products = held_out(rows.label, options.holdout, options.seed)
    if len(products):
        rows, held = rows.parted(products)
        kind = f"{len(products):,} products held out"
        return rows, validation_of(held.row, held.label, held.domain, kind), held.products
    reason = (
        "too few products of two images to hold any out" if options.holdout else "no validation query has a positive"
    )
    if len(products := sampled(rows.label, options.seed)) < 2:
        log.warning("%s: %s, and nothing tells whether the model is better than its start", file.path, reason)
        return rows, None, ()
    _, some = rows.parted(products)
    kind = f"{len(products):,} of the products trained on"
    log.info("%s: %s; the last weights are kept, and compared with the first on %s", file.path, reason, kind)
    return rows, validation_of(some.row, some.label, some.domain, kind, trained_on=True), ()


def model_folder(task: Task) -> AbstractContextManager[None]:
    """Make the model folder, and be the only training in it; see `training_folder`."""
    return training_folder(task.output, MODEL, resume=task.options.resume, restart=task.options.restart)


def check_same(task: Task, before: dict[str, Any]) -> None:
    """Refuse to resume with other options or other crops; `before` is the `identity` of the run that was begun."""
    older = json.loads(json.dumps(dataclasses.asdict(TrainOptions())))  # of options that an older version lacked
    options = {name: before.get(name, older[name]) for name in older if name not in FREE}
    options |= {name: value for name, value in before.items() if name not in (DIGEST, *FREE)}
    options_now = {name: value for name, value in task.identity.items() if name != DIGEST}
    if "holdout" not in before:  # a run of version 0.1
        meant = [_as_in_0_1(text) for text in options["loss"]]
        if list(map(parse_spec, meant)) != list(map(parse_spec, options_now["loss"])):
            options["loss"] = meant
        else:
            options["loss"] = options_now["loss"]
    check_same_task(
        task.output,
        {DIGEST: before.get(DIGEST), "options": options},
        {DIGEST: task.content, "options": options_now},
    )


def _as_in_0_1(loss: str) -> str:
    """A loss with the keys spelled out whose defaults were others in version 0.1."""
    name, _, keys = loss.partition(":")
    return f"{name}:margin1=1.0,margin2=0.5,normalise=no,{keys}".rstrip(",") if name == "quadruplet" else loss


def begin(task: Task) -> Run:
    """The network and all that trains it, as new or as the last checkpoint has it.

    Raises
    ------
    FashretError
        If the first weights are not available, or the checkpoint is damaged or another task's.
    """
    options, machine = task.options, task.machine
    saved = read_training_state(task.last) if task.last.exists() else None
    if saved is not None:
        check_same(task, saved["identity"])
    losses = parse_losses(options.loss, 1, 1)
    classes = len(task.rows.products) if any(loss.needs_classifier for loss in losses) else 0
    if not machine.place.first:
        wait(machine.place.world)  # while the first process fetches the weights
    network = start(network_settings(options, classes))
    if machine.place.first:
        wait(machine.place.world)
    if options.sync_bn:
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    network.to(machine.device).to(memory_format=torch.channels_last)
    losses = parse_losses(options.loss, len(task.rows.products), network.width, options.seed)
    for loss in losses:
        loss.to(machine.device)
    scaler = torch.amp.GradScaler(machine.device.type, enabled=machine.precision == "fp16")
    run = Run(network, losses, build_optimisers(network, losses, options), scaler)
    if saved is not None:
        run.restore(saved["run"])
        epoch = min(run.epoch + 1, options.epochs)  # the last one may lack no more than its model
        log.info("%s: resuming after step %d, in epoch %d", task.output, run.step, epoch)
    return run


def network_settings(options: TrainOptions, classes: int) -> ModelSettings:
    """The network that the options describe."""
    names = ("weights", "pooling", "neck", "feature", "fit", "last_stride", "seed")
    choices = {name: getattr(options, name) for name in names}
    return settings_for(options.backbone, options.input, dim=options.dim or None, classes=classes, **choices)
