"""Published checkpoints of every layout, and what is said about those that do not fit."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import os
import subprocess
import urllib.error
from collections import OrderedDict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torchvision.models.resnet import BasicBlock, ResNet

from fashret.console import log
from fashret.errors import FashretError
from fashret.models import weights
from fashret.models.backbones import settings_for
from fashret.models.checkpoints import read_checkpoint
from fashret.models.network import build
from fashret.models.settings import ModelSettings
from fashret.models.weights import imagenet_file, published, start
from tests.models.test_backbones import published as published_shapes
from tests.models.test_backbones import published_resnet

OSNET = ModelSettings(backbone="osnet_x0_25", weights="none", height=32, width=32)
RESNET = dataclasses.replace(OSNET, backbone="resnet34")  # a thin one, see below; resnet18 is the published one


class ThinResNet(ResNet):
    """A ResNet of the same layers, each an eighth as wide: a file of half a megabyte."""

    def __init__(self, weights: None) -> None:
        super().__init__(BasicBlock, [2, 2, 2, 2])
        self.fc = torch.nn.Linear(512 // 8, 1000)

    def _make_layer(self, block: type, planes: int, *rest: Any, **named: Any) -> torch.nn.Sequential:
        return super()._make_layer(block, planes // 8, *rest, **named)


@pytest.fixture(autouse=True)
def resnet34_is_thin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision.models, "resnet34", ThinResNet)


def donor(settings: ModelSettings) -> dict[str, torch.Tensor]:
    """Weights of a network with other random numbers, a trained-looking neck, and a classifier of 6 classes."""
    return {name: tensor.clone() for name, tensor in _drawn(settings).items()}


@cache
def _drawn(settings: ModelSettings) -> dict[str, torch.Tensor]:
    network = build(dataclasses.replace(settings, seed=9, classes=6))
    with torch.no_grad():
        for tensor in (*network.neck.state_dict().values(), *network.backbone.buffers()):
            if tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5)
    return dict(network.state_dict())


def backbone_only(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix("backbone."): t for name, t in tensors.items() if name.startswith("backbone.")}


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def check_equal(network: torch.nn.Module, tensors: dict[str, torch.Tensor], parts: tuple[str, ...]) -> None:
    for name, tensor in network.state_dict().items():
        if name.split(".")[0] in parts:
            torch.testing.assert_close(tensor, tensors[name].to(tensor.dtype), rtol=0, atol=0)


def torchreid(tensors):
    return {
        "state_dict": OrderedDict((f"module.{n}", t) for n, t in tensors.items()),
        "epoch": 60,
        "rank1": np.float64(1),
    }


WRAPPED = {
    "compiled": "_orig_mod.{}",
    "parallel": "module.{}",
    "parallel twice": "module.module.{}",
    "compiled and parallel": "module._orig_mod.{}",
    "parallel and compiled": "_orig_mod.module.{}",
    "Lightning": "model.{}",
    "Lightning, compiled": "model._orig_mod.{}",
    "a training code": "net.{}",
    "a network of a network": "model.backbone.{}",
    "backbone in parallel": "backbone.module.{}",
    "everything": "_orig_mod.module.model.net.backbone.{}",
}


@pytest.mark.parametrize(
    ("settings", "form"),
    [(OSNET, form) for form in WRAPPED] + [(RESNET, "everything"), (RESNET, "backbone in parallel")],
    ids=lambda value: getattr(value, "backbone", value),
)
def test_names_of_wrappers_are_taken_off(tmp_path: Path, settings: ModelSettings, form: str) -> None:
    plain = backbone_only(donor(settings))
    path = saved(tmp_path / "a.pth", {WRAPPED[form].format(name): tensor for name, tensor in plain.items()})
    network = start(dataclasses.replace(settings, weights=str(path)))
    check_equal(network.backbone, plain, tuple({name.split(".")[0] for name in plain}))


@pytest.mark.parametrize("form", ["{}", "_orig_mod.{}", "module.{}", "model.{}", "net.model.{}"])
def test_wrappers_of_a_whole_network_are_taken_off_and_its_own_parts_are_not(tmp_path: Path, form: str) -> None:
    tensors = donor(RESNET)
    path = saved(tmp_path / "a.pth", {form.format(name): tensor for name, tensor in tensors.items()})
    check_equal(start(dataclasses.replace(RESNET, weights=str(path))), tensors, ("backbone", "neck"))


@pytest.mark.parametrize("form", ["{}", "model.{}", "module.model.{}", "net.{}"])
@pytest.mark.parametrize("base", ["base.", "backbone.base."])
def test_wrappers_of_other_layouts_are_taken_off(tmp_path: Path, form: str, base: str) -> None:
    plain = backbone_only(donor(RESNET))
    path = saved(tmp_path / "a.pth", {form.format(base + name): tensor for name, tensor in plain.items()})
    network = start(dataclasses.replace(RESNET, weights=str(path)))
    check_equal(network.backbone, plain, tuple({name.split(".")[0] for name in plain}))
    assert not network.settings.stem_relu


@pytest.mark.parametrize("key", ["ema", "teacher", "student", "params", "weights", "params_ema", "module"])
def test_parameters_are_found_under_the_names_of_training_codes(tmp_path: Path, key: str) -> None:
    plain = backbone_only(donor(OSNET))
    inside = {f"module.backbone.{name}": tensor for name, tensor in plain.items()}
    path = saved(tmp_path / "a.pth", {"epoch": 3, key: inside, "optimizer": {"state": {}}})
    network = start(dataclasses.replace(OSNET, weights=str(path)))
    check_equal(network.backbone, plain, tuple({name.split(".")[0] for name in plain}))


def test_a_wrapped_network_of_another_kind_is_said_in_its_own_names(tmp_path: Path) -> None:
    plain = {f"model.{name}": tensor for name, tensor in backbone_only(donor(RESNET)).items()}
    plain["model.layer9.weight"] = torch.zeros(3)
    path = saved(tmp_path / "a.pth", plain)
    with pytest.raises(FashretError, match=r"not of this network: backbone\.layer9\.weight$"):
        start(dataclasses.replace(RESNET, weights=str(path)))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, number: float) -> None:
    plain = backbone_only(donor(RESNET))
    plain["layer1.0.conv1.weight"][0, 0, 0, 0] = number
    path = saved(tmp_path / "a.pth", plain)
    with pytest.raises(FashretError, match=r"a.pth: holds NaN or infinite weights \(backbone.layer1.0.conv1.weight\)"):
        start(dataclasses.replace(RESNET, weights=str(path)))


def test_plain_state_dict_with_classifier(tmp_path):
    tensors = donor(OSNET)
    plain = backbone_only(tensors) | {"classifier.weight": torch.zeros(1000, 512), "classifier.bias": torch.zeros(1000)}
    network = start(dataclasses.replace(OSNET, weights=str(saved(tmp_path / "osnet.pth", plain)), classes=6))
    check_equal(network, tensors, ("backbone",))
    fresh = build(dataclasses.replace(OSNET, classes=6))  # the rest is as random as it was
    check_equal(network, dict(fresh.state_dict()), ("neck", "classifier"))


@pytest.mark.parametrize("name", ["osnet_x1_0", "osnet_x0_25", "osnet_ain_x1_0", "resnet50_ibn_a", "resnet18"])
def test_a_file_with_exactly_the_published_names_and_shapes_loads(name, tmp_path):
    listed = published_resnet(name) if name == "resnet18" else published_shapes(name)
    zero = torch.zeros(())  # one number, seen in every shape: the file stays small
    path = saved(tmp_path / "published.pth", {key: zero.expand(shape) for key, shape in listed.items()})
    network = start(dataclasses.replace(OSNET, backbone=name, weights=str(path), classes=3))
    assert not any(tensor.any() for tensor in network.backbone.state_dict().values())
    del listed[next(key for key in reversed(listed) if key.endswith("running_var"))]
    path = saved(tmp_path / "less.pth", {key: zero.expand(shape) for key, shape in listed.items()})
    with pytest.raises(FashretError, match="missing: backbone.*running_var"):
        start(dataclasses.replace(OSNET, backbone=name, weights=str(path)))


def test_older_files_without_batch_counters_and_in_half_precision(tmp_path):
    tensors = {n: t.half() if t.is_floating_point() else t for n, t in backbone_only(donor(OSNET)).items()}
    path = saved(tmp_path / "old.pth", {n: t for n, t in tensors.items() if "num_batches" not in n})
    network = start(dataclasses.replace(OSNET, weights=str(path)))
    assert {t.dtype for t in network.parameters()} == {torch.float32}
    torch.testing.assert_close(network.backbone.conv5.conv.weight, tensors["conv5.conv.weight"].float())


def test_torchreid_checkpoint(tmp_path):
    tensors = donor(OSNET)
    path = saved(
        tmp_path / "model.pth.tar-60", torchreid(backbone_only(tensors) | {"classifier.bias": torch.zeros(751)})
    )
    check_equal(start(dataclasses.replace(OSNET, weights=str(path))), tensors, ("backbone",))


def test_file_of_the_format_before_torch_1_6(tmp_path):
    tensors = donor(OSNET)
    torch.save(backbone_only(tensors), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    check_equal(start(dataclasses.replace(OSNET, weights=str(tmp_path / "old.pth"))), tensors, ("backbone",))


def strong_baseline(tensors):
    parts = {"backbone": "base", "neck": "bottleneck", "classifier": "classifier"}
    names = {name: name.split(".", 1) for name in tensors}
    return {f"{parts[names[n][0]]}.{names[n][1]}": t for n, t in tensors.items()}


def test_strong_baseline_checkpoint_with_its_neck(tmp_path):
    tensors = donor(RESNET)
    path = saved(tmp_path / "resnet50_model_120.pth", strong_baseline(tensors))
    network = start(dataclasses.replace(RESNET, weights=str(path), classes=3))
    check_equal(network, tensors, ("backbone", "neck"))
    assert not network.settings.stem_relu  # that code's plain ResNet has no ReLU there
    assert network.classifier.weight.shape == (3, 512 // 8)


def test_strong_baseline_checkpoint_of_ibn_a_keeps_the_relu(tmp_path):
    settings = dataclasses.replace(OSNET, backbone="resnet50_ibn_a")
    tensors = donor(settings)
    published_too = {"base.fc.weight": torch.zeros(1000, 2048), "base.fc.bias": torch.zeros(1000)}
    path = saved(tmp_path / "ibn.pth", strong_baseline(tensors) | published_too)
    network = start(dataclasses.replace(settings, weights=str(path)))
    check_equal(network, tensors, ("backbone", "neck"))
    assert network.settings.stem_relu


class AttributeDict(dict):
    """Like the class that Lightning saves hyper-parameters with."""


class Configuration(dict):
    """Like yacs' CfgNode: a dictionary with attributes of its own."""

    def __init__(self, values):
        super().__init__(values)
        self.__dict__["frozen"] = True


