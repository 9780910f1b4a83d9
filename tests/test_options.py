"""Options: every default written once, taken over from stage to stage, and all that help needs."""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from fashret import options
from fashret.datasets import flags
from fashret.errors import FashretError
from fashret.learning.augmentation import Augmentation
from fashret.learning.batches import Batching
from fashret.models.settings import ModelSettings, parse_input_size
from fashret.reranking.methods import METHODS

STAGES = [
    flags.CropFlags,
    *(kind for name, kind in vars(options).items() if name.endswith("Options") and dataclasses.is_dataclass(kind)),
]
OWN_DEFAULTS = {  # fields that differ from those of the same name, and why
    ("EvaluateOptions", "k"): "every k of Acc@k, where searches keep k results",
    ("EmbedOptions", "input"): "a backbone as it comes gets the input that it was published with",
    ("TrainOptions", "workers"): "processes beside a network, where -1 = chosen; crop and demo use every core",
    ("EmbedOptions", "workers"): "as train",
    ("DetectorOptions", "weights"): "no network of that kind has weights that are fetched",
    ("DetectorOptions", "batch_size"): "photos and not crops",
    **{
        ("DetectorOptions", name): "detectors learn in another way"
        for name in ("epochs", "optimiser", "lr", "schedule")
    },
    ("DetectorOptions", "warmup"): "as many steps in far fewer epochs",
    ("DetectorOptions", "validate_every"): "epochs are longer",
    ("DetectorOptions", "holdout"): "a detector has no classifier of products to be trained on all of them",
    ("DetectOptions", "batch_size"): "whole photos, in place of crops",
}
TREE = Path(options.__file__).parent


def all_fields() -> list[tuple[str, dataclasses.Field[Any]]]:
    return [(kind.__name__, field) for kind in STAGES for field in dataclasses.fields(kind)]


def test_all_stages_are_looked_at() -> None:
    assert {"TrainOptions", "EvaluateOptions", "CropFlags", "DemoOptions"} <= {kind.__name__ for kind in STAGES}


def test_fields_of_one_name_have_one_default() -> None:
    defaults = defaultdict(set)
    for stage, field in all_fields():
        if (stage, field.name) not in OWN_DEFAULTS:
            defaults[field.name].add(field.default)
    assert {name: found for name, found in defaults.items() if len(found) > 1} == {}


def test_every_default_of_its_own_is_still_one() -> None:
    by_name = defaultdict(dict)
    for stage, field in all_fields():
        by_name[field.name][stage] = field.default
    for stage, name in OWN_DEFAULTS:
        others = {value for other, value in by_name[name].items() if (other, name) not in OWN_DEFAULTS}
        assert others and by_name[name][stage] not in others, (stage, name)


def test_no_default_is_written_twice_in_the_source() -> None:
    """A name that `option(…)` defines in several classes would be a second writing; those use `like`."""
    found = defaultdict(set)
    for path in (TREE / "options.py", TREE / "datasets" / "flags.py"):
        owner = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            owner = match[1] if (match := re.match(r"class (\w+)", line)) else owner
            if match := re.match(r"    (\w+): .* = option\(", line):
                found[match[1]].add(owner)
    repeated = {name: owners for name, owners in found.items() if len(owners) > 1}
    assert all(any((owner, name) in OWN_DEFAULTS for owner in owners) for name, owners in repeated.items()), repeated


def test_what_training_is_made_of_has_the_defaults_of_its_options() -> None:
    train = options.TrainOptions()
    assert Augmentation() == Augmentation(train.flip, train.pad, train.jitter, train.erase)
    assert Batching() == Batching(
        train.batch_products, train.batch_images, train.missing, train.same_category, train.seed
    )
    settings = ModelSettings()
    assert (settings.height, settings.width) == parse_input_size(train.input)
    for name in ("backbone", "weights", "pooling", "neck", "feature", "fit", "last_stride", "seed"):
        assert getattr(settings, name) == getattr(train, name), name


def test_every_default_is_one_of_its_choices() -> None:
    for stage, field in all_fields():
        if choices := field.metadata["choices"]:
            each = field.default if isinstance(field.default, tuple) else (field.default,)
            assert set(each) <= set(choices), (stage, field.name)


def test_evaluate_has_every_option_of_re_ranking() -> None:
    wanted = options.EvaluateOptions(method="aqe", neighbours=3, k1=7, memory="1GB", embeddings=(Path("a"),))
    taken = options.taken_over(options.RerankOptions, wanted, k=5, embeddings=())
    assert taken == options.RerankOptions(method="aqe", neighbours=3, k1=7, memory="1GB", k=5)
    shared = {field.name for field in dataclasses.fields(options.Reranking)}
    assert shared <= {field.name for field in dataclasses.fields(options.EvaluateOptions)}


def test_what_options_need_is_an_option_with_such_values() -> None:
    every = {field.name: field for _, field in all_fields()}
    for stage, field in all_fields():
        for names, values in field.metadata["needs"].items():
            for name in names.split("|"):
                assert name in every, (stage, field.name)
                assert set(values) <= set(every[name].metadata["choices"] or METHODS), (stage, field.name)


def test_like_keeps_what_is_not_given() -> None:
    first = options.CropOptions.__dataclass_fields__["resume"]
    own = options.like(options.CropOptions, "resume", "Other help", panel=options.RERANKING)
    assert own.default == first.default and own.metadata["flag"] == first.metadata["flag"]
    assert (own.metadata["help"], own.metadata["panel"]) == ("Other help", options.RERANKING)
    assert options.like(options.CropOptions, "resume").metadata == first.metadata


def test_each_of_several_choices_is_checked() -> None:
    assert options.DetectOptions(role=("query", "gallery")).role == ("query", "gallery")
    with pytest.raises(FashretError, match="--role test: expected train, query, gallery, val_query, val_gallery"):
        options.DetectOptions(role=("query", "test"))
