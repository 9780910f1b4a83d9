"""Published models in small: true width, two blocks, random weights, the names and shapes of the published files."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from fashret.models.backbones import settings_for
from fashret.models.embedder import Embedder
from fashret.models.opening import backbone_part
from fashret.models.presets import PRESETS

BLOCKS = 2
SIZES = ((251, 340), (223, 371), (500, 231), (224, 224), (90, 61), (640, 640))  # of photos, width and height


def shorten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every preset's network has two blocks."""
    for name, preset in PRESETS.items():
        shorter = dataclasses.replace(preset, options={**preset.options, "depth": BLOCKS})
        monkeypatch.setitem(PRESETS, name, shorter)


def photos() -> list[Image.Image]:
    """Smooth pictures of several sizes, so that two filters give two results."""
    random = np.random.default_rng(3)
    coarse = [random.integers(0, 255, (9, 7, 3), np.uint8) for _ in SIZES]
    return [
        Image.fromarray(each).resize(size, Image.Resampling.BICUBIC) for each, size in zip(coarse, SIZES, strict=True)
    ]


def randomised(model: nn.Module) -> nn.Module:
    """The model with numbers of which none is zero or one: none can be lost and not be missed."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, tensor in sorted(model.state_dict().items()):
            if tensor.is_floating_point():
                scale = 1 / max(1, tensor[0].numel()) ** 0.5 if tensor.ndim > 1 else 0.3
                centre = 1.0 if tensor.ndim == 1 and "norm" in name and name.endswith("weight") else 0.0
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * scale + centre)
    return model.eval()


def saved(folder: Path, file: str, tensors: dict[str, Tensor]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.clone().contiguous() for name, tensor in tensors.items()}, folder / file)
    return folder / file


def open_clip_model(
    folder: Path, config: str, preprocess: dict[str, Any], vision: Any = None, **more: Any
) -> tuple[nn.Module, Any]:
    """A model of open_clip from a folder as the hub lays it out, and its preprocessing."""
    import open_clip

    about = open_clip.get_model_config(config)
    about["text_cfg"] |= {"layers": 1, "vocab_size": 64, "width": 64, "heads": 1}
    about["vision_cfg"] |= vision or {}
    about |= more
    if "timm_model_name" not in about["vision_cfg"]:
        about["vision_cfg"]["layers"] = BLOCKS
    folder.mkdir(parents=True, exist_ok=True)
    description = {"model_cfg": about, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(description))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timm, "create_model", functools.partial(timm.create_model, depth=BLOCKS))
        kind: Any = open_clip.CustomTextCLIP if about.pop("custom_text", False) else open_clip.CLIP
        saved(folder, "open_clip_model.safetensors", randomised(kind(**about)).state_dict())
        model, transform = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    return model.eval(), transform


def vectors_of(name: str, weights: Path, images: list[Image.Image], **choices: Any) -> np.ndarray:
    """What a preset gives for photos, float32."""
    settings = settings_for(name, neck="none", weights=str(weights), **choices)
    embedder = Embedder([backbone_part(settings)], torch.device("cpu"), "float32")
    return embedder.embed([np.asarray(image) for image in images])


@torch.no_grad()
def reference(encode: Any, transform: Any, images: list[Image.Image]) -> np.ndarray:
    """What a reference library gives, of length 1; different photos are told apart by far more than the tolerance."""
    vectors = nn.functional.normalize(encode(torch.stack([transform(image) for image in images])), dim=1).numpy()
    assert min(np.abs(a - b).max() for i, a in enumerate(vectors) for b in vectors[:i]) > 1e-3
    return vectors