class Callback:
    pass


def test_lightning_checkpoint_of_the_centroids_code(tmp_path):
    tensors = donor(RESNET)
    parts = {"backbone": "backbone.base", "neck": "bn", "classifier": "fc_query"}
    names = {name: name.split(".", 1) for name in tensors}
    state = OrderedDict((f"{parts[names[n][0]]}.{names[n][1]}", t) for n, t in tensors.items())
    state["center_loss.centers"] = torch.zeros(6, 512)
    content = {
        "epoch": 119,
        "pytorch-lightning_version": "1.1.4",
        "callbacks": {Callback: {"best_model_score": np.float32(0.4), "path": Path("best.ckpt")}},
        "state_dict": state,
        "hparams_type": AttributeDict,
        "hyper_parameters": AttributeDict(MODEL=Configuration({"NAME": "resnet34"}), args=argparse.Namespace(lr=1)),
    }
    path = saved(tmp_path / "epoch=119.ckpt", content)
    network = start(dataclasses.replace(RESNET, weights=str(path)))
    check_equal(network, tensors, ("backbone", "neck"))
    assert not network.settings.stem_relu


def test_own_weights_with_projection_and_pooling(tmp_path):
    settings = dataclasses.replace(OSNET, dim=16, pooling="gem")
    tensors = donor(settings) | {"pooling.p": torch.tensor(4.0)}
    save_file({n: t.contiguous() for n, t in tensors.items()}, tmp_path / "model.safetensors")
    network = start(dataclasses.replace(settings, weights=str(tmp_path / "model.safetensors")))
    check_equal(network, tensors, ("backbone", "neck", "projection", "pooling"))


