"""`fashret recipes`: all of them, and one as the TOML that train shows."""

from __future__ import annotations

import json

import pytest

from fashret.errors import FashretError
from fashret.learning.recipes import RECIPES, resolve, to_toml
from fashret.options import TrainOptions
from fashret.stages import list_recipes
from tests.conftest import invoke


def test_every_recipe_says_what_it_is() -> None:
    text = invoke("recipes").stdout
    for name, recipe in RECIPES.items():
        assert name in text and recipe.about in text
    lines = [line.strip() for line in text.splitlines()]
    assert "resnet50_ibn_a, 320x320, 32 × 4 images, 120 epochs, softmax + quadruplet + center" in lines
    assert "resnet50_ibn_a, 320x320, 128 images, 120 epochs, softmax" in lines
    assert "resnet50, 160x160, 16 × 4 images, 120 steps, softmax + triplet" in lines
    plain = json.loads(invoke("recipes", "--json").stdout)
    assert [recipe["name"] for recipe in plain] == list(RECIPES)
    assert plain[4]["options"]["missing"] == "mask"


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_printed_as_train_shows_it(name: str) -> None:
    printed = invoke("recipes", name)
    assert printed.stdout == invoke("train", "--recipe", name, "--show").stdout
    assert printed.stdout == to_toml(resolve(TrainOptions(recipe=name), ["recipe"]))
    recipe = list_recipes.run(name)
    assert isinstance(recipe, list_recipes.Recipe) and recipe.options.recipe == name


def test_a_name_that_is_not_known_lists_those_that_are() -> None:
    with pytest.raises(FashretError, match="^rts: no such recipe; there are finetune, rst, "):
        list_recipes.run("rts")
