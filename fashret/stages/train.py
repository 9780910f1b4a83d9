"""`fashret train`: crops.h5 → model/.

In: a crops file with rows of the role train. Out: a model folder (`fashret.files.checkpoints`) whose model.json is
written last. A run that is stopped at any moment goes on with --resume and ends with the same weights.
"""

from __future__ import annotations

import dataclasses
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fashret.console import Advance, log, progress
from fashret.errors import FashretError
from fashret.files import hdf5
from fashret.files.checkpoints import (
    CHECKPOINTS,
    DESCRIPTION,
    open_model,
    read_checkpoint,
    write_checkpoint,
    write_model,
)
from fashret.files.crops import Crops, open_crops
from fashret.files.training_log import TrainingLog, read_log
from fashret.learning.augmentation import Augmentation
from fashret.learning.batches import Batching, check_batching
from fashret.learning.interrupts import Held
from fashret.learning.loading import CropsFile, count_workers, load
from fashret.learning.loop import Machine, Run, StepMemoryError, StepResult, checkpoint_due, train
from fashret.learning.losses import parse_losses
from fashret.learning.optimisers import build_optimisers
from fashret.learning.processes import place, together, wait
from fashret.learning.schedules import check_schedule, learning_rate
from fashret.learning.training_rows import Batch, TrainingImages, TrainingRows, requests
from fashret.models.backbones import settings_for
from fashret.models.devices import choose_device, choose_precision
from fashret.models.settings import ModelSettings, parse_input_size
from fashret.models.weights import start
from fashret.options import TrainOptions

LAST = "last.pt"
SECONDS_BETWEEN_NOTES = 0.5
# options that may differ when a run goes on: its steps are the same
FREE = ("resume", "restart", "device", "workers", "tensorboard", "checkpoint_every")


@dataclass(frozen=True)
class TrainSummary:
    """What a training run did."""

    output: Path
    products: int
    images: int
    epochs: int
    steps: int
    loss: float  # mean of the last epoch
    accuracy: float  # share of right answers of the classifier in the last epoch
    seconds: float
    images_per_second: float  # of all processes


@dataclass(frozen=True)
class Task:
    """What is to be trained, on what, where."""

    options: TrainOptions
    output: Path
    machine: Machine
    crops: CropsFile
    rows: TrainingRows
    batching: Batching
    trained_on: dict[str, Any]  # dataset, and name, size and digest of the crops file

    @property
    def checkpoint(self) -> Path:
        return self.output / CHECKPOINTS / LAST

    @property
    def identity(self) -> dict[str, Any]:
        """What must be the same when a run goes on, as JSON holds it."""
        plain = {name: value for name, value in dataclasses.asdict(self.options).items() if name not in FREE}
        return json.loads(json.dumps(plain | {"digest of the crops": self.trained_on["digest"]}))


def run(crops: Path, output: Path, options: TrainOptions) -> TrainSummary | None:
    """Train a network and write its folder.

    Parameters
    ----------
    options
        Resolved: what a recipe says is in them already.

    Returns
    -------
    The summary; None in all processes but the first, if there are several.

    Raises
    ------
    FashretError
        If the crops cannot be trained on, the options make no sense, or the run cannot go on.
    """
    started = time.monotonic()
    check_schedule(options)
    device = choose_device(options.device, place().local_rank)
    with together(device) as here, open_crops(crops) as file:
        task = _task(file, output, options, Machine(device, choose_precision(options.precision, device), here))
        if here.first:
            _check_folder(task)
        if options.resume and not task.checkpoint.exists() and (output / DESCRIPTION).exists():
            _check_same(task, open_model(output).about.get("identity", {}))
            log.info("%s: its training has ended already", output)
            return _summary(task, started, 0) if here.first else None
        wait(here.world)
        state = _begin(task)
        first_step = state.step
        _train(task, state)
        if not here.first:
            return None
        _write_model(task, state)
        return _summary(task, started, state.step - first_step)


