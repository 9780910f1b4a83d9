"""`fashret losses`: all of them, and one whose shown spelling is taken."""

from __future__ import annotations

import json

import pytest

from fashret.errors import FashretError
from fashret.learning.losses import LOSSES, loss_keys, parse_spec
from fashret.stages import list_losses
from tests.conftest import invoke


def test_every_loss_is_listed_with_its_keys() -> None:
    plain = json.loads(invoke("losses", "--json").stdout)
    assert [loss["name"] for loss in plain] == list(LOSSES)
    for loss in plain:
        assert loss["keys"] == loss_keys(loss["name"]) and loss["about"]
    text = invoke("losses").stdout
    for name, kind in LOSSES.items():
        assert name in text and kind.about in text
    assert "margin1=0.3 margin2=0.15 normalise=true adaptive=false" in text


@pytest.mark.parametrize("name", LOSSES)
def test_the_shown_spelling_of_a_loss_is_taken(name: str) -> None:
    lines = invoke("losses", name).stdout.splitlines()
    assert lines[0] == f"{name}: {LOSSES[name].about}"
    assert ("needs two images of a product in a batch" in lines) == LOSSES[name].pairs
    [shown] = [line.split()[1] for line in lines if line.startswith("  --loss ")]
    assert parse_spec(shown) == (name, loss_keys(name))


def test_a_name_that_is_not_known_lists_those_that_are() -> None:
    with pytest.raises(FashretError, match="^tripled: no such loss; there are softmax, triplet, "):
        list_losses.run("tripled")
