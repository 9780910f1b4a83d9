"""Backbones: name → a module that turns B×3×H×W images into a B×C×h×w feature map.

In: `ModelSettings`. Out: a module with random weights and the width of the vector that pooling makes of its map. The
names and shapes of the parameters are those of the published checkpoints, without the classifier.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from fashret.errors import FashretError
from fashret.files.hints import hub_hint
from fashret.models import efficientnet_lite0 as lite0
from fashret.models.ibn import use_ibn_a
from fashret.models.osnet import AIN_BLOCKS, FEATURE_WIDTH, WIDTHS, OSNet
from fashret.models.presets import PRESETS
from fashret.models.settings import POOLINGS_OF_MAPS, ModelSettings, parse_input_size

Built = tuple[nn.Module, int]  # the module, and the width of its feature vector
PLAIN_RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")


@dataclass(frozen=True)
class Backbone:
    """One row of `BACKBONES`."""

    build: Callable[[ModelSettings], Built]
    classifier: tuple[str, ...]  # first parts of the published parameter names that are left out
    origin: str  # where its ImageNet weights come from, for people


def _resnet(settings: ModelSettings, name: str) -> Built:
    from torchvision import models

    net = getattr(models, name.removesuffix("_ibn_a"))(weights=None)
    if name.endswith("_ibn_a"):
        use_ibn_a(net)
    if settings.last_stride == 1:
        _unstride(net.layer4[0])
    if not settings.stem_relu:
        net.relu = nn.Identity()
    return _without_head(net, ("avgpool", "fc")), net.fc.in_features


def _se_resnext(settings: ModelSettings) -> Built:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # written for much older versions of torch
        from pretrainedmodels.models.senet import se_resnext50_32x4d  # seconds to import: only when asked for

        net = se_resnext50_32x4d(pretrained=None)  # never its downloader: plain HTTP, unchecked pickles
    if settings.last_stride == 1:
        _unstride(net.layer4[0])
    return _without_head(net, ("avg_pool", "last_linear")), net.last_linear.in_features


def _osnet(settings: ModelSettings, name: str) -> Built:
    ain = name == "osnet_ain_x1_0"
    channels = WIDTHS["osnet_x1_0" if ain else name]
    return OSNet(channels, AIN_BLOCKS if ain else None), FEATURE_WIDTH


def _efficientnet(settings: ModelSettings, name: str) -> Built:
    backbone, width = _timm(settings, TIMM_NAMES[name])
    if settings.last_stride == 1:
        _unstride(backbone.model.blocks[5][0])  # type: ignore[union-attr, index, arg-type]
    return backbone, width


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
    HEADS = ("head", "fc", "classifier", "head_dist", "fc_norm", "attn_pool", "pre_logits")
    POOLED_HEADS = ("conv_head", "norm_head")  # these too where they come behind the pooling

    def __init__(self, model: nn.Module, class_token: bool) -> None:
        super().__init__()
        self.model = model
        self.class_token = class_token
        pooled = getattr(model, "head_hidden_size", None) != model.num_features
        for name in (*self.HEADS, *(self.POOLED_HEADS if pooled else ())):
            if isinstance(getattr(model, name, None), nn.Module):
                setattr(model, name, nn.Identity())

    def forward(self, images: Tensor) -> Tensor:
        """B×3×H×W → B×C×h×w; 1×1 for a class token, or where the model itself joins several maps."""
        features = self.model.forward_features(images)  # type: ignore[operator]
        if isinstance(features, (list, tuple)):  # several scales or branches: only the model knows how to join them
            return self.model.forward_head(features, pre_logits=True)[:, :, None, None]  # type: ignore[operator]
        if features.ndim == 4:
            return features.permute(0, 3, 1, 2) if getattr(self.model, "output_fmt", "") == "NHWC" else features
        if self.class_token:
            return features[:, 0, :, None, None]  # B×N×C → B×C×1×1
        patches = features[:, getattr(self.model, "num_prefix_tokens", 0) :].transpose(1, 2)  # B×C×N
        grid = getattr(getattr(self.model, "patch_embed", None), "grid_size", None) or (1, patches.shape[2])
        rows, columns = grid if grid[0] * grid[1] == patches.shape[2] else (1, patches.shape[2])
        return patches.unflatten(2, (rows, columns))


def _timm(settings: ModelSettings, name: str) -> Built:
    try:
        model = create_timm(name, settings)
        if settings.pooling == "cls" and not getattr(model, "num_prefix_tokens", 0):
            raise FashretError(f"timm:{name} has no class token; use --pooling {POOLINGS_OF_MAPS}")
        backbone = TimmBackbone(model, settings.pooling == "cls")
        return backbone, _tried_width(backbone, settings)
    except FashretError:
        raise
    except Exception as error:  # models refuse an input in their own ways, a bare assert among them
        raise FashretError(_refusal(name, settings, error)) from error


def create_timm(name: str, settings: ModelSettings, **options: Any) -> nn.Module:
    """A timm model for the settings' input size, without classifier.

    Raises
    ------
    FashretError
        If timm has no such model (with the closest names). What timm raises for other reasons comes as it is.
    """
    import timm

    configuration = timm.get_pretrained_cfg(check_timm_name(name), allow_unregistered=True)
    if configuration is not None and configuration.fixed_input_size:
        options["img_size"] = (settings.height, settings.width)
    return timm.create_model(name, num_classes=0, **options)


def _tried_width(backbone: TimmBackbone, settings: ModelSettings) -> int:
    """Width of what one image through a new backbone gives; any exception says that it does not take this input."""
    sides = _patch_sides(backbone.model)
    if settings.height % sides[0] or settings.width % sides[1]:
        raise ValueError(f"its sides must be multiples of {sides[0]} and {sides[1]}")
    image = torch.zeros(1, 3, settings.height, settings.width, device=next(backbone.parameters()).device)
    with torch.no_grad():
        width = backbone.eval()(image).shape[1]  # not num_features: selecsls counts those of its head
    backbone.train()
    return width


def _patch_sides(model: nn.Module) -> tuple[int, ...]:
    """Sides of the patches that images are cut into: some models silently drop what does not fill one."""
    cut = getattr(getattr(model, "patch_embed", None), "proj", None)
    return cut.stride if isinstance(cut, nn.Conv2d) and cut.stride == cut.kernel_size else (1, 1)


def _refusal(name: str, settings: ModelSettings, error: Exception) -> str:
    import timm

    given, reason = f"{settings.height}x{settings.width}", str(error).strip() or type(error).__name__
    configuration = timm.get_pretrained_cfg(name, allow_unregistered=True)
    own = "x".join(map(str, configuration.input_size[1:])) if configuration is not None else given
    advice = f" (its own is --input {own})" if own != given else ""
    return f"timm:{name} does not take an input of {given}{advice}: {reason.splitlines()[0]}"


def check_timm_name(name: str) -> str:
    """The name itself, if timm has such a model; `FashretError` with the closest names otherwise."""
    import timm

    known = timm.list_models() if "." not in name else timm.list_pretrained()
    if name not in known:
        close = get_close_matches(name, known, n=5, cutoff=0.4)
        raise FashretError(f"timm has no model {name!r}; the closest names are {', '.join(close) or 'none'}")
    return name


def _small(settings: ModelSettings) -> Built:
    from fashret.models.small import SmallNet

    net = SmallNet()
    return net, net.feature_width


BACKBONES: dict[str, Backbone] = {
    **{name: Backbone(partial(_resnet, name=name), ("fc",), "torchvision, IMAGENET1K_V1") for name in PLAIN_RESNETS},
    "resnet50_ibn_a": Backbone(partial(_resnet, name="resnet50_ibn_a"), ("fc",), "IBN-Net, release v1.0"),
    "se_resnext50_32x4d": Backbone(_se_resnext, ("last_linear",), "timm, legacy_seresnext50_32x4d"),
    **{
        name: Backbone(partial(_efficientnet, name=name), TimmBackbone.HEADS, f"timm, {name}")
        for name in ("efficientnet_b2", "efficientnet_b4")
    },
    "efficientnet_lite0": Backbone(
        partial(_efficientnet, name="efficientnet_lite0"), TimmBackbone.HEADS, f"package {lite0.PACKAGE}"
    ),
    **{
        name: Backbone(partial(_osnet, name=name), ("classifier",), "torchreid's model zoo, by hand")
        for name in (*WIDTHS, "osnet_ain_x1_0")
    },
    "small": Backbone(_small, (), "none: trained from random weights"),
}

# backbones that timm has too → their names there
TIMM_NAMES = {
    "se_resnext50_32x4d": "legacy_seresnext50_32x4d",
    "efficientnet_b2": "efficientnet_b2",
    "efficientnet_b4": "efficientnet_b4",
    "efficientnet_lite0": lite0.TIMM_NAME,
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
    if name in PRESETS:
        from fashret.models.preset_nets import build_preset

        return Backbone(partial(build_preset, name=name), (), f"{PRESETS[name].hub} of the hub")
    if name not in BACKBONES:
        known = ", ".join((*BACKBONES, *PRESETS))
        raise FashretError(
            f"no backbone {name!r}; there are {known} and timm:NAME, as `fashret models` lists them{hub_hint(name)}"
        )
    return BACKBONES[name]


def settings_for(backbone: str, size: str = "", **choices: Any) -> ModelSettings:
    """Settings for a backbone, with the input that its published weights were trained on where nothing else is said.

    Parameters
    ----------
    size
        Height x width, as `parse_input_size` reads it; empty: the size that a timm model or EfficientNet-Lite0 was
        published with, 256x128 for the others, which take any.
    choices
        The other fields of `ModelSettings`.

    Raises
    ------
    FashretError
        If the backbone is not known, or a value is out of range.

    >>> settings_for("resnet50").height, settings_for("timm:vit_tiny_patch16_224").mean
    (256, (0.5, 0.5, 0.5))
    """
    find_backbone(backbone)
    if backbone in PRESETS:
        from fashret.models.preset_nets import preset_settings

        return preset_settings(backbone, parse_input_size(size) if size else None, choices)
    height, width = parse_input_size(size) if size else (ModelSettings.height, ModelSettings.width)
    timm_name = lite0.TIMM_NAME if backbone == "efficientnet_lite0" else backbone[5:]
    if backbone.startswith("timm:") or timm_name == lite0.TIMM_NAME:
        import timm

        published = timm.get_pretrained_cfg(check_timm_name(timm_name), allow_unregistered=True)
        if published is not None:
            choices = {"mean": tuple(published.mean), "std": tuple(published.std)} | choices
            if not size:
                _, height, width = published.input_size
    return ModelSettings(backbone=backbone, height=height, width=width, **choices)
