"""Steps of a detector: the loss falls, a broken one stops, memory that does not suffice is one line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fashret.detection.loop import Learning, Run, targets_of, train
from fashret.detection.samples import Batch, Sample
from fashret.errors import FashretError
from fashret.learning.steps import Machine, NotFiniteError, StepMemoryError

CPU = Machine(torch.device("cpu"))
LEARNING = Learning(("a", "b"), lambda epoch, step: 0.1, 0, 3)


class Line(nn.Module):
    """Two losses of one number: (w − 1)² and w²/10, times what the test sets; and some chance."""

    seen: Tensor  # batches, as batch normalisation counts them

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(1))
        self.register_buffer("seen", torch.zeros(1))
        self.times = 1.0
        self.drawn: list[float] = []

    def forward(self, images: list[Tensor], targets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        self.drawn.append(float(torch.rand(1)))
        self.seen += 1
        if self.times < 0:
            raise RuntimeError("out of memory")
        return {"b": (self.w**2).sum() / 10 * self.times, "a": ((self.w - 1) ** 2).sum() * self.times}


def new_run() -> Run:
    network = Line()
    return Run(network, torch.optim.SGD(network.parameters(), 0.1), torch.amp.GradScaler("cpu", enabled=False))


def sample() -> Sample:
    box = np.array([[1, 2, 3, 4]], np.float32)
    return Sample(np.zeros((8, 9, 3), np.uint8), box, np.array([4]), np.array([0]), (0, 0, 9, 8), False)


def batches(count: int, per_epoch: int = 4) -> Any:
    for i in range(count):
        number = i % per_epoch
        yield Batch([sample(), sample()], i // per_epoch, number, number == per_epoch - 1, 2)


def test_steps_follow_the_gradient_and_are_counted() -> None:
    run, seen = new_run(), []
    train(run, batches(6), LEARNING, CPU, lambda run, batch: seen.append((run.epoch, run.batch, run.step)))
    assert seen == [(0, 1, 1), (0, 2, 2), (0, 3, 3), (1, 0, 4), (1, 1, 5), (1, 2, 6)]
    w = 0.0
    for _ in range(6):
        w -= 0.1 * (2 * (w - 1) + 0.2 * w)
    assert float(run.network.w.detach()) == pytest.approx(w)
    assert run.sums.tolist()[2] == 12 and run.sums.tolist()[0] > run.sums.tolist()[1]


def test_the_rate_is_that_of_the_schedule() -> None:
    run, rates = new_run(), []
    learning = Learning(("a", "b"), lambda epoch, step: 0.01 * (10 * epoch + step), 0, 0)
    train(run, batches(6), learning, CPU, lambda run, _: rates.append(run.optimiser.param_groups[0]["lr"]))
    assert rates == pytest.approx([0, 0.01, 0.02, 0.03, 0.14, 0.15])


def test_chance_is_a_function_of_the_position() -> None:
    one, other = new_run(), new_run()
    train(one, batches(6), LEARNING, CPU, lambda run, batch: torch.manual_seed(1))
    train(other, batches(6), LEARNING, CPU, lambda run, batch: torch.manual_seed(2))
    assert one.network.drawn == other.network.drawn and len(set(one.network.drawn)) == 6


def test_a_run_comes_back_from_its_state() -> None:
    run, again = new_run(), new_run()
    train(run, batches(5), LEARNING, CPU, lambda run, batch: None)
    run.best = {"mAP": 0.5}
    again.restore(run.state())
    assert (again.epoch, again.batch, again.step, again.best) == (1, 1, 5, {"mAP": 0.5})
    assert torch.equal(again.network.w, run.network.w) and torch.equal(again.sums, run.sums)


def test_a_loss_that_is_not_finite_stops() -> None:
    run = new_run()

    def spoil(run: Run, batch: Batch) -> None:
        run.network.times = float("inf")

    with pytest.raises(NotFiniteError, match="the loss is .* at step 2 .*lower --lr"):
        train(run, batches(6), LEARNING, CPU, spoil)


def test_memory_that_does_not_suffice_is_one_line() -> None:
    run = new_run()
    run.network.times = -1.0
    with pytest.raises(StepMemoryError, match="out of memory on cpu with 2 photos per batch at step 0; lower --batch"):
        train(run, batches(1), LEARNING, CPU, lambda run, batch: None)
    assert issubclass(StepMemoryError, FashretError) and run.step == 0 and run.network.w.grad is None


def test_a_step_without_memory_leaves_the_run_as_it_was() -> None:
    run = new_run()
    train(run, batches(1), LEARNING, CPU, lambda run, batch: None)
    before = {name: value.clone() for name, value in run.network.state_dict().items()}
    run.network.times = -1.0
    with pytest.raises(StepMemoryError):
        train(run, batches(1), LEARNING, CPU, lambda run, batch: None)
    torch.testing.assert_close(run.network.state_dict(), before, rtol=0, atol=0)


def test_weights_that_are_half_updated_are_not_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise RuntimeError("out of memory")

    run = new_run()
    monkeypatch.setattr(run.optimiser, "step", exhausted)
    with pytest.raises(FashretError, match="2 photos per batch at step 0; lower --batch-size") as caught:
        train(run, batches(1), LEARNING, CPU, lambda run, batch: None)
    assert not isinstance(caught.value, StepMemoryError)  # which `last_checkpoint_kept` saves the run for


def test_classes_count_from_one_for_the_network() -> None:
    target = targets_of(sample(), torch.device("cpu"))
    assert target["labels"].tolist() == [5] and target["boxes"].tolist() == [[1, 2, 3, 4]]
