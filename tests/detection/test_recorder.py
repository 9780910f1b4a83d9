"""What is recorded between two steps: the log, the best weights, checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fashret.detection.loop import Learning, Run
from fashret.detection.recorder import SCORES, Recorder, StalledError
from fashret.detection.samples import Batch
from fashret.detection.task import Task, begin
from fashret.errors import FashretError
from fashret.files.models import read_tensors, read_training_state
from fashret.files.training_log import read_log
from fashret.learning.interrupts import Held
from tests.detection.test_task import task_of
from tests.detector_case import draw, tiny

LEARNING = Learning(("a", "b"), lambda epoch, step: 0.1, 0, 3)


def recorded(
    tmp_path: Path, scores: list[float], epochs: int = 3, **changes: Any
) -> tuple[Recorder, Run, list[tuple[int, str]]]:
    """A run of two steps an epoch whose validations give these values of mAP."""
    task = task_of(draw(tmp_path / "photos"), tiny(**changes))
    task.last.parent.mkdir(parents=True)
    run, _ = begin(task)
    told: list[tuple[int, str]] = []
    values = iter(scores)
    validate = lambda run: dict.fromkeys(SCORES, 0.0) | {"mAP": next(values)}  # noqa: E731
    with Held("x") as held:
        keeper = Recorder(task, run, LEARNING, lambda units=1, note="": told.append((units, note)), held, validate)
        for step in range(2 * epochs):
            run.step += 1
            batch = Batch([], step // 2, step % 2, bool(step % 2), 4)
            run.epoch, run.batch = (batch.epoch + 1, 0) if batch.last else (batch.epoch, 1)
            sums = [12.0, 4.0, 4.0]
            run.sums = run.sums.new_tensor(sums) * (2 if batch.last else 1)
            keeper.after_step(run, batch)
    return keeper, run, told


def test_the_log_has_a_line_an_epoch_with_means_and_scores(tmp_path: Path) -> None:
    keeper, run, told = recorded(tmp_path, [0.1, 0.3, 0.2])
    lines = read_log(keeper.task.output / "log.csv")
    assert [(line["epoch"], line["step"], line["loss"], line["a"]) for line in lines] == [
        (str(i), str(2 * i), "4", "3") for i in (1, 2, 3)
    ]
    assert [float(line["mAP"]) for line in lines] == [0.1, 0.3, 0.2] and {units for units, _ in told} == {4}
    assert run.best["mAP"] == 0.3 and run.best["epoch"] == 2 and run.stalled == 1
    assert read_tensors(keeper.task.best)[1]["step"] == 4
    assert read_training_state(keeper.task.last)["run"]["step"] == 6


def test_validations_without_a_better_score_end_the_run(tmp_path: Path) -> None:
    with pytest.raises(StalledError):
        recorded(tmp_path, [0.3, 0.2, 0.3, 0.4], 4, patience=2)


def test_validation_that_fails_keeps_what_was_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Recorder, run: Run) -> dict[str, float]:
        raise FashretError("out of memory")

    states: list[int] = []
    monkeypatch.setattr(Task, "save", lambda task, run: states.append(run.step))
    task = task_of(draw(tmp_path / "photos"))
    run, _ = begin(task)
    task.output.mkdir()
    with Held("x") as held:
        keeper = Recorder(task, run, LEARNING, lambda units=1, note="": None, held, lambda run: fail(keeper, run))
        run.step, run.sums = 2, run.sums.new_tensor([1.0, 1, 1])
        with pytest.raises(FashretError, match="out of memory"):
            keeper.after_step(run, Batch([], 0, 1, True, 4))
    assert states == [2] and len(run.sums) == 0
