"""The network's parts, its outputs, and its random weights."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from fashret.errors import FashretError
from fashret.models.backbones import settings_for
from fashret.models.network import build
from fashret.models.settings import ModelSettings

TINY = ModelSettings(backbone="osnet_x0_25", weights="none", height=64, width=32)


def images(settings: ModelSettings, count: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, 3, settings.height, settings.width, generator=generator)


def test_output_shapes_and_what_follows_what():
    settings = dataclasses.replace(TINY, classes=7, dim=16)
    network = build(settings).eval()
    output = network(images(settings))
    assert output.feature.shape == output.embedding.shape == (3, 16) and output.logits.shape == (3, 7)
    torch.testing.assert_close(output.embedding, network.neck(output.feature))
    torch.testing.assert_close(output.logits, output.embedding @ network.classifier.weight.T)
    pooled = network.backbone.vector(network.backbone(images(settings)).mean(dim=(-2, -1)))
    torch.testing.assert_close(output.feature, pooled @ network.projection.weight.T)


def test_without_neck_projection_and_classes():
    network = build(dataclasses.replace(TINY, neck="none")).eval()
    output = network(images(TINY))
    assert torch.equal(output.feature, output.embedding) and output.logits is None
    assert network.width == 512


@pytest.mark.parametrize("feature", ["after", "before"])
def test_embed_is_the_chosen_feature_on_the_unit_sphere(feature):
    network = build(dataclasses.replace(TINY, feature=feature)).eval()
    torch.nn.init.uniform_(network.neck.weight, 0.5, 2)  # so that before and after differ
    output = network(images(TINY))
    chosen = output.embedding if feature == "after" else output.feature
    vectors = network.embed(images(TINY))
    assert vectors.dtype == torch.float32 and not vectors.requires_grad
    torch.testing.assert_close(vectors, chosen / chosen.norm(dim=1, keepdim=True))
    torch.testing.assert_close(vectors[1:2], network.embed(images(TINY)[1:2]), rtol=1e-4, atol=1e-5)


def test_embed_refuses_training_mode():
    with pytest.raises(FashretError, match="eval"):
        build(TINY).embed(images(TINY))


def test_neck_and_classifier_start_as_published():
    network = build(dataclasses.replace(TINY, classes=500))
    assert not network.neck.bias.requires_grad and not network.neck.bias.any()
    assert torch.equal(network.neck.weight, torch.ones(512))
    assert network.classifier.bias is None
    assert float(network.classifier.weight.detach().std()) == pytest.approx(0.001, rel=0.02)
    plain = build(dataclasses.replace(TINY, classes=5, neck="none"))
    assert plain.classifier.bias is not None and not plain.classifier.bias.any()


def test_random_weights_are_a_function_of_the_seed_alone():
    settings = dataclasses.replace(TINY, classes=3, dim=4, pooling="gem")
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = build(settings).state_dict()
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(10)
    second, third = build(settings).state_dict(), build(dataclasses.replace(settings, seed=1)).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], third[name]) for name in first)


def test_outputs_are_float32_under_mixed_precision():
    settings = dataclasses.replace(TINY, classes=3, pooling="gem")
    network = build(settings).eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = network(images(settings))
        vectors = network.embed(images(settings))
    assert {tensor.dtype for tensor in (*output, vectors)} == {torch.float32}
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))


@pytest.mark.parametrize(
    ("backbone", "pooling"),
    [
        ("osnet_x0_25", "rmac"),
        ("osnet_x0_25", "rmac-learned"),
        ("small", "rmac-learned"),
        ("osnet_ain_x1_0", "avg"),
        ("resnet18", "gem"),
        ("timm:mobilenetv3_small_050", "max"),
        ("timm:vit_tiny_patch16_224", "cls"),
        ("timm:swin_tiny_patch4_window7_224", "avg"),
        ("timm:efficientnet_b0", "avg"),
        ("timm:convnext_atto", "avg"),
    ],
)
def test_every_parameter_that_learns_is_reached(backbone, pooling):
    """Training on several devices waits for every parameter's gradient."""
    network = build(settings_for(backbone, "32x32", weights="none", pooling=pooling, classes=4))
    output = network(images(network.settings))
    torch.nn.functional.cross_entropy(output.logits * 100, torch.tensor([0, 1, 2])).backward()
    idle = [name for name, p in network.named_parameters() if p.requires_grad and p.grad is None]
    assert not idle
    assert output.feature.shape == (3, network.width)


def test_a_transformer_map_is_its_patches_where_they_were():
    settings = settings_for("timm:vit_tiny_patch16_224", "64x32", weights="none")
    network = build(settings).eval()
    with torch.no_grad():
        tokens = network.backbone.model.forward_features(images(settings))  # class token, then row by row
        features = network.backbone(images(settings))
    assert features.shape == (3, 192, 4, 2)
    for row in range(4):
        for column in range(2):
            assert torch.equal(features[:, :, row, column], tokens[:, 1 + 2 * row + column])


def test_class_token():
    settings = settings_for("timm:vit_tiny_patch16_224", "32", weights="none", pooling="cls", neck="none")
    network = build(settings).eval()
    with torch.no_grad():
        token = network.backbone.model.forward_features(images(settings))[:, 0]
        torch.testing.assert_close(network(images(settings)).feature, token)
    with pytest.raises(FashretError, match="class token"):
        build(settings_for("timm:mobilenetv3_small_050", weights="none", pooling="cls"))


def test_input_of_published_weights():
    vit = settings_for("timm:vit_tiny_patch16_224")
    assert (vit.height, vit.width, vit.mean) == (224, 224, (0.5, 0.5, 0.5))
    assert settings_for("timm:vit_tiny_patch16_224", "256x128").height == 256
    assert settings_for("timm:vit_tiny_patch16_224", std=(1, 1, 1)).std == (1, 1, 1)
    resnet = settings_for("resnet50", dim=5)
    assert (resnet.height, resnet.width, resnet.mean, resnet.dim) == (256, 128, (0.485, 0.456, 0.406), 5)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"backbone": "resnet51"}, ["resnet51", "resnet50", "timm:NAME"]),
        ({"backbone": "timm:resnet51"}, ["resnet51", "closest", "resnet50"]),
        ({"backbone": "timm:vit_tiny_patch16_224.nobody"}, ["nobody", "closest"]),
        ({"backbone": "timm:vit_tiny_patch16_224", "size": "100x50"}, ["100x50"]),
    ],
)
def test_backbones_that_cannot_be_built_are_one_line(settings, words):
    with pytest.raises(FashretError) as error:
        build(settings_for(**settings, weights="none"))
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)
