"""Backbones: published names and shapes, strides, what timm models give."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from fashret.choices import STRIDED
from fashret.errors import FashretError
from fashret.models.backbones import BACKBONES, PLAIN_RESNETS, find_backbone, settings_for
from fashret.models.network import build
from fashret.models.settings import ModelSettings

PUBLISHED = Path(__file__).parent / "published_keys"  # its README names the sources


def published(name: str) -> dict[str, tuple[int, ...]]:
    """Parameter names and shapes of a published checkpoint, one `name (shape)` a line."""
    found = {}
    for line in (PUBLISHED / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        parameter, shape = line.split(" ", 1)
        found[parameter] = tuple(int(size) for size in shape.strip("()").split(",") if size.strip())
    return found


def shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def without(named: dict[str, tuple[int, ...]], head: str) -> dict[str, tuple[int, ...]]:
    return {name: shape for name, shape in named.items() if not name.startswith(head)}


def backbone(name: str, **values) -> nn.Module:
    with torch.device("meta"):
        return find_backbone(name).build(ModelSettings(backbone=name, **values))[0]


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("osnet_x1_0", "classifier."),
        ("osnet_x0_25", "classifier."),
        ("osnet_ain_x1_0", "classifier."),
        ("resnet50_ibn_a", "fc."),
    ],
)
def test_names_and_shapes_are_the_published_ones(name, head):
    expected = without(published(name), head)
    assert len(expected) > 300
    assert shapes(backbone(name)) == expected


def test_resnet50_has_the_published_names_but_for_ibn():
    expected = {}
    for name, shape in published("resnet50_ibn_a").items():  # published without its fc
        if ".bn1.IN." in name:
            continue
        whole = tuple(2 * size for size in shape) if ".bn1.BN." in name else shape  # the other half is the IN
        expected[name.replace(".bn1.BN.", ".bn1.")] = whole
    assert shapes(backbone("resnet50")) == without(expected, "fc.")


# blocks in each stage (He et al., arXiv 1512.03385, table 1), whether they are bottlenecks, and the number of
# parameters that torchvision's documentation gives for the file IMAGENET1K_V1
RESNETS = {
    "resnet18": ((2, 2, 2, 2), False, 11_689_512),
    "resnet34": ((3, 4, 6, 3), False, 21_797_672),
    "resnet50": ((3, 4, 6, 3), True, 25_557_032),
    "resnet101": ((3, 4, 23, 3), True, 44_549_160),
    "resnet152": ((3, 8, 36, 3), True, 60_192_808),
}


def published_resnet(name: str) -> dict[str, tuple[int, ...]]:
    """Every name and shape in the file that torchvision publishes, spelled out from the paper's table."""
    stages, bottleneck, _ = RESNETS[name]
    found: dict[str, tuple[int, ...]] = {}

    def convolution(place: str, out: int, channels: int, side: int, norm: str) -> None:
        found[f"{place}.weight"] = (out, channels, side, side)
        found.update({f"{norm}.{part}": (out,) for part in ("weight", "bias", "running_mean", "running_var")})
        found[f"{norm}.num_batches_tracked"] = ()

    convolution("conv1", 64, 3, 7, "bn1")
    channels = 64
    for stage, blocks in enumerate(stages, 1):
        width = 64 * 2 ** (stage - 1)
        out = 4 * width if bottleneck else width
        for block in range(blocks):
            place, sides, inner = f"layer{stage}.{block}", (1, 3, 1) if bottleneck else (3, 3), channels
            for i, side in enumerate(sides, 1):
                made = out if i == len(sides) else width
                convolution(f"{place}.conv{i}", made, inner, side, f"{place}.bn{i}")
                inner = made
            if channels != out:
                convolution(f"{place}.downsample.0", out, channels, 1, f"{place}.downsample.1")
            channels = out
    return found | {"fc.weight": (1000, channels), "fc.bias": (1000,)}


@pytest.mark.parametrize("name", PLAIN_RESNETS)
def test_resnets_have_the_published_names_and_shapes(name):
    expected = published_resnet(name)
    learned = [shape for key, shape in expected.items() if not key.endswith(("_mean", "_var", "_tracked"))]
    assert sum(math.prod(shape) for shape in learned) == RESNETS[name][2]
    assert shapes(backbone(name)) == without(expected, "fc.")


@pytest.mark.parametrize("name", PLAIN_RESNETS)
def test_resnets_have_the_names_of_torchvision(name):
    from torchvision import models

    with torch.device("meta"):
        assert shapes(backbone(name)) == without(shapes(getattr(models, name)()), "fc.")


@pytest.mark.parametrize(
    ("name", "channels"), [("osnet_x0_75", (48, 192, 288, 384)), ("osnet_x0_5", (32, 128, 192, 256))]
)
def test_narrower_osnets_have_the_same_names_and_their_widths(name, channels):
    named = shapes(backbone(name))
    assert list(named) == list(without(published("osnet_x1_0"), "classifier."))
    assert named["conv1.conv.weight"] == (channels[0], 3, 7, 7)
    for stage in range(3):
        assert named[f"conv{stage + 2}.1.conv3.conv.weight"][:2] == (channels[stage + 1], channels[stage + 1] // 4)
    assert named["fc.0.weight"] == (512, channels[3])


def test_se_resnext_is_the_network_that_timm_publishes_weights_of():
    import timm

    ours = find_backbone("se_resnext50_32x4d").build(ModelSettings(last_stride=2))[0].eval()
    theirs = timm.create_model("legacy_seresnext50_32x4d").eval()
    named = without(shapes(theirs), "last_linear.")
    assert shapes(ours) == named and len(named) == 382
    ours.load_state_dict({name: tensor for name, tensor in theirs.state_dict().items() if name in named})
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs.forward_features(images))


