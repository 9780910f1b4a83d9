"""Networks of published models, and the tensors of their files.

In: a preset's name and `ModelSettings`. Out: its settings, and a module that turns B×3×H×W images into a B×D×1×1 map,
the vector that the published code gives before it is normalised; a file's tensors for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from fashret.errors import FashretError
from fashret.models.layouts import LAYOUTS, match
from fashret.models.presets import PRESETS
from fashret.models.settings import ModelSettings


class PresetNet(nn.Module):
    """A published image encoder with its own pooling and projection."""

    def __init__(self, model: nn.Module, cut: int) -> None:
        super().__init__()
        self.model = model
        self.cut = cut

    def forward(self, images: Tensor) -> Tensor:
        """B×3×H×W → B×D×1×1."""
        vectors = self.model(images)
        return vectors[:, : self.cut or None, None, None]


def build_preset(settings: ModelSettings, name: str) -> tuple[nn.Module, int]:
    """The encoder of a preset with random weights, and the width of its vector.

    Raises
    ------
    FashretError
        If it does not take the settings' input, or its vectors are not made to be cut.
    """
    import timm

    preset = PRESETS[name]
    if settings.cut and settings.cut not in preset.cuts:
        advice = f"give one of {', '.join(map(str, preset.cuts))}" if preset.cuts else "--whiten N shortens any vectors"
        raise FashretError(f"--dim {settings.cut}: not a width that vectors of {name} can be cut to; {advice}")
    options = {"num_classes": 0, **preset.options}
    if settings.activation:
        options["act_layer"] = settings.activation
    try:
        size = (settings.height, settings.width)
        model: Any = timm.create_model(preset.architecture, img_size=size, **options)
        patch = model.patch_embed.patch_size
        if settings.height % patch[0] or settings.width % patch[1]:
            raise ValueError(f"its sides must be multiples of {patch[0]} and {patch[1]}")
    except (AssertionError, RuntimeError, ValueError) as error:
        given, reason = f"{settings.height}x{settings.width}", (str(error).strip() or type(error).__name__)
        raise FashretError(
            f"{name} does not take an input of {given} (its own is {preset.side}x{preset.side}): {reason}"
        ) from error
    if preset.projected:
        model.head = nn.Linear(model.num_features, preset.width, bias=False)
    return PresetNet(model, settings.cut), settings.cut or preset.width


def preset_settings(name: str, size: tuple[int, int] | None, choices: Mapping[str, Any]) -> ModelSettings:
    """Settings of a preset with its published preprocessing.

    Parameters
    ----------
    size
        Height and width in place of the published ones.
    choices
        Other fields of `ModelSettings`; pooling and fit are the preset's own.

    Raises
    ------
    FashretError
        If another pooling or fit is asked for.
    """
    preset, others = PRESETS[name], dict(choices)
    own = {"pooling": "own", "fit": preset.fit}
    for field_name, value in own.items():
        asked = others.pop(field_name, value)
        if asked not in (value, getattr(ModelSettings, field_name)):
            raise FashretError(f"--{field_name} {asked}: {name} has its own; leave it out")
    if others.get("weights") == "imagenet":
        others["weights"] = "published"
    height, width = size or (preset.side, preset.side)
    own |= {"resample": preset.resample}
    return ModelSettings(
        backbone=name, height=height, width=width, mean=preset.mean, std=preset.std, **{**own, **others}
    )


def fit_preset(settings: ModelSettings, tensors: Mapping[str, Tensor]) -> tuple[ModelSettings, dict[str, Tensor]]:
    """A published file's tensors for a preset's network.

    Returns
    -------
    The settings, but for what the file's layout says of them, and the tensors under the names of `RetrievalNetwork`.

    Raises
    ------
    FashretError
        Unless every tensor is accounted for; the names are those of the file.
    """
    preset = PRESETS[settings.backbone]
    with torch.device("meta"):
        published, _ = build_preset(replace(settings, height=preset.side, width=preset.side, cut=0), settings.backbone)
    wanted = {name.removeprefix("model."): tensor for name, tensor in published.state_dict().items()}
    found = match(tensors, wanted, preset.layouts)
    if not found.fits:
        if other := _looks_like(tensors, settings.backbone):
            raise FashretError(f"all its tensors are those of --backbone {other}")
        kinds = {"missing": found.missing, "not of this network": found.foreign, "of another shape": found.shapes}
        raise FashretError("; ".join(f"{kind}: {some(keys)}" for kind, keys in kinds.items() if keys))
    made = dict(found.tensors)
    model: Any = published.model
    if "pos_embed" in made and (settings.height, settings.width) != (preset.side, preset.side):
        made["pos_embed"] = _resampled(made["pos_embed"], model, (settings.height, settings.width))
    settings = replace(settings, **LAYOUTS[found.layout].settings)
    return settings, {f"backbone.model.{name}": tensor for name, tensor in made.items()}


def _looks_like(tensors: Mapping[str, Tensor], asked: str) -> str:
    """The first other preset that a file's tensors fit; empty: none."""
    for name, preset in PRESETS.items():
        if name != asked:
            with torch.device("meta"):
                network, _ = build_preset(preset_settings(name, None, {}), name)
            wanted = {key.removeprefix("model."): tensor for key, tensor in network.state_dict().items()}
            if match(tensors, wanted, preset.layouts).fits:
                return name
    return ""


def _resampled(positions: Tensor, model: Any, size: tuple[int, int]) -> Tensor:
    """Position embeddings for another input size, as timm resamples them."""
    from timm.layers import resample_abs_pos_embed

    patch, grid = model.patch_embed.patch_size, model.patch_embed.grid_size
    new = [size[0] // patch[0], size[1] // patch[1]]
    prefix = positions.shape[1] - grid[0] * grid[1]
    return resample_abs_pos_embed(positions.float(), new, list(grid), num_prefix_tokens=prefix)


KEYS_SHOWN = 6  # of each kind in a message


def some(keys: list[str]) -> str:
    """The first of some names, and how many more there are."""
    more = len(keys) - KEYS_SHOWN
    return ", ".join(keys[:KEYS_SHOWN]) + (f" and {more} more" if more > 0 else "")