def test_published_timm_file(tmp_path):
    import timm

    theirs = timm.create_model("mobilenetv3_small_050")
    save_file(theirs.state_dict(), tmp_path / "timm.safetensors")
    settings = settings_for("timm:mobilenetv3_small_050", "32", weights=str(tmp_path / "timm.safetensors"), neck="none")
    network = start(settings).eval()
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = theirs.eval().forward_features(images).mean(dim=(2, 3))
        torch.testing.assert_close(network(images).feature, expected)


def test_published_transformer_at_another_input_size(tmp_path):
    import timm

    theirs = timm.create_model("vit_tiny_patch16_224", img_size=48)
    torch.save(theirs.state_dict(), tmp_path / "vit.pth")
    network = start(settings_for("timm:vit_tiny_patch16_224", "64x32", weights=str(tmp_path / "vit.pth")))
    assert network.backbone.model.pos_embed.shape == (1, 1 + 4 * 2, 192)
    torch.testing.assert_close(network.backbone.model.blocks[0].attn.qkv.weight, theirs.blocks[0].attn.qkv.weight)


@pytest.mark.parametrize(("name", "side"), [("levit_128s", 224), ("crossvit_tiny_240", 240)])
def test_published_timm_files_with_several_classifiers(name, side, tmp_path):
    import timm

    theirs = timm.create_model(name)
    torch.save(theirs.state_dict(), tmp_path / "timm.pth")
    settings = settings_for(f"timm:{name}", str(side), weights=str(tmp_path / "timm.pth"))
    ours = start(settings).backbone.model.state_dict()
    assert ours and all(tensor.equal(theirs.state_dict()[key]) for key, tensor in ours.items())