def _task(file: Crops, output: Path, options: TrainOptions, machine: Machine) -> Task:
    """Check what can be checked before any work."""
    rows = TrainingRows.of(file)
    batching = Batching(
        options.batch_products, options.batch_images, options.missing, options.same_category, options.seed
    )
    losses = parse_losses(options.loss, 1, 1)
    check_batching(rows.label, batching, machine.place.world, any(loss.needs_pairs for loss in losses))
    if not len(rows.batches(batching, 0, machine.place)):
        raise FashretError(f"{file.path}: its training rows fill no batch; lower --batch-products or --batch-images")
    if options.accumulate < 1 or options.checkpoint_every < 0 or options.validate_every < 0:
        raise FashretError("--accumulate must be at least 1, --checkpoint-every and --validate-every 0 or more")
    height, width = parse_input_size(options.input)
    if 0 < file.size < max(height, width):
        log.warning("%s: crops are %d pixels long, the input %dx%d is larger", file.path, file.size, height, width)
    trained_on = {"dataset": file.dataset, **hdf5.input_record(file.path, file.digest)}
    return Task(options, output, machine, CropsFile.of(file.path), rows, batching, trained_on)


def _check_folder(task: Task) -> None:
    """Make the folder; refuse to throw an unfinished run away."""
    hdf5.check_output(task.output / DESCRIPTION) if task.output.exists() else hdf5.check_output(task.output)
    task.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    if task.options.restart:
        task.checkpoint.unlink(missing_ok=True)
    if task.checkpoint.exists() and not task.options.resume:
        raise FashretError(
            f"{task.output}: holds a run that was interrupted; go on with --resume or throw it away with --restart"
        )


def _check_same(task: Task, before: dict[str, Any]) -> None:
    """Refuse to go on with other options or other crops."""
    now = task.identity
    names = [name for name in sorted(now.keys() | before.keys()) if now.get(name) != before.get(name)]
    if names:
        changes = "; ".join(f"{name} {before.get(name)} → {now.get(name)}" for name in names)
        raise FashretError(f"{task.output}: was begun with other options ({changes}); give the same, or --restart")


def _begin(task: Task) -> Run:
    """The network and all that trains it, as new or as the checkpoint has it."""
    options, machine = task.options, task.machine
    classifier = any(loss.needs_classifier for loss in parse_losses(options.loss, 1, 1))
    settings = _settings(options, len(task.rows.products) if classifier else 0)
    if not machine.place.first:
        wait(machine.place.world)  # the first process fetches the weights
    network = start(settings)
    if machine.place.first:
        wait(machine.place.world)
    if options.sync_bn:
        if machine.device.type != "cuda":
            raise FashretError(f"--sync-bn: only on GPUs, not on {machine.device}")
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    network.to(machine.device).to(memory_format=torch.channels_last)
    losses = parse_losses(options.loss, len(task.rows.products), network.width, options.seed)
    for loss in losses:
        loss.to(machine.device)
    scaler = torch.amp.GradScaler(machine.device.type, enabled=machine.precision == "fp16")
    state = Run(network, losses, build_optimisers(network, losses, options), scaler)
    if task.checkpoint.exists():
        saved = read_checkpoint(task.checkpoint)
        _check_same(task, saved["identity"])
        state.restore(saved["run"])
        log.info("going on after epoch %d, step %d", state.epoch, state.step)
    return state


def _settings(options: TrainOptions, classes: int) -> ModelSettings:
    return settings_for(
        options.backbone,
        options.input,
        weights=options.weights,
        pooling=options.pooling,
        neck=options.neck,
        feature=options.feature,
        dim=options.dim or None,
        fit=options.fit,
        last_stride=options.last_stride,
        classes=classes,
        seed=options.seed,
    )


