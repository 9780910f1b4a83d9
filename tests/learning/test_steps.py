"""What the steps of every training have in common: too little memory, broken losses, when something is due."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fashret.errors import FashretError
from fashret.learning.steps import (
    NotFiniteError,
    StepMemoryError,
    check_finite,
    checkpoint_due,
    has_stalled,
    seed_of,
    step_or_back,
    validation_due,
)


def out_of_memory() -> None:
    raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")


def other_error() -> None:
    raise RuntimeError("shapes")


def test_a_whole_step() -> None:
    done: list[str] = []
    assert step_or_back(nn.Linear(1, 1), lambda: done.append("a") or 5, lambda: done.append("b"), "") == 5
    assert done == ["a", "b"]


def test_without_memory_buffers_and_gradients_are_put_back() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))

    def compute() -> None:
        network(torch.rand(4, 2)).sum().backward()
        out_of_memory()

    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(StepMemoryError, match="^out of memory on cpu with all of it; take less$"):
        step_or_back(network, compute, lambda: None, "cpu with all of it; take less")
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_an_update_that_is_half_done_is_not_one_to_save() -> None:
    with pytest.raises(FashretError, match="out of memory on cpu") as caught:
        step_or_back(nn.Linear(1, 1), lambda: None, out_of_memory, "cpu")
    assert not isinstance(caught.value, StepMemoryError)


def test_other_errors_are_not_taken_for_memory() -> None:
    for compute, update in ((other_error, lambda: None), (lambda: None, other_error)):
        with pytest.raises(RuntimeError, match="shapes"):
            step_or_back(nn.Linear(1, 1), compute, update, "cpu")


def test_a_loss_that_is_not_finite_is_named() -> None:
    optimiser = torch.optim.SGD(nn.Linear(1, 1).parameters(), 0.25)
    check_finite(torch.tensor(3.0), 7, optimiser)
    with pytest.raises(NotFiniteError, match=r"the loss is nan at step 7 \(learning rate 0.25\); try a lower --lr"):
        check_finite(torch.tensor(float("nan")), 7, optimiser)


def test_when_something_is_due() -> None:
    assert [step for step in range(1, 10) if checkpoint_due(step, 3)] == [3, 6, 9] and not checkpoint_due(3, 0)
    assert [epoch for epoch in range(7) if validation_due(epoch, 3, 7)] == [2, 5, 6] and not validation_due(6, 0, 7)
    assert [has_stalled(count, 2) for count in range(4)] == [False, False, True, True] and not has_stalled(9, 0)


def test_seeds_differ_by_every_part_and_fit_torch() -> None:
    seeds = {seed_of(*parts) for parts in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0))}
    assert len(seeds) >= 4 and all(0 <= seed < 2**63 for seed in seeds)
    assert seed_of(3, 1, 4) == seed_of(3, 1, 4)
