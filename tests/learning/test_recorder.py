"""What is recorded between two steps: means of an epoch, when validation is due, the best weights, checkpoints."""

from __future__ import annotations

import csv
import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from fashret.errors import FashretError
from fashret.files import models
from fashret.files.crops import open_crops
from fashret.learning import task as tasks
from fashret.learning.batches import Batch
from fashret.learning.interrupts import Held
from fashret.learning.loop import Run, StepResult
from fashret.learning.recorder import Recorder, epoch_means, events_writer
from fashret.learning.steps import Machine
from tests.training_case import add_tiny_backbone, tiny_options, write_training_crops

SCORES = ("mAP", "Acc@1")


@pytest.fixture(autouse=True)
def tiny() -> None:
    add_tiny_backbone()


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[Any]:
    """begun(**options) → the task and its run, in a folder that is there."""
    crops = write_training_crops(tmp_path / "a.crops.h5")

    def begin(**changes: Any) -> tuple[tasks.Task, Run]:
        with open_crops(crops) as file:
            task = tasks.make_task(file, tmp_path / "m", tiny_options(**changes), Machine(torch.device("cpu")))
        task.last.parent.mkdir(parents=True)
        return task, tasks.begin(task)

    yield begin


def batch(epoch: int, number: int, last: bool) -> Batch:
    return Batch(epoch, number, last, torch.zeros(2, 3, 16, 16), torch.zeros(2, dtype=torch.int64),
                 torch.ones(2, dtype=torch.bool))  # fmt: skip


RESULT = StepResult(torch.zeros(()), torch.zeros(8))


def record(recorder: Recorder, run: Run, epochs: int) -> None:
    """Two steps an epoch, each with two images, of which one is right, and losses of 1, 2 and 3."""
    for epoch in range(epochs):
        for number in range(2):
            run.step += 1
            run.epoch, run.batch = (epoch + 1, 0) if number else (epoch, 1)
            counts = torch.tensor([12.0, 2.0, 4.0, 6.0, 10.0, 3.0, 1.0, 2.0])
            run.sums = counts + (run.sums if len(run.sums) else 0)
            recorder.after_step(run, batch(epoch, number, number == 1), RESULT)