@pytest.mark.parametrize("name", ["eva02_tiny_patch14_224", "convnext_atto", "deit_tiny_distilled_patch16_224"])
def test_published_timm_files_with_other_heads(name, tmp_path):
    """A norm behind the pooling, a norm inside the head, two heads."""
    import timm

    size = {"img_size": 28} if name.startswith("eva") else {"img_size": 32} if name.startswith("deit") else {}
    theirs = timm.create_model(name, **size)
    torch.save(theirs.state_dict(), tmp_path / "timm.pth")
    network = start(settings_for(f"timm:{name}", "28" if "14" in name else "32", weights=str(tmp_path / "timm.pth")))
    loaded = network.backbone.model.state_dict()
    assert len(loaded) > 100
    assert all(torch.equal(tensor, theirs.state_dict()[key]) for key, tensor in loaded.items())


def without_one(tensors):
    del tensors["conv1.conv.weight"]


def with_one_more(tensors):
    tensors["conv6.conv.weight"] = torch.zeros(3)


def with_another_shape(tensors):
    tensors["conv1.conv.weight"] = torch.zeros(64, 3, 7, 7)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without_one, ["missing: backbone.conv1.conv.weight"]),
        (with_one_more, ["not of this network: backbone.conv6.conv.weight"]),
        (with_another_shape, ["of another shape: backbone.conv1.conv.weight 64×3×7×7 instead of 16×3×7×7"]),
    ],
)
def test_a_mismatch_lists_the_keys(change, words, tmp_path):
    tensors = backbone_only(donor(OSNET))
    change(tensors)
    path = saved(tmp_path / "odd.pth", tensors)
    with pytest.raises(FashretError) as error:
        start(dataclasses.replace(OSNET, weights=str(path)))
    for word in [*words, "odd.pth", "osnet_x0_25"]:
        assert word in str(error.value)
    assert "\n" not in str(error.value)


