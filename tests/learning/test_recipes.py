"""Recipes: published values, what overrides what, and TOML."""

from __future__ import annotations

import dataclasses
import tomllib
from typing import get_args, get_origin, get_type_hints

import pytest

from fashret.errors import FashretError
from fashret.learning.losses import parse_losses, parse_spec
from fashret.learning.recipes import RECIPES, read_toml, resolve, to_toml
from fashret.models.backbones import find_backbone
from fashret.models.settings import parse_input_size
from fashret.options import TrainOptions

FIELDS = {field.name: field for field in dataclasses.fields(TrainOptions)}


@pytest.mark.parametrize("name", RECIPES)
def test_values_are_options_of_the_right_type(name):
    options = resolve(TrainOptions(recipe=name), ["recipe"])
    hints = get_type_hints(TrainOptions)
    for key, value in dataclasses.asdict(options).items():
        kind = hints[key]
        if get_origin(kind) is tuple:
            assert all(type(entry) is get_args(kind)[0] for entry in value), key
        else:
            assert type(value) is kind, key
        assert not FIELDS[key].metadata["choices"] or value in FIELDS[key].metadata["choices"], key
    assert parse_losses(options.loss, classes=3, dim=2)
    assert min(parse_input_size(options.input)) > 0
    find_backbone(options.backbone)


def test_published_settings():
    rst = resolve(TrainOptions(recipe="rst"), ["recipe"])
    assert (rst.backbone, rst.input, rst.fit, rst.lr, rst.epochs) == ("resnet50_ibn_a", "320x320", "pad", 1e-4, 120)
    assert rst.batch_products * rst.batch_images == 128
    assert (rst.steps, rst.gamma, rst.warmup, rst.warmup_from, rst.weight_decay) == ((40, 70), 0.1, 10, 0.01, 5e-4)
    assert (rst.neck, rst.last_stride, rst.flip, rst.pad, rst.erase) == ("bnneck", 1, 0.5, 10, 0.5)
    losses = dict(map(parse_spec, rst.loss))
    assert losses["softmax"]["smoothing"] == 0.1
    assert (losses["center"]["weight"], losses["center"]["lr"]) == (0.0005, 0.5)
    assert (losses["quadruplet"]["margin1"], losses["quadruplet"]["margin2"]) == (1.0, 0.5)
    raw = dict(map(parse_spec, RECIPES["rst-raw"].values["loss"]))["quadruplet"]
    assert (raw["margin1"], raw["margin2"], raw["normalise"]) == (1.0, 0.5, False)
    assert dict(map(parse_spec, RECIPES["rst-triplet"].values["loss"]))["triplet"]["margin"] == 0.3
    ctl = resolve(TrainOptions(recipe="ctl"), ["recipe"])
    losses = dict(map(parse_spec, ctl.loss))
    assert set(losses) == {"softmax", "triplet", "center", "centroid-triplet"}
    assert losses["triplet"]["margin"] == losses["centroid-triplet"]["margin"] == 0.5
    assert 12 <= ctl.batch_products <= 48 and (ctl.batch_images, ctl.missing, ctl.warmup_from) == (4, "mask", 0.0)
    osnet = resolve(TrainOptions(recipe="osnet-ain"), ["recipe"])
    assert (osnet.optimiser, osnet.lr, osnet.epochs, osnet.schedule) == ("amsgrad", 1.5e-3, 100, "cosine")
    assert (osnet.batch_products, osnet.batch_images, osnet.freeze, osnet.warmup) == (0, 64, 10, 0)
    assert (osnet.neck, osnet.erase, osnet.jitter, osnet.flip) == ("none", 0.0, 0.2, 0.5)
    assert list(dict(map(parse_spec, osnet.loss))) == ["softmax"]


def test_the_default_recipe_is_for_short_training_from_published_weights():
    options = resolve(TrainOptions(), [])
    assert options.recipe == "finetune" and options.weights == "imagenet"
    assert (options.total_steps, options.holdout, options.freeze_bn) == (120, 0.1, True)
    assert dict(map(parse_spec, options.loss))["triplet"]["normalise"] is True


