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


IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
DINOV3 = ("transformers DINOv3", "timm", "Meta's DINOv3")
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


def _dinov3(size: str, width: int) -> Preset:
    architecture = f"vit_{size}_patch16_dinov3_qkvb"  # the one with biases: without, they would be lost in silence
    hub = f"timm/vit_{size}_patch16_dinov3.lvd1689m"
    preset = Preset(architecture, hub, "model.safetensors", "DINOv3", width, side=256, layouts=DINOV3)
    return replace(preset, mean=IMAGENET_MEAN, std=IMAGENET_STD, options={"global_pool": "token"})


GR_LITE = replace(
    _dinov3("large", 1024),
    hub="srpone/gr-lite",
    licence="DINOv3 (a derivative of it; its page says Apache-2.0)",
    side=336,
    resample="bilinear",
)


def _pe_core(architecture: str, hub: str, side: int) -> Preset:
    layouts, options = ("open_clip", "timm", "Meta's PE"), {"num_classes": 1024}
    return Preset(architecture, hub, "open_clip_model.safetensors", APACHE, 1024, side, layouts, options=options)


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
    "gr-lite": replace(
        GR_LITE,
        options={"global_pool": "token", "use_rot_pos_emb": False},
        note="without rotary position embedding, as its own code computes; gr-lite-rope has it",
    ),
    "gr-lite-rope": replace(GR_LITE, note="with DINOv3's rotary position embedding, which its own code leaves out"),
    "dinov3-s": _dinov3("small", 384),
    "dinov3-b": _dinov3("base", 768),
    "dinov3-l": _dinov3("large", 1024),
    "pe-core-b": _pe_core("vit_pe_core_base_patch16_224", "timm/PE-Core-B-16", 224),
    "pe-core-l": _pe_core("vit_pe_core_large_patch14_336", "timm/PE-Core-L-14-336", 336),
}
