"""Published models by name: architecture, preprocessing, licence and file of each.

In: nothing. Out: `PRESETS`, what is known of each. The networks are made by `fashret.models.preset_nets`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HALF = (0.5, 0.5, 0.5)
APACHE = "Apache-2.0"


@dataclass(frozen=True)
class Preset:
    """One published model."""

    architecture: str  # in timm
    hub: str  # where its file is: owner/name of the hub
    file: str
    licence: str
    width: int  # of its vector
    side: int  # of its square input, in pixels
    layouts: tuple[str, ...]  # names of `layouts.LAYOUTS` that its file may have
    megabytes: int | None = None  # of its file; None: not known
    fit: str = "stretch"
    resample: str = "bicubic"
    mean: tuple[float, float, float] = HALF
    std: tuple[float, float, float] = HALF
    projected: bool = False  # by a linear layer without bias behind the pooling
    cuts: tuple[int, ...] = ()  # widths that a vector may be cut to
    options: Mapping[str, Any] = field(default_factory=dict)  # of the timm model
    note: str = ""


SIGLIP = ("open_clip", "timm", "transformers SigLIP")
FASHION_SIGLIP = Preset(
    "vit_base_patch16_siglip_224",
    "Marqo/marqo-fashionSigLIP",
    "open_clip_model.safetensors",
    APACHE,
    width=768,
    side=224,
    layouts=SIGLIP,
    megabytes=813,
)


def _siglip2(architecture: str, hub: str, width: int) -> Preset:
    return Preset(architecture, hub, "open_clip_model.safetensors", APACHE, width, side=384, layouts=SIGLIP)


PRESETS: dict[str, Preset] = {
    "fashion-siglip": FASHION_SIGLIP,
    "siglip2-b": _siglip2("vit_base_patch16_siglip_384", "timm/ViT-B-16-SigLIP2-384", 768),
    "siglip2-l": _siglip2("vit_large_patch16_siglip_384", "timm/ViT-L-16-SigLIP2-384", 1024),
    "siglip2-so400m": _siglip2("vit_so400m_patch16_siglip_384", "timm/ViT-SO400M-16-SigLIP2-384", 1152),
}