def test_epochs_that_are_asked_for_are_not_outdone_by_the_steps_of_a_recipe(tmp_path):
    file = tmp_path / "own.toml"
    file.write_text("epochs = 7\n", encoding="utf-8")
    assert resolve(TrainOptions(epochs=3), ["epochs"]).total_steps == 0
    assert resolve(TrainOptions(), [], config=file).total_steps == 0
    assert resolve(TrainOptions(total_steps=9), ["total_steps"], config=file).total_steps == 9
    file.write_text(to_toml(resolve(TrainOptions(), [])), encoding="utf-8")  # as --show prints it: with both
    assert resolve(TrainOptions(), [], config=file).total_steps == 120
    assert resolve(TrainOptions(epochs=3), ["epochs"], config=file).total_steps == 0


METRIC = {"triplet", "quadruplet", "center", "centroid-triplet"}


@pytest.mark.parametrize("name", ["rst", "rst-triplet", "ctl"])
def test_metric_losses_see_unit_length_features_but_in_the_raw_forms(name):
    unit, raw = RECIPES[name].values, RECIPES[f"{name}-raw"].values
    assert {k: v for k, v in unit.items() if k != "loss"} == {k: v for k, v in raw.items() if k != "loss"}
    for values, normalised in ((unit, True), (raw, False)):
        losses = dict(map(parse_spec, values["loss"]))
        assert {loss for loss in losses if "normalise" in losses[loss]} == METRIC & set(losses) != set()
        assert {losses[loss]["normalise"] for loss in METRIC & set(losses)} == {normalised}
    assert "120 epochs from ResNet50" in RECIPES[f"{name}-raw"].about


def test_command_line_over_file_over_recipe_over_defaults(tmp_path):
    file = tmp_path / "own.toml"
    file.write_text('recipe = "ctl"\nlr = 1\nepochs = 7\n', encoding="utf-8")
    options = resolve(TrainOptions(epochs=3), given=["epochs"], config=file)
    assert options.recipe == "ctl" and options.missing == "mask"  # of the recipe that the file names
    assert options.lr == 1.0 and type(options.lr) is float  # of the file
    assert options.epochs == 3  # of the command line
    assert options.flip == TrainOptions().flip  # default
    assert resolve(TrainOptions(recipe="softmax"), given=["recipe"], config=file).batch_products == 0


def test_what_was_not_given_does_not_override():
    assert resolve(TrainOptions(recipe="ctl", missing="resample"), given=["recipe"]).missing == "mask"


@pytest.mark.parametrize("name", RECIPES)
def test_toml_and_back(name, tmp_path):
    options = resolve(TrainOptions(recipe=name, seed=5, lr=1e-7), ["recipe", "seed", "lr"])
    file = tmp_path / "resolved.toml"
    file.write_text(to_toml(options), encoding="utf-8")
    assert list(tomllib.loads(to_toml(options))) == list(FIELDS)  # all options, in their order
    assert resolve(TrainOptions(), [], config=file) == options


def test_toml_says_what_an_option_can_be():
    lines = dict(line.split(" = ", 1) for line in to_toml(TrainOptions()).splitlines())
    assert lines["optimiser"].endswith("# Optimiser: adam, amsgrad, adamw, sgd")
    assert all(choice in lines[name].split("#")[1] for name, f in FIELDS.items() for choice in f.metadata["choices"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lr =", ["cannot be read"]),
        ("learning_rate = 1", ["learning_rate", "lr"]),
        ('lr = "fast"', ["lr", "float", "fast"]),
        ("epochs = 1.5", ["epochs", "int"]),
        ("resume = 1", ["resume", "bool"]),
        ('loss = "softmax"', ["loss", "array"]),
        ("loss = [1]", ["loss", "str"]),
        ('fit = "squash"', ["fit", "stretch", "pad"]),
    ],
)
def test_bad_files_are_one_line(text, words, tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(FashretError) as error:
        read_toml(file)
    assert str(file) in str(error.value) and "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_missing_file_and_unknown_recipe(tmp_path):
    with pytest.raises(FashretError, match="cannot be read"):
        read_toml(tmp_path / "none.toml")
    with pytest.raises(FashretError, match="no such recipe; there are finetune, rst, "):
        resolve(TrainOptions(recipe="rts"), ["recipe"])