def test_weights_of_another_backbone_list_some_keys_and_log_all(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(log, "propagate", True)  # the command line turns it off
    path = saved(tmp_path / "resnet.pth", backbone_only(donor(RESNET)))
    with caplog.at_level(logging.DEBUG, "fashret"), pytest.raises(FashretError, match="not weights of") as error:
        start(dataclasses.replace(OSNET, weights=str(path)))
    assert "missing: backbone.conv1.conv.weight" in str(error.value) and "more" in str(error.value)
    assert len(str(error.value)) < 1200
    assert "layer4.1.bn2.weight" in caplog.text


def test_a_neck_in_the_file_needs_one_in_the_network(tmp_path):
    path = saved(tmp_path / "neck.pth", strong_baseline(donor(RESNET)))
    with pytest.raises(FashretError, match="not of this network: neck.weight"):
        start(dataclasses.replace(RESNET, weights=str(path), neck="none"))


def test_timm_weights_of_another_model(tmp_path):
    path = saved(tmp_path / "osnet.pth", backbone_only(donor(OSNET)))
    with pytest.raises(FashretError, match="not weights of timm:mobilenetv3_small_050"):
        start(settings_for("timm:mobilenetv3_small_050", "32", weights=str(path)))


class Trap:
    """An object whose unpickling would leave a file behind."""

    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


@pytest.mark.parametrize("call", [os.system, os.mkdir, eval, exec, subprocess.call, Path.touch, print])
def test_nothing_in_a_file_is_ever_run(call, tmp_path, capfd):
    mark = tmp_path / "ran"
    argument = {
        os.system: f"touch {mark}",
        os.mkdir: str(mark),
        eval: f"open({str(mark)!r}, 'w')",
        exec: f"open({str(mark)!r}, 'w')",
        subprocess.call: ["touch", str(mark)],
        Path.touch: mark,
        print: "ran",
    }[call]
    tensors = donor(OSNET)
    path = saved(tmp_path / "trap.pth", {"state_dict": backbone_only(tensors), "trap": Trap(call, argument)})
    try:
        network = start(dataclasses.replace(OSNET, weights=str(path)))
    except FashretError as error:
        assert "cannot be read safely" in str(error) and "\n" not in str(error)
    else:
        check_equal(network, tensors, ("backbone",))
    assert not mark.exists() and "ran" not in capfd.readouterr().out


def test_truncated_checkpoint(tmp_path):
    path = saved(tmp_path / "cut.pth", backbone_only(donor(OSNET)))
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(FashretError, match="cut.pth"):
        read_checkpoint(path)


def test_a_path_that_is_not_there():
    with pytest.raises(FashretError, match="no such file; imagenet, none or the path"):
        start(dataclasses.replace(OSNET, weights="imagnet"))


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    return tmp_path / "checkpoints"


@pytest.mark.parametrize(
    ("backbone", "file"),
    [
        ("resnet50", "resnet50-0676ba61.pth"),
        ("resnet50_ibn_a", "resnet50_ibn_a-d9d0bb7b.pth"),
        ("se_resnext50_32x4d", "se"),  # where it is has changed between versions of timm
        ("efficientnet_b2", "efficientnet_b2.ra_in1k.safetensors"),
        ("timm:vit_small_patch14_dinov2.lvd142m", "vit_small_patch14_dinov2.lvd142m.safetensors"),
        ("osnet_ain_x1_0", "osnet_ain_x1_0_imagenet.pth"),
    ],
)
def test_without_network_one_line_says_what_to_fetch_and_where_to_put_it(backbone, file, hub, monkeypatch):
    def refuse(*args, **kwargs):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    with pytest.raises(FashretError) as error:
        start(settings_for(backbone))
    message = str(error.value)
    source = published(backbone)
    assert file in source.file
    assert "\n" not in message and str(hub / source.file) in message
    assert source.address in message and "--weights" in message
    assert not (hub / source.file).exists()


def test_imagenet_weights_are_fetched_once(hub, monkeypatch):
    tensors = donor(RESNET)
    fetched = []

    def fetch(address, path, progress):
        fetched.append(address)
        torch.save(backbone_only(tensors) | {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}, path)

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    for _ in range(2):
        network = start(dataclasses.replace(RESNET, weights="imagenet"))
        check_equal(network, tensors, ("backbone",))
        assert network.settings.stem_relu
    assert fetched == [published("resnet34").address]


def test_a_file_put_in_its_place_by_hand_is_taken(hub):
    hub.mkdir()
    tensors = donor(OSNET)
    saved(hub / "osnet_x0_25_imagenet.pth", torchreid(backbone_only(tensors)))
    assert imagenet_file("osnet_x0_25") == hub / "osnet_x0_25_imagenet.pth"
    check_equal(start(dataclasses.replace(OSNET, weights="imagenet")), tensors, ("backbone",))


def test_backbones_without_published_weights(hub):
    with pytest.raises(FashretError, match="--weights none"):
        imagenet_file("timm:mixer_s32_224")


def test_the_download_of_pretrainedmodels_is_never_used():
    source = Path(weights.__file__).with_name("backbones.py").read_text(encoding="utf-8")
    assert source.count("se_resnext50_32x4d(") == 1 and "se_resnext50_32x4d(pretrained=None)" in source