def test_pretrainedmodels_and_timm_wait_until_they_are_asked_for():
    code = "import sys; from fashret.models.network import build, ModelSettings; from fashret.models import weights;"
    code += "build(ModelSettings(backbone='osnet_x0_25', weights='none'));"
    code += "print([name for name in ('pretrainedmodels', 'timm', 'torchvision') if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "last_stride"),
    [(name, 1) for name in BACKBONES]
    + [(name, 2) for name in BACKBONES if not name.startswith("osnet") or name == "osnet_x1_0"],  # all take none
)
def test_last_stride_and_feature_width(name, last_stride):
    """256 x 128 → 16 x 8 with last stride 1; half of it with 2; OSNet and the small network have their own strides."""
    with torch.device("meta"):
        module, width = find_backbone(name).build(ModelSettings(backbone=name, last_stride=last_stride))
        features = module.eval()(torch.empty(1, 3, 256, 128))
        vector = module.vector(features.mean(dim=(2, 3))) if hasattr(module, "vector") else features[:, :, 0, 0]
    sixteenth = name.startswith("osnet") or (last_stride == 1 and name in STRIDED)
    assert features.shape[2:] == ((16, 8) if sixteenth else (8, 4))
    assert vector.shape == (1, width)


def test_resnet_computes_what_torchvision_computes():
    from torchvision import models

    reference = models.resnet18().eval()
    module = find_backbone("resnet18").build(ModelSettings(last_stride=2))[0].eval()
    module.load_state_dict(without(reference.state_dict(), "fc."))
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(reference.fc(module(images).mean(dim=(2, 3))), reference(images))


def test_stem_relu_can_be_left_out():
    images = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    modules = [find_backbone("resnet18").build(ModelSettings(stem_relu=relu))[0].eval() for relu in (True, False)]
    modules[1].load_state_dict(modules[0].state_dict())  # the same names
    stem = modules[0].bn1(modules[0].conv1(images))
    for module, stemmed in zip(modules, (stem.relu(), stem), strict=True):
        features = module.maxpool(stemmed)
        for layer in (module.layer1, module.layer2, module.layer3, module.layer4):
            features = layer(features)
        torch.testing.assert_close(module(images), features)


def test_unknown_backbones_list_the_known_ones():
    with pytest.raises(FashretError) as error:
        find_backbone("resnet")
    assert all(name in str(error.value) for name in BACKBONES)


def timm_backbone(name: str, size: str) -> tuple[nn.Module, int, torch.Tensor]:
    """A timm backbone with random weights, its width, and two images of the size."""
    settings = settings_for(f"timm:{name}", size, weights="none")
    images = torch.randn(2, 3, settings.height, settings.width, generator=torch.Generator().manual_seed(0))
    return *find_backbone(settings.backbone).build(settings), images


@pytest.mark.parametrize(
    ("name", "size", "width", "places"),
    [
        ("xcit_nano_12_p16_224", "64x32", 128, 4 * 2),  # one side of the patches, as a number
        ("efficientvit_m0", "128x64", 192, 2 * 1),  # 16, then 2 twice
        ("pvt_v2_b0", "64x32", 256, 2 * 1),  # patches of 7 that overlap
        ("test_vit", "64x32", 64, 4 * 2),
        ("selecsls42b", "64x32", 480, 4 * 2),  # without the convolutions of its head
    ],
)
def test_timm_models_give_a_map_of_the_width_they_say(name, size, width, places):
    module, known, images = timm_backbone(name, size)
    with torch.no_grad():
        features = module.eval()(images)
    assert known == width and features.shape[:2] == (2, width)
    assert features.shape[2] * features.shape[3] == places
    assert not torch.allclose(features[0], features[1])


def class_tokens(branches):
    return torch.cat([tokens[:, 0] for tokens in branches], dim=1)


def means(states):
    return torch.cat([state.mean(dim=2) for state in states], dim=1)


@pytest.mark.parametrize(
    ("name", "size", "width", "joined"),
    [("crossvit_tiny_240", "", 96 + 192, class_tokens), ("efficientvim_m1", "64x32", 128 + 192 + 2 * 320, means)],
)
def test_timm_models_with_several_features_join_them(name, size, width, joined):
    module, known, images = timm_backbone(name, size)
    with torch.no_grad():
        features, parts = module.eval()(images), module.model.forward_features(images)
    assert len(parts) > 1 and features.shape == (2, width, 1, 1) and known == width
    torch.testing.assert_close(features[:, :, 0, 0], joined(parts))


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        ("crossvit_tiny_240", "256x128", ["256x128", "--input 240x240"]),
        ("efficientformer_l1", "256x128", ["256x128", "--input 224x224"]),
        ("bat_resnext26ts", "256x128", ["256x128", "--input 256x256"]),
        ("test_vit", "100x50", ["100x50", "--input 160x160", "multiples of 16 and 16"]),  # would leave out the rest
    ],
)
def test_inputs_that_a_timm_model_does_not_take_are_one_line(name, size, words):
    with pytest.raises(FashretError) as error:
        timm_backbone(name, size)
    assert "\n" not in str(error.value)
    for word in [f"timm:{name} does not take an input of", *words]:
        assert word in str(error.value)


def test_the_first_image_through_a_timm_model_leaves_no_trace():
    import timm

    settings = settings_for("timm:mobilenetv3_small_050", "32", weights="none", seed=3)
    network = build(settings)
    assert all(module.training for module in network.modules())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        fresh = timm.create_model("mobilenetv3_small_050", num_classes=0).state_dict()
    kept = network.backbone.model.state_dict()
    assert any("running_mean" in name for name in kept)
    assert all(torch.equal(tensor, fresh[name]) for name, tensor in kept.items())
