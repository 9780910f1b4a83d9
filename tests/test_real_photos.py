"""Training from real weights on altered real photos: it ends above its start, and says where it goes wrong."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from fashret.learning.recipes import RECIPES, resolve
from fashret.options import CropOptions, TrainOptions
from fashret.stages import crop, train
from tests.altered_photos import altered_photos

# the default recipe, with less of everything: 30 steps of 32 images
LESS = TrainOptions(
    backbone="efficientnet_lite0", input="64x64", batch_products=8, total_steps=30, holdout=0.3, workers=0,
    validate_every=4, precision="float32", device="cpu",
)  # fmt: skip
GIVEN = [
    "backbone",
    "input",
    "batch_products",
    "total_steps",
    "holdout",
    "validate_every",
    "workers",
    "precision",
    "device",
]


@pytest.fixture(scope="module")
def crops(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    photos = request.config.getoption("--real-photos")
    if not photos:
        pytest.skip("no real photos: give --real-photos DIR")
    folder = tmp_path_factory.mktemp("altered")
    manifest = altered_photos(Path(photos), folder / "catalogue", products=75)
    crop.run(str(manifest), folder / "crops.h5", CropOptions(size=80))
    return folder / "crops.h5"


@pytest.mark.slow
def test_the_default_recipe_ends_above_its_start(crops: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    summary = train.run(crops, tmp_path / "m", resolve(LESS, GIVEN))
    assert summary is not None and summary.products == 35 and summary.steps >= 30
    assert summary.validation["mAP"] > 1.1 * summary.before_training["mAP"] and not summary.worse_than_start
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_losses_on_raw_features_are_warned_of(crops: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    raw = dataclasses.replace(resolve(LESS, GIVEN), loss=RECIPES["rst-raw"].values["loss"], total_steps=6)
    train.run(crops, tmp_path / "m", raw)
    assert "the quadruplet loss is" in caplog.text and "it decides alone; give it normalise=yes" in caplog.text
    assert "is worse than the network it started from: mAP" in caplog.text
