"""Which arithmetic a training takes by itself: the faster one on its first batch, and the same when it is resumed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fashret.files.crops import open_crops
from fashret.learning import precision
from fashret.learning.loop import Run
from fashret.learning.modes import set_modes
from fashret.learning.precision import measured, seconds_of, settle_precision
from fashret.learning.steps import Machine
from fashret.learning.task import Task, begin, make_task
from tests.training_case import add_tiny_backbone, tiny_options, write_training_crops

BF16 = Machine(torch.device("cpu"), "bf16")  # what `auto` stands for where the hardware multiplies bf16


@pytest.fixture
def begun(tmp_path: Path) -> Callable[..., tuple[Task, Run]]:
    """begun(machine, **options) → a task and its run."""
    add_tiny_backbone()
    crops = write_training_crops(tmp_path / "a.crops.h5")

    def begin_it(machine: Machine = BF16, **changes: object) -> tuple[Task, Run]:
        with open_crops(crops) as file:
            task = make_task(file, tmp_path / "m", tiny_options(**{"precision": "auto", **changes}), machine)
        return task, begin(task)

    return begin_it


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch):
    """timed(bf16=…, float32=…): what a pass takes, pass by pass; gives the list of passes."""

    def stand_in(**seconds: list[float]) -> list[str]:
        passes: list[str] = []
        left = {kind: iter(values) for kind, values in seconds.items()}

        def stand(network: object, images: object, machine: Machine) -> float:
            passes.append(machine.precision)
            return next(left[machine.precision])

        monkeypatch.setattr(precision, "seconds_of", stand)
        return passes

    return stand_in


@pytest.mark.parametrize(
    ("bf16", "float32", "faster"),
    [([9, 1, 2], [1, 2, 3], "bf16"), ([0, 3, 4], [9, 2, 9], "float32"), ([1, 1, 1], [1, math.inf, math.inf], "bf16")],
)
def test_the_faster_one_is_taken_and_remembered(begun, timed, bf16, float32, faster) -> None:
    passes = timed(bf16=bf16, float32=float32)
    task, run = begun()
    settled = settle_precision(task, run)
    assert settled.machine.precision == run.precision == faster == run.state()["precision"]
    assert passes == ["bf16", "float32"] * 3  # in turns, the first two to warm up
    assert settle_precision(task, run).machine.precision == faster and len(passes) == 6  # a resumed run asks no more


def test_what_was_asked_for_is_taken_without_a_look(begun, timed) -> None:
    passes = timed()
    for asked in ("float32", "bf16"):
        machine = replace(BF16, precision=asked)
        task, run = begun(machine, precision=asked)
        assert settle_precision(task, run).machine.precision == asked and not passes and not run.precision
    task, run = begun(replace(BF16, precision="float32"))  # auto, where bf16 is not fast at all
    assert settle_precision(task, run).machine.precision == "float32" and not passes


def test_a_run_of_a_version_that_did_not_measure_goes_on_as_it_was(begun, timed) -> None:
    passes = timed()
    task, run = begun()
    run.step = 5
    assert settle_precision(task, run).machine.precision == "bf16" and not passes


@pytest.mark.parametrize("accumulate", [1, 3])
def test_network_and_run_are_left_as_they_were(begun, accumulate: int) -> None:
    task, run = begun(accumulate=accumulate)
    before = {name: tensor.clone() for name, tensor in run.network.state_dict().items()}
    settle_precision(task, run)
    assert run.precision in precision.KINDS and not run.step
    for name, tensor in run.network.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0, msg=name)
    assert all(parameter.grad is None for parameter in run.network.parameters())


def test_a_pass_goes_to_and_fro_and_one_that_finds_no_memory_is_endless(begun, monkeypatch: pytest.MonkeyPatch) -> None:
    task, run = begun()
    set_modes(run.network, 0, task.options)
    images = torch.zeros(4, 3, 16, 16)
    assert 0 < seconds_of(run.network, images, BF16) < math.inf
    assert all(parameter.grad is not None for parameter in run.network.backbone.parameters())
    assert set(measured(run.network, images, BF16)) == {"bf16", "float32"}

    def full(images: torch.Tensor) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(run.network, "forward", full)
    assert seconds_of(run.network, images, BF16) == math.inf

    def broken(images: torch.Tensor) -> None:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(run.network, "forward", broken)
    with pytest.raises(RuntimeError, match="shapes differ"):
        seconds_of(run.network, images, BF16)
