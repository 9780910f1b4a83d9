"""Optimisers: which parameters each has, and what is refused."""

from __future__ import annotations

import pytest
import torch

from fashret.errors import FashretError
from fashret.learning.optimisers import OPTIMISERS, set_learning_rate
from tests.learning.test_loop import make_run
from tests.training_case import add_tiny_backbone, tiny_options


@pytest.fixture(autouse=True)
def tiny() -> None:
    add_tiny_backbone()


@pytest.mark.parametrize("name", ["adam", "amsgrad", "adamw", "sgd"])
def test_optimisers(name: str) -> None:
    options = tiny_options(optimiser=name, loss=("softmax", "arcface", "center:weight=0.01"))
    run = make_run(options)
    first, *own = run.optimisers
    expected = {"adam": torch.optim.Adam, "amsgrad": torch.optim.Adam, "adamw": torch.optim.AdamW}
    assert type(first) is expected.get(name, torch.optim.SGD)
    assert first.defaults.get("amsgrad", False) is (name == "amsgrad")
    assert first.param_groups[0]["weight_decay"] == options.weight_decay
    learned = {id(p) for group in first.param_groups for p in group["params"]}
    assert id(run.network.neck.bias) not in learned and id(run.network.backbone.conv.bias) in learned
    assert id(next(run.losses[1].parameters())) in learned  # ArcFace's class weights learn with the network
    assert [group["params"] for optimiser in own for group in optimiser.param_groups] == [
        list(run.losses[2].parameters())
    ]


def test_a_strange_optimiser_is_refused() -> None:
    for changes in ({"optimiser": "lion"}, {"weight_decay": -1.0}):
        with pytest.raises(FashretError, match="not known|0 or more"):
            make_run(tiny_options(**changes))


def test_the_learning_rate_is_set_for_every_group() -> None:
    a, b = (torch.nn.Parameter(torch.zeros(2)) for _ in range(2))
    optimiser = OPTIMISERS["sgd"]([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.1)
    set_learning_rate(optimiser, 0.25)
    assert [group["lr"] for group in optimiser.param_groups] == [0.25, 0.25]
    a.grad, b.grad = torch.ones(2), torch.ones(2)
    optimiser.step()
    assert a.tolist() == b.tolist() == [-0.25, -0.25]
