"""First weights: a whole detector's, a backbone's, and every file that is neither."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torchvision.models import mobilenet_v3_large
from torchvision.ops import FrozenBatchNorm2d

from fashret.detection.architectures import build
from fashret.detection.first_weights import start
from fashret.detection.settings import DetectorSettings
from fashret.errors import FashretError
from fashret.files.models import write_tensors

SSDLITE = DetectorSettings("ssdlite320_mobilenet_v3_large", ("bag", "hat"), 64)
RCNN = replace(SSDLITE, architecture="fasterrcnn_mobilenet_v3_large_320_fpn")


def test_none_is_random() -> None:
    begun = start(SSDLITE)
    assert begun.what == "random" and begun.settings == SSDLITE


@pytest.mark.parametrize("settings", [SSDLITE, RCNN])
def test_a_whole_detector_of_other_classes(tmp_path: Path, settings: DetectorSettings) -> None:
    """torchvision's COCO files have 91 classes, and these networks without them."""
    donor = build(replace(settings, classes=tuple(map(str, range(90))), seed=5)).state_dict()
    torch.save(donor, tmp_path / "coco.pth")
    begun = start(replace(settings, weights=str(tmp_path / "coco.pth")))
    now, random = begun.network.state_dict(), build(begun.settings).state_dict()
    fresh = [name for name, tensor in now.items() if name not in donor or tensor.shape != donor[name].shape]
    assert begun.what == "detector" and fresh and all("cls" in n or "box_pred" in n or "class" in n for n in fresh)
    assert all(torch.equal(now[name], donor[name]) for name in now if name not in fresh and "num_batches" not in name)
    assert all(torch.equal(now[name], random[name]) for name in fresh)
    frozen = any(isinstance(module, FrozenBatchNorm2d) for module in begun.network.modules())
    assert frozen == (settings is RCNN) == begun.settings.frozen_norm


@pytest.mark.parametrize("settings", [SSDLITE, RCNN])
def test_a_backbone_of_imagenet(tmp_path: Path, settings: DetectorSettings) -> None:
    torch.manual_seed(3)
    donor = mobilenet_v3_large()
    torch.save(donor.state_dict(), tmp_path / "imagenet.pth")
    begun = start(replace(settings, weights=str(tmp_path / "imagenet.pth")))
    assert begun.what == "backbone" and begun.settings.wide_tail == (settings is SSDLITE)
    own = {tuple(t.flatten()[:5].tolist()) for t in begun.network.backbone.parameters()}
    own |= {tuple(t.flatten()[:5].tolist()) for t in begun.network.backbone.buffers()}
    for name, tensor in donor.features.state_dict().items():
        if "num_batches" not in name:
            assert tuple(tensor.flatten()[:5].tolist()) in own, name
    again = build(begun.settings)
    again.load_state_dict(begun.network.state_dict())


def test_files_of_other_networks_are_one_line(tmp_path: Path) -> None:
    write_tensors(tmp_path / "rcnn.safetensors", build(RCNN).state_dict())
    write_tensors(tmp_path / "other.safetensors", {"conv.weight": torch.zeros(3)})
    (tmp_path / "no.pth").write_bytes(b"no")
    donor = build(SSDLITE).state_dict()
    donor.pop("head.regression_head.module_list.0.1.weight")
    write_tensors(tmp_path / "lacks.safetensors", donor)
    cases = {
        "rcnn.safetensors": "not weights of ssdlite320_mobilenet_v3_large: missing: ",
        "other.safetensors": "not weights of ssdlite320_mobilenet_v3_large: missing: ",
        "lacks.safetensors": "missing: head.regression_head.module_list.0.1.weight",
        "no.pth": "cannot be read safely",
        "gone.pth": "no such file; give none, or the path of a file",
    }
    for name, words in cases.items():
        with pytest.raises(FashretError, match=re.escape(words)) as caught:
            start(replace(SSDLITE, weights=str(tmp_path / name)))
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 700


def test_broken_numbers_are_one_line(tmp_path: Path) -> None:
    donor = build(SSDLITE).state_dict()
    donor["head.regression_head.module_list.0.1.weight"][0] = float("nan")
    write_tensors(tmp_path / "nan.safetensors", donor)
    with pytest.raises(FashretError, match="holds NaN or infinite weights"):
        start(replace(SSDLITE, weights=str(tmp_path / "nan.safetensors")))