def _train(task: Task, state: Run) -> None:
    """From where the run is to the end of the last epoch."""
    options, machine = task.options, task.machine
    size = task.batching.images * (task.batching.products or 1)
    steps = len(task.rows.batches(task.batching, 0, machine.place)) * options.epochs
    augmentation = Augmentation(options.flip, options.pad, options.jitter, options.erase)
    images = TrainingImages(task.crops, state.network.settings, augmentation, options.seed)
    wanted = requests(task.rows, task.batching, options.epochs, machine.place, state.epoch, state.batch)
    names = [loss.name for loss in state.losses]
    training_log = TrainingLog(task.output / "log.csv", [*COLUMNS, *names])
    with (
        progress(steps * size, "train", "images", state.step * size) as advance,
        Held("this step and its checkpoint") as held,
    ):
        recorder = _Recorder(task, training_log, advance, held)
        if machine.place.first:
            training_log.begin(state.step)
        try:
            batches = load(images, wanted, count_workers(options.workers), machine.device)
            train(state, batches, options, machine, recorder.after_step)
        except StepMemoryError:
            if machine.place.first:
                save(task, state)
            raise


COLUMNS = ("epoch", "step", "learning_rate", "images_per_second", "seconds", "accuracy", "loss")


class _Recorder:
    """What happens between two steps: progress, the log, checkpoints."""

    def __init__(self, task: Task, training_log: TrainingLog, advance: Advance, held: Held) -> None:
        self.task, self.log, self.advance, self.held = task, training_log, advance, held
        self.since = self.noted = time.monotonic()
        self.note = ""

    def after_step(self, run: Run, batch: Batch, result: StepResult) -> None:
        now = time.monotonic()
        run.seconds += now - self.since
        self.since = now
        first = self.task.machine.place.first
        if now - self.noted > SECONDS_BETWEEN_NOTES:  # reading a number off a GPU waits for it
            self.noted = now
            means = _means(run)
            self.note = f"epoch {batch.epoch + 1}/{self.task.options.epochs}, loss {means['loss']:.3f}"
            if run.network.classifier is not None:
                self.note += f", accuracy {means['accuracy']:.1%}"
        self.advance(len(batch.labels) * self.task.machine.place.world, self.note)
        if batch.last:
            self._end_epoch(run, batch.epoch)
        stopping = self.held.caught is not None
        if first and (batch.last or stopping or checkpoint_due(run.step, self.task.options)):
            save(self.task, run)
        if stopping:
            self.held.release()

    def _end_epoch(self, run: Run, epoch: int) -> None:
        means = _means(run)
        line = {
            "epoch": epoch,
            "step": run.step,
            "learning_rate": learning_rate(epoch, self.task.options),
            "images_per_second": means.pop("images") / run.seconds,
            "seconds": run.seconds,
            **means,
        }
        if self.task.machine.place.first:
            self.log.append(line)
        run.sums, run.seconds = torch.zeros(0), 0.0


def _means(run: Run) -> dict[str, float]:
    """Mean losses and accuracy of the epoch so far, and the number of images."""
    total, *parts, right, count = run.sums.tolist()
    named = {loss.name: value / count for loss, value in zip(run.losses, parts, strict=True)}
    accuracy = right / count if run.network.classifier is not None else float("nan")
    return {"loss": total / count, **named, "accuracy": accuracy, "images": count}


def save(task: Task, run: Run) -> None:
    """Write the checkpoint."""
    write_checkpoint(task.checkpoint, {"identity": task.identity, "run": run.state()})


def _write_model(task: Task, run: Run) -> None:
    """Write the model folder's final files, model.json last; the checkpoint has done its work then."""
    about = {
        "settings": run.network.settings.to_dict(),
        "classes": list(task.rows.products) if run.network.classifier is not None else [],
        "options": dataclasses.asdict(task.options),
        "trained_on": task.trained_on,
        "precision": task.machine.precision,
        "epochs": run.epoch,
        "steps": run.step,
        "identity": task.identity,
    }
    write_model(task.output, run.network.state_dict(), about)
    task.checkpoint.unlink(missing_ok=True)


def _summary(task: Task, started: float, steps: int) -> TrainSummary:
    lines = read_log(task.output / "log.csv")
    last = lines[-1]
    seconds = time.monotonic() - started
    return TrainSummary(
        output=task.output,
        products=len(task.rows.products),
        images=len(task.rows.row),
        epochs=int(last["epoch"]) + 1,
        steps=int(last["step"]),
        loss=float(last["loss"]),
        accuracy=float(last["accuracy"]),
        seconds=seconds,
        images_per_second=float(last["images_per_second"]),
    )
