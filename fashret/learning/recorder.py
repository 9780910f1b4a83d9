"""What happens between two steps: progress, validation, the log, checkpoints.

In: the run after each step. Out: a progress bar, log.csv, TensorBoard events, checkpoints/last.pt, best.safetensors.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from fashret.console import Advance, log, noted_if_stopped
from fashret.errors import FashretError
from fashret.files.training_log import TrainingLog
from fashret.learning.batches import Batch
from fashret.learning.health import FIRST_STEPS, collapse, nothing_to_learn, outweighing
from fashret.learning.interrupts import Held
from fashret.learning.loop import Run, StepResult
from fashret.learning.steps import checkpoint_due, validation_due
from fashret.learning.task import Task
from fashret.loading.processes import gather
from fashret.models.devices import is_out_of_memory

COLUMNS = ("epoch", "step", "learning_rate", "images_per_second", "seconds", "norm", "distance", "accuracy", "loss")
SECONDS_BETWEEN_NOTES = 0.5
VALIDATION_BATCH = 64  # crops that validation embeds at a time

Validate = Callable[[Run], dict[str, float]]


class Recorder:
    """Records one training run: progress, log, validation, checkpoints.

    Parameters
    ----------
    validate
        Gives the validation scores by name (`scores`); None: there is nothing to validate on. Every process calls it.
    """

    def __init__(
        self, task: Task, run: Run, advance: Advance, held: Held, validate: Validate | None, scores: Sequence[str]
    ) -> None:
        self.task, self.advance, self.held, self.validate = task, advance, held, validate
        self.first = task.machine.place.first
        self.only_ends = task.validation is not None and task.validation.trained_on
        shown = scores if validate and not self.only_ends else ()
        columns = [*COLUMNS, *(loss.name for loss in run.losses), *shown]
        self.log = TrainingLog(task.output / "log.csv", columns)
        if self.first:
            self.log.begin(run.step)
        self.events = events_writer(task, run.step) if task.options.tensorboard and self.first else None
        self.since = self.noted = time.monotonic()
        self.note = ""

    def start(self, run: Run) -> None:
        """Before the first step: the scores that training has to beat."""
        if self.validate is not None and not run.step:
            with self._kept_if_out_of_memory(run):
                run.start = self.validate(run)
        self.since = time.monotonic()

    def end(self, run: Run) -> None:
        """After the last step: the scores of the weights, where they are compared with the first ones only."""
        if self.validate is not None and self.only_ends:
            with self._kept_if_out_of_memory(run):
                run.best = {**self.validate(run), "epoch": run.epoch, "step": run.step}

    def after_step(self, run: Run, batch: Batch, result: StepResult) -> None:
        """To be called after each step."""
        now = time.monotonic()
        run.seconds += now - self.since
        if now - self.noted > SECONDS_BETWEEN_NOTES:  # reading a number off a GPU waits for it
            self.noted = now
            self.note = self._note(run, batch)
        self._look(run, batch)
        self.advance(len(batch.labels) * self.task.machine.place.world, self.note)
        if batch.last:
            with self._kept_if_out_of_memory(run):
                self._end_epoch(run, batch.epoch)
        stopping = self.held.caught is not None
        if self.first and (batch.last or stopping or checkpoint_due(run.step, self.task.options.checkpoint_every)):
            self.task.save(run)
        if stopping:
            with noted_if_stopped(
                lambda: f"stopped after step {run.step}; --resume continues from there{self._so_far(run)}"
            ):
                self.held.release()
        self.since = time.monotonic()

    def _look(self, run: Run, batch: Batch) -> None:
        """Warn of a loss that outweighs the others after the first steps, and of a collapse at the end of an epoch."""
        means = epoch_means(run) if run.step in (1, FIRST_STEPS) or batch.last else {}
        if run.step == 1:
            run.distance = means["distance"]
            if self.first and (said := nothing_to_learn(means)):
                log.warning("%s", said)
        if run.step == FIRST_STEPS and self.first and (said := outweighing(run.losses, means)):
            log.warning("%s", said)
        if batch.last and self.first:
            labels = batch.labels[batch.valid].to(self.task.machine.device)
            if said := collapse(run.losses, means, run.distance, labels):
                log.warning("epoch %d: %s", batch.epoch + 1, said)

    @contextmanager
    def _kept_if_out_of_memory(self, run: Run) -> Iterator[None]:
        """Save what was trained if there is no memory left to validate it."""
        try:
            yield
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            run.sums, run.seconds = torch.zeros(0), 0.0
            if self.first:
                self.task.save(run)
            raise FashretError(
                f"out of memory on {self.task.machine.device} while validating after step {run.step}, with "
                f"{VALIDATION_BATCH} crops per batch; free memory there, or give --validate-every 0 to a new run. "
                "What was trained is kept: --resume continues"
            ) from error

    def _note(self, run: Run, batch: Batch) -> str:
        means = epoch_means(run)
        note = f"epoch {batch.epoch + 1}/{self.task.options.epochs}, loss {means['loss']:.3f}"
        if len(run.losses) > 1:
            note += f" ({', '.join(f'{loss.name} {means[loss.name]:.3f}' for loss in run.losses)})"
        return note if run.network.classifier is None else f"{note}, accuracy {means['accuracy']:.1%}"

    def _so_far(self, run: Run) -> str:
        """Whether the best weights so far are worse than the first ones."""
        chosen = self.task.options.best
        if not run.best or not run.start or run.best[chosen] >= run.start[chosen]:
            return ""
        return f" (worse than its start so far: {chosen} {run.best[chosen]:.4f}, at first {run.start[chosen]:.4f})"

    def _end_epoch(self, run: Run, epoch: int) -> None:
        self.task.crops.check()
        means = epoch_means(run)
        options = self.task.options
        line: dict[str, Any] = {
            "epoch": epoch + 1,  # people count from 1
            "step": run.step,
            "learning_rate": run.optimisers[0].param_groups[0]["lr"],
            "images_per_second": means.pop("images") / max(run.seconds, 1e-9),
            "seconds": run.seconds,
            **means,
        }
        due = validation_due(epoch, options.validate_every, options.epochs)
        if self.validate is not None and due and not self.only_ends:
            scores = self.validate(run)
            line |= scores
            if self.first:
                self.task.keep_best(run, scores, options.best)
            if options.patience:  # the first process has the scores
                stalled = torch.tensor([run.stalled], device=self.task.machine.device)
                run.stalled = int(gather(stalled, self.task.machine.place.world)[0])
        if self.first:
            self.log.append(line)
            said = ", ".join(f"{name} {line[name]:.4g}" for name in self.log.columns[5:] if name in line)
            log.debug("epoch %d: %s", epoch + 1, said)
            self._write_events(line)
        run.sums, run.seconds = torch.zeros(0), 0.0

    def _write_events(self, line: dict[str, Any]) -> None:
        if self.events is not None:
            for name, value in line.items():
                if name not in ("epoch", "step"):
                    self.events.add_scalar(name, value, line["step"])
            self.events.flush()

    def close(self) -> None:
        """End the TensorBoard events."""
        if self.events is not None:
            self.events.close()


def epoch_means(run: Run) -> dict[str, float]:
    """Mean losses, norm, distance and accuracy of the epoch so far, and its number of images."""
    total, *parts, norm, distance, right, count = run.sums.tolist()
    named = {loss.name: value / count for loss, value in zip(run.losses, parts, strict=True)}
    accuracy = right / count if run.network.classifier is not None else float("nan")
    spread = {"norm": norm / count, "distance": distance / count}
    return {"loss": total / count, **named, **spread, "accuracy": accuracy, "images": count}


def events_writer(task: Task, step: int) -> Any:
    """TensorBoard's writer into the model folder; events after `step` of an interrupted run are removed.

    Raises
    ------
    FashretError
        If TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise FashretError("--tensorboard: TensorBoard is not installed; pip install 'fashret[tensorboard]'") from None
    return SummaryWriter(str(task.output), purge_step=step + 1)
