"""Learning rate at every point of a training, as published.

In: the options and how many epochs are done, perhaps a fraction. Out: the learning rate. A pure function, so that a
resumed run needs no scheduler state.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from fashret.errors import FashretError
from fashret.options import TrainOptions


def position(epoch: int, step: int, options: TrainOptions) -> float:
    """Where a step is in the schedule, in epochs: its epoch, or with `total_steps` its share of all steps.

    >>> position(0, 30, TrainOptions(epochs=2, total_steps=40)), position(1, 30, TrainOptions(epochs=2))
    (1.5, 1.0)
    """
    if options.total_steps:
        return options.epochs * min(1.0, step / options.total_steps)
    return float(epoch)


def learning_rate(epoch: float, options: TrainOptions) -> float:
    """Learning rate at an epoch or within it: base rate · warm-up(e) · schedule(e).

    >>> strong = TrainOptions(lr=3.5e-4, schedule="step", steps=(40, 70), warmup=10, warmup_from=0.01)
    >>> [f"{learning_rate(e, strong):.3g}" for e in (0, 5, 10, 39, 40, 70)]
    ['3.5e-06', '0.000177', '0.00035', '0.00035', '3.5e-05', '3.5e-06']
    """
    return options.lr * warmup(epoch, options) * SCHEDULES[options.schedule](epoch, options)


def warmup(epoch: float, options: TrainOptions) -> float:
    """Factor of the warm-up, 1 from epoch `options.warmup` on.

    With f = `warmup_from` and w = `warmup`: f·(1 − e/w) + e/w (strong baseline, arXiv 1903.07071, f = 0.01, w = 10);
    with f = 0: (e + 1)/w (CTL, arXiv 2104.13643).
    """
    if epoch >= options.warmup:
        return 1.0
    if options.warmup_from == 0:
        return min(1.0, (epoch + 1) / options.warmup)
    done = epoch / options.warmup
    return options.warmup_from * (1 - done) + done


def step(epoch: float, options: TrainOptions) -> float:
    """gamma to the power of the number of `steps` that are over: e ≥ step."""
    return options.gamma ** sum(epoch >= at for at in options.steps)


def cosine(epoch: float, options: TrainOptions) -> float:
    """(1 + cos(π·e/E))/2 with E epochs in all (SGDR without restarts, arXiv 1608.03983, eq. 5)."""
    return (1 + math.cos(math.pi * epoch / options.epochs)) / 2


def constant(epoch: float, options: TrainOptions) -> float:
    """1."""
    return 1.0


SCHEDULES: dict[str, Callable[[float, TrainOptions], float]] = {"step": step, "cosine": cosine, "constant": constant}


def check_schedule(options: TrainOptions) -> None:
    """Refuse values that make no sense.

    Raises
    ------
    FashretError
        If the schedule's name is not known or a number is outside its range.
    """
    if options.schedule not in SCHEDULES:
        raise FashretError(f"--schedule {options.schedule}: not known; there are {', '.join(SCHEDULES)}")
    if not options.lr > 0 or not math.isfinite(options.lr):
        raise FashretError(f"--lr {options.lr}: must be a number above zero")
    if options.schedule == "step" and (
        list(options.steps) != sorted(set(options.steps)) or min(options.steps, default=1) < 1
    ):
        raise FashretError(f"--steps {options.steps}: epochs above 0, each later than the one before")