def lines_of(task: tasks.Task) -> list[dict[str, str]]:
    with (task.output / "log.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_means_are_of_the_images_so_far(begun: Any) -> None:
    _, run = begun()
    run.sums = torch.tensor([12.0, 2.0, 4.0, 6.0, 10.0, 3.0, 1.0, 2.0])
    expected = {"loss": 6.0, "softmax": 1.0, "triplet": 2.0, "center": 3.0, "accuracy": 0.5, "images": 2.0}
    assert epoch_means(run) == expected | {"norm": 5.0, "distance": 1.5}
    run.network.classifier = None
    assert epoch_means(run)["accuracy"] != epoch_means(run)["accuracy"]  # NaN: there is nothing to be right about


def test_each_epoch_is_a_line_and_the_sums_start_over(begun: Any) -> None:
    task, run = begun(epochs=2)
    told: list[int] = []
    recorder = Recorder(task, run, lambda count, note="": told.append(count), Held("", active=False), None, SCORES)
    record(recorder, run, 2)
    assert told == [2] * 4 and not len(run.sums) and run.seconds == 0.0
    lines = lines_of(task)
    assert [(line["epoch"], line["step"]) for line in lines] == [("1", "2"), ("2", "4")]
    assert {float(line["loss"]) for line in lines} == {6.0} and {float(line["accuracy"]) for line in lines} == {0.5}
    assert "mAP" not in lines[0]  # nothing to validate on


@pytest.mark.parametrize(("every", "due"), [(0, []), (1, [1, 2, 3]), (2, [2, 3]), (5, [3])])
def test_validation_is_due_every_so_often_and_at_the_end(begun: Any, every: int, due: list[int]) -> None:
    task, run = begun(epochs=3, validate_every=every)
    seen: list[int] = []

    def validate(run: Run) -> dict[str, float]:
        seen.append(run.step // 2)
        return {"mAP": 0.5, "Acc@1": 0.25}

    record(Recorder(task, run, lambda *_: None, Held("", active=False), validate, SCORES), run, 3)
    assert seen == due
    assert [int(line["epoch"]) for line in lines_of(task) if line["mAP"]] == due


def test_the_best_weights_are_those_of_the_first_best_score(begun: Any) -> None:
    task, run = begun(epochs=3, validate_every=1)
    scores = iter([0.2, 0.6, 0.6])

    def validate(run: Run) -> dict[str, float]:
        return {"mAP": next(scores), "Acc@1": 0.0}

    record(Recorder(task, run, lambda *_: None, Held("", active=False), validate, SCORES), run, 3)
    assert run.best == {"mAP": 0.6, "Acc@1": 0.0, "epoch": 2, "step": 4}
    assert models.read_tensors(task.best)[1]["epoch"] == 2


def test_checkpoints_are_written_every_so_many_steps_and_at_the_end_of_an_epoch(begun: Any) -> None:
    task, run = begun(checkpoint_every=3)
    recorder = Recorder(task, run, lambda *_: None, Held("", active=False), None, SCORES)
    steps = []
    for number in range(4):
        task.last.unlink(missing_ok=True)
        run.step += 1
        run.sums = torch.ones(8)
        recorder.after_step(run, batch(0, number, number == 3), RESULT)
        steps.append(task.last.exists())
    assert steps == [False, False, True, True]


def test_a_caught_signal_acts_once_the_checkpoint_is_written(begun: Any, caplog: pytest.LogCaptureFixture) -> None:
    task, run = begun(checkpoint_every=0)
    held = Held("")
    held.caught = 2  # SIGINT, as the handler notes it
    recorder = Recorder(task, run, lambda *_: None, held, None, SCORES)
    run.step, run.sums = 1, torch.ones(8)
    with pytest.raises(KeyboardInterrupt):
        recorder.after_step(run, batch(0, 0, False), RESULT)
    assert models.read_training_state(task.last)["run"]["step"] == 1 and "stopped after step 1" in caplog.text


@pytest.mark.parametrize(
    ("best", "said"),
    [({}, ""), ({"mAP": 0.5}, ""), ({"mAP": 0.25}, " (worse than its start so far: mAP 0.2500, at first 0.5000)")],
)
def test_a_run_that_is_stopped_says_whether_it_is_worse_so_far(
    begun: Any, caplog: pytest.LogCaptureFixture, best: dict[str, float], said: str
) -> None:
    task, run = begun(best="mAP")
    held = Held("")
    held.caught = 2
    run.step, run.sums, run.best, run.start = 1, torch.ones(8), best, {"mAP": 0.5}
    with pytest.raises(KeyboardInterrupt):
        Recorder(task, run, lambda *_: None, held, None, SCORES).after_step(run, batch(0, 0, False), RESULT)
    assert caplog.messages[-1] == f"stopped after step 1; --resume continues from there{said}"


def test_another_process_writes_nothing(begun: Any) -> None:
    task, run = begun(epochs=1, validate_every=1)
    place = dataclasses.replace(task.machine.place, rank=1, world=2)
    second = dataclasses.replace(task, machine=dataclasses.replace(task.machine, place=place))
    told: list[int] = []
    validate = dict.fromkeys(SCORES, 0.5)
    recorder = Recorder(second, run, lambda count, note="": told.append(count), Held("", active=False),
                        lambda run: validate, SCORES)  # fmt: skip
    record(recorder, run, 1)
    assert told == [4, 4]  # the images of both processes
    assert not task.last.exists() and not task.best.exists() and not (task.output / "log.csv").exists()


def test_without_tensorboard_it_says_what_to_install(begun: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    task, _ = begun()
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(FashretError, match=r"TensorBoard is not installed; pip install 'fashret\[tensorboard\]'"):
        events_writer(task, 0)
