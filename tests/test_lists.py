"""The lists: `fashret losses` and `recipes`, and one entry of each and of `models`."""

from __future__ import annotations

import dataclasses
import json

import pytest

from fashret.learning.losses import LOSSES, loss_keys, parse_spec
from fashret.learning.recipes import ABOUT, RECIPES, resolve, to_toml
from fashret.options import TrainOptions
from fashret.stages import list_losses, list_models, list_recipes
from tests.conftest import invoke


def test_every_loss_is_listed_with_its_keys() -> None:
    plain = json.loads(invoke("losses", "--json").stdout)
    assert [loss["name"] for loss in plain] == list(LOSSES)
    for loss in plain:
        assert loss["keys"] == loss_keys(loss["name"]) and loss["about"]
    text = invoke("losses").stdout
    for name, kind in LOSSES.items():
        assert name in text and kind.about in text
    assert "margin1=1 margin2=0.5 normalise=false" in text


@pytest.mark.parametrize("name", LOSSES)
def test_the_shown_spelling_of_a_loss_is_taken(name: str) -> None:
    lines = invoke("losses", name).stdout.splitlines()
    assert lines[0] == f"{name}: {LOSSES[name].about}"
    assert ("needs two images of a product in a batch" in lines) == LOSSES[name].pairs
    [shown] = [line.split()[1] for line in lines if line.startswith("  --loss ")]
    assert parse_spec(shown) == (name, loss_keys(name))
    assert list_losses.run(name).as_json()["name"] == name  # type: ignore[union-attr]


def test_every_recipe_says_what_it_is() -> None:
    assert list(ABOUT) == list(RECIPES)
    text = invoke("recipes").stdout
    for name in RECIPES:
        assert name in text and ABOUT[name] in text
    assert "resnet50_ibn_a, 320x320, 32 × 4 images, 120 epochs, softmax + quadruplet + center" in text
    assert "resnet50_ibn_a, 320x320, 128 images, 120 epochs, softmax\n" in text.replace(" \n", "\n").replace("  ", "")
    plain = json.loads(invoke("recipes", "--json").stdout)
    assert [recipe["name"] for recipe in plain] == list(RECIPES)
    assert plain[3]["options"]["missing"] == "mask"


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_printed_as_train_shows_it(name: str) -> None:
    printed = invoke("recipes", name)
    assert printed.stdout == invoke("train", "--recipe", name, "--show").stdout
    assert printed.stdout == to_toml(resolve(TrainOptions(recipe=name), ["recipe"]))
    recipe = list_recipes.run(name)
    assert isinstance(recipe, list_recipes.Recipe) and recipe.options.recipe == name


def test_one_backbone() -> None:
    plain = json.loads(invoke("models", "resnet18", "--json").stdout)
    assert plain == {
        "name": "resnet18", "parameters": 11176512, "width": 512, "weights": "torchvision, IMAGENET1K_V1",
        "input": "256x128",
    }  # fmt: skip
    assert plain in json.loads(invoke("models", "--json").stdout)
    text = invoke("models", "resnet18").stdout
    assert text.startswith("resnet18\n") and "11,176,512" in text and "256x128" in text


def test_any_model_of_timm_can_be_looked_up() -> None:
    row = list_models.run("timm:vit_tiny_patch16_224")
    assert dataclasses.asdict(row)["input"] == "224x224" and dataclasses.asdict(row)["width"] == 192


@pytest.mark.parametrize("command", ["losses", "recipes", "models", "datasets"])
def test_an_unknown_name_is_one_line(command: str) -> None:
    done = invoke(command, "nothing")
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.count("\n") == 1 and "nothing" in done.stderr
