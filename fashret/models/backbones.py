"""Backbones: name → a module that turns B×3×H×W images into a B×C×h×w feature map.

In: `ModelSettings`. Out: a module with random weights and the width of the vector that pooling makes of its map. The
names and shapes of the parameters are those of the published checkpoints, without the classifier.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Any

from torch import Tensor, nn

from fashret.errors import FashretError
from fashret.models.settings import IMAGENET_MEAN, IMAGENET_STD, ModelSettings

Built = tuple[nn.Module, int]  # the module, and the width of its feature vector


@dataclass(frozen=True)
class Backbone:
    """One row of `BACKBONES`."""

    build: Callable[[ModelSettings], Built]
    classifier: tuple[str, ...]  # first parts of the published parameter names that are left out
    origin: str  # where its ImageNet weights come from, for people


def _resnet(settings: ModelSettings, name: str) -> Built:
    from torchvision import models

    net = getattr(models, name)(weights=None, zero_init_residual=False)
    if settings.last_stride == 1:
        _unstride(net.layer4[0])
    return _without_head(net, ("avgpool", "fc")), net.fc.in_features


def _unstride(block: nn.Module) -> None:
    """Stride 2 → 1 in every convolution of a block (the last stage then keeps its input's resolution)."""
    for module in block.modules():
        if isinstance(module, nn.Conv2d) and module.stride == (2, 2):
            module.stride = (1, 1)


def _without_head(net: nn.Module, head: tuple[str, ...]) -> nn.Module:
    """The children up to the head in a row, under their own names: the forward pass of a plain feed-forward network."""
    return nn.Sequential(OrderedDict((name, part) for name, part in net.named_children() if name not in head))


class TimmBackbone(nn.Module):
    """A timm model as a feature map: tokens are laid out again as the map they were cut from."""

    # what timm models keep behind `forward_features`: never run here, so not kept either
    HEADS = ("head", "fc", "classifier", "head_dist", "conv_head", "norm_head", "fc_norm", "attn_pool")

    def __init__(self, model: nn.Module, class_token: bool) -> None:
        super().__init__()
        self.model = model
        self.class_token = class_token
        for name in self.HEADS:
            if isinstance(getattr(model, name, None), nn.Module):
                setattr(model, name, nn.Identity())

    def forward(self, images: Tensor) -> Tensor:
        features = self.model.forward_features(images)  # type: ignore[operator]
        if features.ndim == 4:
            return features.permute(0, 3, 1, 2) if getattr(self.model, "output_fmt", "") == "NHWC" else features
        if self.class_token:
            return features[:, 0, :, None, None]  # B×N×C → B×C×1×1
        patches = features[:, getattr(self.model, "num_prefix_tokens", 0) :].transpose(1, 2)  # B×C×N
        grid = getattr(getattr(self.model, "patch_embed", None), "grid_size", None) or (1, patches.shape[2])
        rows, columns = grid if grid[0] * grid[1] == patches.shape[2] else (1, patches.shape[2])
        return patches.unflatten(2, (rows, columns))


def _timm(settings: ModelSettings, name: str) -> Built:
    model = create_timm(name, settings)
    if settings.pooling == "cls" and not getattr(model, "num_prefix_tokens", 0):
        raise FashretError(f"timm:{name} has no class token; use --pooling avg, max, gem or rmac")
    return TimmBackbone(model, settings.pooling == "cls"), int(model.num_features)  # type: ignore[arg-type]


def create_timm(name: str, settings: ModelSettings, **options: Any) -> nn.Module:
    """A timm model for the settings' input size, without classifier.

    Raises
    ------
    FashretError
        If timm has no such model (with the closest names), or the model does not take this input size.
    """
    import timm

    known = timm.list_models() if "." not in name else timm.list_pretrained()
    if name not in known:
        close = get_close_matches(name, known, n=5, cutoff=0.4)
        raise FashretError(f"timm has no model {name!r}; the closest names are {', '.join(close) or 'none'}")
    size = (settings.height, settings.width)
    configuration = timm.get_pretrained_cfg(name, allow_unregistered=True)
    if configuration is not None and configuration.fixed_input_size:
        options["img_size"] = size
    try:
        return timm.create_model(name, num_classes=0, **options)
    except (AssertionError, TypeError, ValueError) as error:
        if "img_size" not in options:
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FashretError(f"timm:{name} does not take an input of {size[0]}x{size[1]}: {reason}") from error


RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")

BACKBONES: dict[str, Backbone] = {
    name: Backbone(partial(_resnet, name=name), ("fc",), f"torchvision, {name}, IMAGENET1K_V1") for name in RESNETS
}


def find_backbone(name: str) -> Backbone:
    """The row of a backbone's name.

    Raises
    ------
    FashretError
        If there is no such name; the known ones are listed.
    """
    if name.startswith("timm:"):
        return Backbone(partial(_timm, name=name[5:]), TimmBackbone.HEADS, "timm")
    if name not in BACKBONES:
        raise FashretError(f"no backbone {name!r}; there are {', '.join(BACKBONES)} and timm:NAME")
    return BACKBONES[name]


@dataclass(frozen=True)
class Input:
    """The input that a backbone's published weights were trained on."""

    height: int
    width: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def published_input(name: str) -> Input | None:
    """Input size, mean and std of a timm model; None where the size is free and ImageNet's mean and std hold.

    >>> published_input("resnet50") is None
    True
    """
    if not name.startswith("timm:"):
        find_backbone(name)
        return None
    import timm

    configuration = timm.get_pretrained_cfg(name[5:], allow_unregistered=True)
    if configuration is None:
        return None
    _, height, width = configuration.input_size
    red, green, blue = configuration.mean or IMAGENET_MEAN
    std_red, std_green, std_blue = configuration.std or IMAGENET_STD
    return Input(int(height), int(width), (red, green, blue), (std_red, std_green, std_blue))
