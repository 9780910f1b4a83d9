"""Learning rates against the published formulas and torch's own schedulers, at every epoch."""

from __future__ import annotations

import math

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, MultiStepLR

from fashret.errors import FashretError
from fashret.learning.recipes import RECIPES, resolve
from fashret.learning.schedules import check_schedule, learning_rate
from fashret.options import TrainOptions


def rates_of_torch(scheduler: type, lr: float, epochs: int, **options: object) -> list[float]:
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    stepped = scheduler(optimiser, **options)
    rates = []
    for _ in range(epochs):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        stepped.step()
    return rates


def test_strong_baseline_at_every_epoch() -> None:
    options = TrainOptions(lr=3.5e-4, epochs=120, schedule="step", steps=(40, 70), gamma=0.1, warmup=10)
    for e in range(120):
        warm = 0.01 * (1 - e / 10) + e / 10 if e < 10 else 1.0
        published = 3.5e-4 * warm * (1.0 if e < 40 else 0.1 if e < 70 else 0.01)
        assert learning_rate(e, options) == pytest.approx(published, rel=1e-12)


def test_ctl_warm_up_at_every_epoch() -> None:
    options = resolve(TrainOptions(recipe="ctl"), ["recipe"])
    for e in range(120):
        published = 1e-4 * ((e + 1) / 10 if e < 10 else 1.0) * (1.0 if e < 40 else 0.1 if e < 70 else 0.01)
        assert learning_rate(e, options) == pytest.approx(published, rel=1e-12)


def test_osnet_ain_cosine_at_every_epoch() -> None:
    options = resolve(TrainOptions(recipe="osnet-ain"), ["recipe"])
    expected = rates_of_torch(CosineAnnealingLR, 1.5e-3, 100, T_max=100)
    assert [learning_rate(e, options) for e in range(100)] == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert options.freeze == 10 and options.optimiser == "amsgrad"


def test_steps_are_torch_s_steps() -> None:
    options = TrainOptions(lr=0.1, epochs=30, schedule="step", steps=(3, 4, 20), gamma=0.5, warmup=0)
    expected = rates_of_torch(MultiStepLR, 0.1, 30, milestones=[3, 4, 20], gamma=0.5)
    assert [learning_rate(e, options) for e in range(30)] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_has_a_rate_at_every_epoch(recipe: str) -> None:
    options = resolve(TrainOptions(recipe=recipe), ["recipe"])
    check_schedule(options)
    assert all(0 < learning_rate(e, options) <= options.lr * (1 + 1e-12) for e in range(options.epochs))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epochs": 0}, "--epochs 0"),
        ({"lr": 0.0}, "--lr 0.0"),
        ({"lr": math.nan}, "--lr nan"),
        ({"warmup": -1}, "--warmup -1"),
        ({"warmup_from": 2.0}, "--warmup-from 2"),
        ({"steps": (70, 40)}, "--steps"),
        ({"steps": (0, 40)}, "--steps"),
        ({"schedule": "zigzag"}, "there are step, cosine, constant"),
    ],
)
def test_nonsense_is_refused(changes: dict, words: str) -> None:
    with pytest.raises(FashretError, match=words):
        check_schedule(TrainOptions(**changes))
