"""One network of an embedder: weights that fit, what a record says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fashret.errors import FashretError
from fashret.files import models
from fashret.models.network import build
from fashret.models.opening import backbone_part, open_embedder, recorded_part, trained_part
from fashret.models.settings import ModelSettings
from tests.training_case import SIDE, add_tiny_backbone


@pytest.fixture(autouse=True)
def tiny_backbone() -> None:
    add_tiny_backbone()


def write_model(folder: Path, **changes: int) -> Path:
    settings = ModelSettings(backbone="tiny", weights="none", height=SIDE, width=SIDE)
    tensors = build(ModelSettings.from_dict(settings.to_dict() | changes)).state_dict()
    folder.mkdir()
    models.write_model(folder, tensors, {"settings": settings.to_dict(), "trained_on": {"dataset": "d"}})
    return folder


def test_a_trained_network_is_found_again_from_its_record(tmp_path: Path) -> None:
    part = trained_part(write_model(tmp_path / "model"), 2.0)
    record = part.record(tmp_path / "a.emb.h5")
    assert (record["path"], record["weights"], record["trained_on"], record["weight"]) == ("model", "trained", "d", 2.0)
    again = recorded_part(record, tmp_path / "a.emb.h5", None)
    assert (again.digest, again.weight) == (part.digest, 2.0)
    with pytest.raises(FashretError, match="its weights are not those that made"):
        recorded_part(record | {"digest": "sha256:0"}, tmp_path / "a.emb.h5", None)


def test_weights_that_are_not_those_of_the_settings(tmp_path: Path) -> None:
    with pytest.raises(FashretError, match=r"weights and model\.json do not fit: .*projection"):
        trained_part(write_model(tmp_path / "a", dim=4))


def trained_with(folder: Path, **trained_on: Any) -> Path:
    """A model folder that tells this of its training."""
    folder.mkdir()
    chosen = ModelSettings(backbone="tiny", weights="none", height=SIDE, width=SIDE)
    models.write_model(folder, build(chosen).state_dict(), {"settings": chosen.to_dict(), "trained_on": trained_on})
    return folder


def test_a_model_brings_the_number_of_images_per_product_it_was_trained_with(tmp_path: Path) -> None:
    model = trained_part(trained_with(tmp_path / "m", dataset="shop", images_per_product=5.5))
    assert (model.trained_on, model.images_per_product) == ("shop", 5.5)
    assert model.record(tmp_path / "a.h5")["images_per_product"] == 5.5


@pytest.mark.parametrize("told", ["many", 0, float("nan"), float("inf"), None, True])
def test_a_model_that_does_not_tell_it_is_read(tmp_path: Path, told: Any) -> None:
    for name, trained_on in {"a": {}, "b": {"images_per_product": told}}.items():
        model = trained_part(trained_with(tmp_path / name, **trained_on))
        assert model.images_per_product is None and "images_per_product" not in model.record(tmp_path / "a.h5")
    settings = ModelSettings(backbone="tiny", weights="none", height=SIDE, width=SIDE)
    assert "images_per_product" not in backbone_part(settings).record(tmp_path / "a.h5")


def test_several_models_have_the_median_of_those_that_tell(tmp_path: Path) -> None:
    numbers = {"a": {"images_per_product": 4}, "b": {"images_per_product": 9}, "c": {}}
    folders = [trained_with(tmp_path / name, **trained_on) for name, trained_on in numbers.items()]
    record = open_embedder(folders, device="cpu").record(tmp_path / "a.h5")
    assert record["images_per_product"] == 6.5
    assert [one.get("images_per_product") for one in record["parts"]] == [4, 9, None]
    assert "images_per_product" not in open_embedder(folders[2:], device="cpu").record(tmp_path / "a.h5")
