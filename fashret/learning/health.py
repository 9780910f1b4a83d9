"""Whether training goes wrong: a loss that outweighs the others, features that shrink to a point.

In: means of an epoch so far, by name, and the losses. Out: one line that says so, or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from fashret.learning.losses import Loss
from fashret.models.network import Output

OUTWEIGHS = 20  # times all other losses together
COLLAPSED = 0.1  # of the mean distance within a batch at the start
NEAR = 0.05  # of a loss's value at collapse
EQUAL = 1e-5  # of their length: features this near each other are equal but for rounding
NOTHING = 1e-6  # of a loss: Adam divides gradients by their size + 1e-8, and moves no more
FIRST_STEPS = 5  # after which weights are compared


def nothing_to_learn(means: Mapping[str, float]) -> str:
    """Says why the first step cannot teach anything: equal features, a loss of next to nothing; empty if it can."""
    if means["distance"] <= EQUAL * means["norm"]:
        return (
            f"all features of the first batch are equal (length {means['norm']:.3g}): its photos are all the same, or "
            "the weights are damaged"
        )
    if abs(means["loss"]) < NOTHING:
        return (
            f"the losses of the first batch sum to {means['loss']:.2g}: give them larger weights, or nothing is learnt"
        )
    return ""


def outweighing(losses: Sequence[Loss], means: Mapping[str, float]) -> str:
    """The loss that outweighs all others together; empty if none does."""
    for loss in losses if len(losses) > 1 else ():
        rest = sum(means[other.name] for other in losses if other is not loss)
        if means[loss.name] > OUTWEIGHS * max(rest, 0.0):
            cure = "normalise=yes" if loss.options.get("normalise") is False else "a smaller weight"
            return (
                f"the {loss.name} loss is {means[loss.name]:.4g} beside {rest:.4g} of the other losses, at features of "
                f"length {means['norm']:.3g}: it decides alone; give it {cure}"
            )
    return ""


def collapse(losses: Sequence[Loss], means: Mapping[str, float], start: float, labels: Tensor) -> str:
    """Says that all features have become nearly the same; empty if they have not.

    Parameters
    ----------
    means
        Of an epoch: each loss by its name, and `distance`, the mean distance of two features of a batch.
    start
        The mean distance at the first step.
    labels
        The products of a batch.
    """
    if not means["distance"] < COLLAPSED * start:
        return ""
    for loss in losses:
        if loss.needs_pairs:
            value = at_collapse(loss, labels)
            if abs(means[loss.name] - value) <= NEAR * abs(value):
                return (
                    f"the features have collapsed: the {loss.name} loss is {means[loss.name]:.4g}, as if all were "
                    f"equal, and two of a batch are {means['distance']:.3g} apart, at the start {start:.3g}; "
                    "try normalise=yes, a lower --lr or other losses"
                )
    return ""


@torch.no_grad()
def at_collapse(loss: Loss, labels: Tensor) -> float:
    """What a loss of pairs gives when all features are equal.

    >>> from fashret.learning.losses import parse_losses
    >>> specs = ["triplet:margin=0.3", "quadruplet:margin1=1,margin2=0.5"]
    >>> [round(at_collapse(loss, torch.tensor([0, 0, 1, 1, 2, 2])), 3) for loss in parse_losses(specs, 3, 2)]
    [0.3, 1.5]
    """
    same = torch.ones(len(labels), 2, device=labels.device)
    return float(loss(Output(same, same, None), labels))
