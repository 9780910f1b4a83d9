"""Recipes: published training settings as plain option values, and TOML files of them.

In: a recipe, a configuration file, options given on the command line. Out: one resolved `TrainOptions`. Later
ones win: the defaults of `TrainOptions`, the recipe, the file, the command line.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

from fashret.errors import FashretError
from fashret.options import TrainOptions


class RecipeEntry(NamedTuple):
    """What a recipe is, in one line, and the options that it sets."""

    about: str
    values: dict[str, Any]


# Losses on raw features, as in public code. Those of pretrained weights are so long (40 and more) that margins are
# nothing beside them, and shrinking them is the way down.
_CENTER = "center:weight=0.0005,lr=0.5"
_RAW: dict[str, tuple[str, ...]] = {
    "rst": ("softmax:smoothing=0.1", "quadruplet:margin1=1.0,margin2=0.5,normalise=no", _CENTER),
    "rst-triplet": ("softmax:smoothing=0.1", "triplet:margin=0.3", _CENTER),
    "ctl": ("softmax:smoothing=0.1", "triplet:margin=0.5", _CENTER, "centroid-triplet:margin=0.5"),
}
# The same on features of length 1; the center loss has no margin, so its weight stays.
_UNIT: dict[str, tuple[str, ...]] = {
    "rst": (
        "softmax:smoothing=0.1",
        "quadruplet:margin1=1.0,margin2=0.5,normalise=yes",
        f"{_CENTER},normalise=yes",
    ),
    "rst-triplet": ("softmax:smoothing=0.1", "triplet:margin=0.3,normalise=yes", f"{_CENTER},normalise=yes"),
    "ctl": (
        "softmax:smoothing=0.1",
        "triplet:margin=0.5,normalise=yes",
        f"{_CENTER},normalise=yes",
        "centroid-triplet:margin=0.5,normalise=yes",
    ),
}
_RAW_ABOUT = "on raw features, as in public code: meant for the published 120 epochs from ResNet50"

# Adam, weight decay 5e-4, 120 epochs with × 0.1 at 40 and 70, ten epochs of linear warm-up, flip, pad 10 and crop,
# random erasing: Luo et al., "A Strong Baseline and Batch Normalization Neck for Deep Person Re-Identification", and
# what TrainOptions has by default. With it the fashion paper (Wieczorek et al., arXiv 2003.04094) trains at lr 1e-4 on
# batches of 128 images, best with ResNet50-IBN-a at 320x320 on white.
_RST: dict[str, Any] = {
    "backbone": "resnet50_ibn_a",
    "input": "320x320",
    "fit": "pad",
    "loss": _UNIT["rst"],
    "batch_products": 32,
    "batch_images": 4,
    "missing": "resample",
    "optimiser": "adam",
    "lr": 1e-4,
    "weight_decay": 5e-4,
    "epochs": 120,
    "schedule": "step",
    "steps": (40, 70),
    "gamma": 0.1,
    "warmup": 10,
    "warmup_from": 0.01,
}
_CTL = _RST | {"loss": _UNIT["ctl"], "batch_products": 12, "missing": "mask", "warmup_from": 0.0}

# Measured on altered real photos from ImageNet weights (docs/training.md); a catalogue of any size gets the same steps.
_FINETUNE: dict[str, Any] = {
    "input": "160x160",
    "fit": "pad",
    "loss": ("softmax:smoothing=0.1", "triplet:margin=0.3,normalise=yes"),
    "batch_products": 16,
    "batch_images": 4,
    "pad": 8,
    "lr": 1e-4,
    "schedule": "cosine",
    "total_steps": 120,
    "warmup": 0,
    "freeze_bn": True,
    "validate_every": 1,
    "holdout": 0.1,
    "patience": 5,
}

RECIPES = {
    "finetune": RecipeEntry(
        "published weights, a few hundred products or more, a short training that stops when it gets no better",
        _FINETUNE,
    ),
    "rst": RecipeEntry(
        "RST (arXiv 2003.04094): softmax behind a BNNeck, quadruplet and center loss on unit-length features", _RST
    ),
    "rst-triplet": RecipeEntry(
        "RST with the strong baseline's batch-hard triplet loss in place of the quadruplet loss",
        _RST | {"loss": _UNIT["rst-triplet"]},
    ),
    "softmax": RecipeEntry(
        "RST with classification alone, on images at random",
        _RST | {"loss": ("softmax:smoothing=0.1",), "batch_products": 0, "batch_images": 128},
    ),
    "ctl": RecipeEntry(
        "CTL (arXiv 2104.13643): RST-triplet with centroids; missing images leave their places empty",
        _CTL,
    ),
    "rst-raw": RecipeEntry(f"rst {_RAW_ABOUT}", _RST | {"loss": _RAW["rst"]}),
    "rst-triplet-raw": RecipeEntry(f"rst-triplet {_RAW_ABOUT}", _RST | {"loss": _RAW["rst-triplet"]}),
    "ctl-raw": RecipeEntry(f"ctl {_RAW_ABOUT}", _CTL | {"loss": _RAW["ctl"]}),
    "osnet-ain": RecipeEntry(
        "OSNet-AIN (arXiv 1910.06827): classification alone, with a schedule of its own",
        {
            "backbone": "osnet_ain_x1_0",
            "neck": "none",
            "input": "256x128",
            "fit": "stretch",
            "loss": ("softmax:smoothing=0.1",),
            "batch_products": 0,
            "batch_images": 64,
            "pad": 0,
            "erase": 0.0,
            "jitter": 0.2,
            "optimiser": "amsgrad",
            "lr": 1.5e-3,
            "weight_decay": 5e-4,
            "epochs": 100,
            "schedule": "cosine",
            "warmup": 0,
            "freeze": 10,
        },
    ),
    "demo": RecipeEntry(
        "a small network from random weights, for two CPU cores and a few minutes",
        {
            "backbone": "small",
            "weights": "none",
            "pooling": "gem",
            "input": "96x96",
            "fit": "pad",
            "loss": ("softmax:smoothing=0.1", "triplet:margin=0.3"),
            "batch_products": 16,
            "batch_images": 4,
            "pad": 8,
            "erase": 0.3,
            "jitter": 0.3,
            "optimiser": "adamw",
            "lr": 2e-3,
            "epochs": 12,
            "schedule": "cosine",
            "warmup": 2,
            "validate_every": 0,
        },
    ),
}


def resolve(options: TrainOptions, given: Iterable[str], config: Path | None = None) -> TrainOptions:
    """The options that a run goes by.

    Parameters
    ----------
    options
        As the command line made them: its own values and defaults.
    given
        Names of the options that were set on the command line.
    config
        A TOML file as `to_toml` writes it; it may name a recipe, which `--recipe` overrides.

    Raises
    ------
    FashretError
        For an unknown recipe or a file that is not such a configuration.

    >>> resolve(TrainOptions(recipe="ctl", lr=1.0), given=["recipe", "lr"]).missing
    'mask'
    """
    given = set(given)
    from_file = read_toml(config) if config is not None else {}
    recipe = options.recipe if "recipe" in given else from_file.get("recipe", options.recipe)
    if recipe not in RECIPES:
        raise FashretError(f"--recipe {recipe}: no such recipe; there are {', '.join(RECIPES)}")
    from_command_line = {name: getattr(options, name) for name in given}
    for own in (from_file, from_command_line):
        if "epochs" in own:  # are not outdone by the steps that a recipe says
            own.setdefault("total_steps", 0)
    values = RECIPES[recipe].values | from_file | from_command_line | {"recipe": recipe}
    return dataclasses.replace(TrainOptions(), **values)


def to_toml(options: TrainOptions) -> str:
    """Every option as TOML, one per line, with its help and the values it can have as a comment.

    >>> to_toml(TrainOptions()).splitlines()[0]
    'recipe = "finetune"  # Set of values that the other options start from; `fashret recipes` lists them'
    """
    lines = []
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        # JSON's strings, numbers, booleans and arrays of them are TOML's too
        text = json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
        choices = field.metadata["choices"]
        known = f": {', '.join(choices)}" if choices else ""
        lines.append(f"{field.name} = {text}  # {field.metadata['help']}{known}")
    return "\n".join(lines) + "\n"


def read_toml(path: Path) -> dict[str, Any]:
    """Option values out of a TOML file.

    Raises
    ------
    FashretError
        If the file is missing or not TOML, names an unknown option, or a value is of the wrong type.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise FashretError(f"--config {path}: cannot be read: {error}") from error
    fields = {field.name: field for field in dataclasses.fields(TrainOptions)}
    hints = get_type_hints(TrainOptions)
    if unknown := sorted(set(values) - set(fields)):
        raise FashretError(f"--config {path}: unknown {', '.join(unknown)}; known are {', '.join(fields)}")
    return {name: _checked(f"--config {path}", fields[name], hints[name], value) for name, value in values.items()}


def _checked(where: str, field: dataclasses.Field, kind: Any, value: Any) -> Any:
    """A value of the option's type: whole numbers count as decimal ones, arrays become tuples."""
    if getattr(kind, "__origin__", None) is tuple:
        if not isinstance(value, list):
            raise FashretError(f"{where}: {field.name} is an array, not {value!r}")
        return tuple(_checked(where, field, kind.__args__[0], entry) for entry in value)
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise FashretError(f"{where}: {field.name} is {kind.__name__}, not {value!r}")
    choices = field.metadata["choices"]
    if choices and value not in choices:
        raise FashretError(f"{where}: {field.name} is one of {', '.join(choices)}, not {value!r}")
    return value
