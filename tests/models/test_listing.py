"""The table of backbones and a row of it: counted from the networks themselves, without drawing a number."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fashret.errors import FashretError
from fashret.models import hub
from fashret.models.backbones import BACKBONES, find_backbone
from fashret.models.listing import BackboneRow, describe_backbone, describe_preset, list_backbones
from fashret.models.settings import ModelSettings


@pytest.fixture(scope="module")
def rows() -> list[BackboneRow]:
    """All rows; no random number is drawn to count them."""
    describe_backbone.cache_clear()
    before = torch.random.get_rng_state()
    found = list_backbones()
    assert torch.equal(torch.random.get_rng_state(), before)
    return found


def test_rows_are_the_backbones_in_order_with_their_sizes(rows: list[BackboneRow]) -> None:
    assert [row.name for row in rows] == list(BACKBONES)
    small = next(row for row in rows if row.name == "small")
    module, width = find_backbone("small").build(ModelSettings(backbone="small"))
    assert small.width == width and small.parameters == sum(p.numel() for p in module.parameters())
    assert all(row.weights for row in rows)


def test_one_backbone(rows: list[BackboneRow]) -> None:
    row = BackboneRow("resnet18", 11_176_512, 512, "torchvision, IMAGENET1K_V1", "256x128")
    assert describe_backbone("resnet18") == row and row in rows


def test_any_model_of_timm_can_be_looked_up() -> None:
    row = describe_backbone("timm:vit_tiny_patch16_224")
    assert (row.width, row.input, row.weights) == (192, "224x224", "timm")


def test_a_name_that_is_not_known_lists_those_that_are() -> None:
    with pytest.raises(FashretError, match="no backbone 'resnet19'; there are resnet18, "):
        describe_backbone("resnet19")


def test_a_published_model_has_its_licence_file_and_preprocessing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "cache_folder", lambda: tmp_path)
    row = describe_preset("gr-lite")
    assert (row.parameters, row.width, row.input, row.there) == (303_129_600 - 1024, 1024, "336x336", "")
    assert row.licence.startswith("DINOv3") and "rotary" in row.note and "srpone/gr-lite" in row.weights
    assert row.preprocessing == "squashed to the input's size, bilinear; mean 0.485 0.456 0.406, std 0.229 0.224 0.225"
    (tmp_path / "models/gr-lite").mkdir(parents=True)
    (tmp_path / "models/gr-lite/model.safetensors").touch()
    assert describe_preset("gr-lite").there == str(tmp_path / "models/gr-lite/model.safetensors")
