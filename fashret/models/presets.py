"""Published models by name: architecture, preprocessing, licence and file of each.

In: nothing. Out: `PRESETS`, what is known of each. The networks are made by `fashret.models.preset_nets`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
HALF = (0.5, 0.5, 0.5)
APACHE = "Apache-2.0"


@dataclass(frozen=True)
class Preset:
    """One published model."""

    architecture: str  # in timm
    hub: str  # where its file is: owner/name of the hub, or the owner alone where the name is not known
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


MODA_LICENCE = "MIT (by its README; Apache-2.0 by some of its cards)"
MODA = replace(FASHION_SIGLIP, hub="HopitAI/moda-fashion-distilled", licence=MODA_LICENCE, megabytes=775)
MATRYOSHKA = (64, 128, 256, 384, 512, 768)


def _clip(architecture: str, hub: str, file: str, licence: str, layout: str) -> Preset:
    fit = "crop" if layout == "open_clip CLIP" else "crop-floor"
    preset = Preset(architecture, hub, file, licence, width=512, side=224, layouts=(layout,), fit=fit, projected=True)
    return replace(preset, mean=CLIP_MEAN, std=CLIP_STD)


def _siglip2(architecture: str, hub: str, width: int) -> Preset:
    return Preset(architecture, hub, "open_clip_model.safetensors", APACHE, width, side=384, layouts=SIGLIP)


PRESETS: dict[str, Preset] = {
    "fashion-siglip": FASHION_SIGLIP,
    "fashion-clip": _clip(
        *("vit_base_patch32_clip_quickgelu_224", "patrickjohncyh/fashion-clip", "model.safetensors", "MIT"),
        "transformers CLIP",
    ),
    "marqo-fashion-clip": _clip(
        *("vit_base_patch16_clip_224", "Marqo/marqo-fashionCLIP", "open_clip_model.safetensors"),
        *("Apache-2.0 (MIT by its first card)", "open_clip CLIP"),
    ),
    "moda": MODA,
    "moda-512d": replace(
        MODA,
        hub="HopitAI/moda-fashion-distilled-512d",
        width=512,
        layouts=("open_clip, projected",),
        projected=True,
        megabytes=None,
    ),
    "moda-matryoshka": replace(MODA, hub="HopitAI", cuts=MATRYOSHKA, megabytes=None),
    "moda-vision": replace(MODA, hub="HopitAI", file="vision_encoder.safetensors", megabytes=186),
    "siglip2-b": _siglip2("vit_base_patch16_siglip_384", "timm/ViT-B-16-SigLIP2-384", 768),
    "siglip2-l": _siglip2("vit_large_patch16_siglip_384", "timm/ViT-L-16-SigLIP2-384", 1024),
    "siglip2-so400m": _siglip2("vit_so400m_patch16_siglip_384", "timm/ViT-SO400M-16-SigLIP2-384", 1152),
}
