"""What happens between two steps of a detector: progress, validation, the log, checkpoints.

In: the run after each step. Out: a progress bar, log.csv, checkpoints/last.pt, best.safetensors.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from fashret.console import Advance, noted_if_stopped
from fashret.detection.loop import Learning, Run
from fashret.errors import FashretError
from fashret.files.training_log import TrainingLog
from fashret.learning.interrupts import Held
from fashret.learning.steps import checkpoint_due, has_stalled, validation_due
from fashret.loading.processes import gather

if TYPE_CHECKING:
    from fashret.detection.samples import Batch
    from fashret.detection.task import Task

COLUMNS = ("epoch", "step", "learning_rate", "images_per_second", "seconds", "loss")
SCORES = ("mAP", "AP50", "AP75", "recall")
SECONDS_BETWEEN_NOTES = 0.5

Validate = Callable[[Run], dict[str, float]]


class StalledError(Exception):
    """So many validations were no better that training stops early."""


class Recorder:
    """Records one training run.

    Parameters
    ----------
    validate
        Gives the validation scores by name (`SCORES`); None: there is nothing to validate on. The first process
        calls it.
    """

    def __init__(
        self, task: Task, run: Run, learning: Learning, advance: Advance, held: Held, validate: Validate | None
    ) -> None:
        self.task, self.learning, self.advance, self.held, self.validate = task, learning, advance, held, validate
        self.first = task.machine.place.first
        self.log = TrainingLog(task.output / "log.csv", [*COLUMNS, *learning.losses, *(SCORES if validate else ())])
        if self.first:
            self.log.begin(run.step)
        self.since = self.noted = time.monotonic()
        self.note = ""

    def after_step(self, run: Run, batch: Batch) -> None:
        """To be called after each step; raises `StalledError` when training is to stop early."""
        now = time.monotonic()
        run.seconds += now - self.since
        if now - self.noted > SECONDS_BETWEEN_NOTES:  # reading a number off a GPU waits for it
            self.noted = now
            self.note = f"epoch {batch.epoch + 1}/{self.task.options.epochs}, loss {self._means(run)['loss']:.3f}"
        self.advance(batch.photos, self.note)
        if batch.last:
            self._end_epoch(run, batch.epoch)
        stopping = self.held.caught is not None
        if self.first and (batch.last or stopping or checkpoint_due(run.step, self.learning.checkpoint_every)):
            self.task.save(run)
        if stopping:
            with noted_if_stopped(lambda: f"stopped after step {run.step}; --resume continues from there"):
                self.held.release()
        if has_stalled(run.stalled, self.task.options.patience):
            raise StalledError
        self.since = time.monotonic()

    def _means(self, run: Run) -> dict[str, float]:
        *losses, count = run.sums.tolist()
        named = {name: value / count for name, value in zip(self.learning.losses, losses, strict=True)}
        return {"loss": sum(losses) / count, **named, "photos": count}

    def _end_epoch(self, run: Run, epoch: int) -> None:
        means, options = self._means(run), self.task.options
        line: dict[str, Any] = {
            "epoch": epoch + 1,  # people count from 1
            "step": run.step,
            "learning_rate": run.optimiser.param_groups[0]["lr"],
            "images_per_second": means.pop("photos") / max(run.seconds, 1e-9),
            "seconds": run.seconds,
            **means,
        }
        due = validation_due(epoch, options.validate_every, options.epochs)
        if self.validate is not None and due:
            if self.first:
                scores = self._validated(run)
                line |= scores
                self.task.keep_best(run, scores, "mAP")
            world = self.task.machine.place.world
            run.stalled = int(gather(torch.tensor([run.stalled], device=self.task.machine.device), world)[0])
        if self.first:
            self.log.append(line)
        run.sums, run.seconds = torch.zeros(0), 0.0

    def _validated(self, run: Run) -> dict[str, float]:
        assert self.validate is not None
        try:
            return self.validate(run)
        except FashretError:  # memory: what was trained is kept
            run.sums, run.seconds = torch.zeros(0), 0.0
            self.task.save(run)
            raise
