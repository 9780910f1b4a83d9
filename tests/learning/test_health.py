"""Warnings of losses that outweigh others and of features that collapse."""

from __future__ import annotations

import math

import pytest
import torch

from fashret.learning.health import at_collapse, collapse, nothing_to_learn, outweighing
from fashret.learning.losses import parse_losses

LABELS = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2])


def losses(*specs: str):
    return parse_losses(specs, 3, 4)


def means(distance: float = 1.0, norm: float = 40.0, **parts: float) -> dict[str, float]:
    return {"distance": distance, "norm": norm, **parts}


def test_a_loss_outweighs_the_others_by_twenty_times():
    chosen = losses("softmax", "quadruplet:normalise=no", "center:weight=0.0005")
    said = outweighing(chosen, means(softmax=5.3, quadruplet=1693.0, center=1.0))
    assert "quadruplet loss is 1693 beside 6.3" in said and "length 40" in said and "normalise=yes" in said
    assert outweighing(chosen, means(softmax=5.3, quadruplet=100.0, center=1.0)) == ""
    assert "a smaller weight" in outweighing(
        losses("softmax:weight=99", "triplet:normalise=yes"), means(softmax=500.0, triplet=0.3)
    )
    assert outweighing(losses("softmax"), means(softmax=5.3)) == ""  # there are no others
    assert outweighing(chosen, means(softmax=math.nan, quadruplet=math.nan, center=math.nan)) == ""


def test_a_first_step_that_cannot_teach_anything_is_named():
    assert "all features of the first batch are equal (length 40)" in nothing_to_learn(means(1e-5, loss=5.0))
    assert "sum to 1e-09: give them larger weights" in nothing_to_learn(means(loss=1e-9))
    assert nothing_to_learn(means(loss=5.0)) == nothing_to_learn(means(loss=math.nan)) == ""
    assert nothing_to_learn(means(loss=-0.3)) == ""


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        ("triplet:margin=0.3", 0.3),
        ("triplet:margin=0.3,normalise=yes,weight=2", 0.6),
        ("triplet:soft=yes", math.log(2)),
        ("quadruplet:margin1=1,margin2=0.5,normalise=no", 1.5),
        ("quadruplet", 0.45),
        ("quadruplet:adaptive=yes", 0.0),
        ("centroid-triplet:margin=0.5", 0.5),
        ("ap", 1 - 2 / 8),  # all are in one bin
        ("smooth-ap", 1 - (1 + 0.5 * 1) / (1 + 0.5 * 7)),  # every rank is the mean of all
    ],
)
def test_values_at_collapse(spec, value):
    assert at_collapse(losses(spec)[0], LABELS) == pytest.approx(value, abs=1e-5)


def test_a_collapse_needs_the_value_and_the_distance():
    chosen = losses("softmax", "triplet:margin=0.3")
    said = collapse(chosen, means(0.9, softmax=5.0, triplet=0.301), 10.0, LABELS)
    assert "have collapsed: the triplet loss is 0.301" in said and "0.9 apart, at the start 10" in said
    assert collapse(chosen, means(1.1, softmax=5.0, triplet=0.301), 10.0, LABELS) == ""
    assert collapse(chosen, means(0.9, softmax=5.0, triplet=0.2), 10.0, LABELS) == ""
    assert collapse(losses("softmax"), means(0.9, softmax=0.3), 10.0, LABELS) == ""
    assert collapse(chosen, means(math.nan, softmax=5.0, triplet=0.3), 10.0, LABELS) == ""
    assert (
        collapse(chosen, means(0.0, softmax=5.0, triplet=0.3), 0.0, LABELS) == ""
    )  # of a run whose start is not known
