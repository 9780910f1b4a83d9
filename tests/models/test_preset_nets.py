"""Published models by name give the vectors of the libraries that they were published for."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from fashret.errors import FashretError
from fashret.models.backbones import settings_for
from fashret.models.preset_nets import build_preset
from fashret.models.presets import PRESETS
from tests.models.preset_case import BLOCKS, open_clip_model, photos, randomised, reference, saved, shorten, vectors_of

SQUASH = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
SIGLIP = {
    "fashion-siglip": "ViT-B-16-SigLIP",
    "siglip2-b": "ViT-B-16-SigLIP2-384",
    "siglip2-l": "ViT-L-16-SigLIP2-384",
    "siglip2-so400m": "ViT-SO400M-16-SigLIP2-384",
}
LARGE = [pytest.param(name, marks=pytest.mark.slow) for name in ("siglip2-l", "siglip2-so400m")]


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Any]:
    """FashionSigLIP in small: its file, the model of open_clip, its preprocessing."""
    folder = tmp_path_factory.mktemp("siglip")
    model, transform = open_clip_model(folder, SIGLIP["fashion-siglip"], SQUASH)
    return folder / "open_clip_model.safetensors", model, transform


def close(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every preset's network has two blocks."""
    shorten(monkeypatch)


def test_fashion_siglip_of_open_clip(siglip: tuple[Path, Any, Any]) -> None:
    path, model, transform = siglip
    close(vectors_of("fashion-siglip", path, photos()), reference(model.encode_image, transform, photos()))


@pytest.mark.parametrize("name", ["siglip2-b", *LARGE])
def test_siglip2_of_open_clip(name: str, tmp_path: Path) -> None:
    model, transform = open_clip_model(tmp_path, SIGLIP[name], SQUASH)
    expected = reference(model.encode_image, transform, photos()[:2])
    close(vectors_of(name, tmp_path / "open_clip_model.safetensors", photos()[:2]), expected)


def hf_siglip(folder: Path, width: int, side: int) -> nn.Module:
    """A SigLIP of the transformers library in a folder as the hub lays it out."""
    from transformers import SiglipConfig, SiglipModel

    vision = {"hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": BLOCKS, "image_size": side}
    vision |= {"num_attention_heads": 12, "patch_size": 16}
    text = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 1}
    text |= {"vocab_size": 64, "projection_size": width}
    model = randomised(SiglipModel(SiglipConfig(text_config=text, vision_config=vision)))
    saved(folder, "model.safetensors", model.state_dict())
    return model


def test_siglip2_of_the_transformers_library(tmp_path: Path) -> None:
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    model = hf_siglip(tmp_path, 768, 384)
    processor = SiglipImageProcessorPil(size={"height": 384, "width": 384}, resample=3)
    expected = reference(
        lambda pixels: model.vision_model(pixel_values=pixels).pooler_output,
        lambda image: processor(image, return_tensors="pt")["pixel_values"][0],
        photos()[:2],
    )
    close(vectors_of("siglip2-b", tmp_path / "model.safetensors", photos()[:2]), expected)


@pytest.mark.parametrize("name", ["moda", "moda-matryoshka"])
def test_moda_has_the_layout_and_the_preprocessing_of_fashion_siglip(name: str, siglip: tuple[Path, Any, Any]) -> None:
    path, model, transform = siglip
    close(vectors_of(name, path, photos()), reference(model.encode_image, transform, photos()))


def test_vectors_of_a_matryoshka_are_cut_and_made_of_length_1_again(siglip: tuple[Path, Any, Any]) -> None:
    path, model, transform = siglip
    for cut in (64, 512):
        expected = reference(lambda pixels, cut=cut: model.encode_image(pixels)[:, :cut], transform, photos()[:2])
        found = vectors_of("moda-matryoshka", path, photos()[:2], cut=cut)
        assert found.shape[1] == cut
        close(found, expected)


@pytest.mark.parametrize("wrapper", ["", "trunk.", "visual.", "visual.trunk."])
def test_moda_without_its_text_tower_in_half_precision(
    wrapper: str, siglip: tuple[Path, Any, Any], tmp_path: Path
) -> None:
    path, model, transform = siglip
    half = {name: tensor.half() for name, tensor in model.visual.trunk.state_dict().items()}
    file = saved(tmp_path, "vision_encoder.safetensors", {wrapper + name: tensor for name, tensor in half.items()})
    found = vectors_of("moda-vision", file, photos())
    kept = copy.deepcopy(model)
    kept.visual.trunk.load_state_dict(half)
    close(found, reference(kept.encode_image, transform, photos()))


def test_moda_projected_to_512_numbers(tmp_path: Path) -> None:
    model, transform = open_clip_model(tmp_path, "ViT-B-16-SigLIP", SQUASH, {"timm_proj": "linear"}, embed_dim=512)
    expected = reference(model.encode_image, transform, photos())
    assert expected.shape[1] == 512
    close(vectors_of("moda-512d", tmp_path / "open_clip_model.safetensors", photos()), expected)


def test_fashion_clip_of_the_transformers_library(tmp_path: Path) -> None:
    from transformers import CLIPConfig, CLIPModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    text = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = CLIPConfig(text_config=text | {"vocab_size": 64}, vision_config={"num_hidden_layers": BLOCKS})
    model, processor = randomised(CLIPModel(config)), CLIPImageProcessorPil()
    path = saved(tmp_path, "model.safetensors", model.state_dict())
    expected = reference(
        lambda pixels: model.get_image_features(pixel_values=pixels).pooler_output,
        lambda image: processor(image, return_tensors="pt")["pixel_values"][0],
        photos(),
    )
    close(vectors_of("fashion-clip", path, photos()), expected)


def test_marqo_fashion_clip_of_open_clip(tmp_path: Path) -> None:
    preprocess = {"mean": PRESETS["fashion-clip"].mean, "std": PRESETS["fashion-clip"].std, "interpolation": "bicubic"}
    model, transform = open_clip_model(tmp_path, "ViT-B-16", preprocess | {"resize_mode": "shortest"})
    expected = reference(model.encode_image, transform, photos())
    close(vectors_of("marqo-fashion-clip", tmp_path / "open_clip_model.safetensors", photos()), expected)


@pytest.mark.parametrize("change", ["missing", "renamed", "of another shape", "left over", "transposed", "no block"])
def test_a_file_with_one_tensor_amiss_is_refused_by_name(
    change: str, siglip: tuple[Path, Any, Any], tmp_path: Path
) -> None:
    tensors, name = load_file(siglip[0]), "visual.trunk.blocks.1.attn.qkv.weight"
    tensor = tensors.pop(name)
    tensors |= {
        "missing": {},
        "renamed": {name + "s": tensor},
        "of another shape": {name: tensor[:-1]},
        "left over": {name: tensor, name + ".lora": tensor},
        "transposed": {name: tensor.t()},
        "no block": {name.replace("blocks.1", "blocks.2"): tensor},
    }[change]
    path = saved(tmp_path, siglip[0].name, tensors)
    with pytest.raises(FashretError, match="not weights of fashion-siglip: ") as caught:
        vectors_of("fashion-siglip", path, photos()[:1])
    assert name in str(caught.value) and "\n" not in str(caught.value)


def test_input_of_another_size_takes_resampled_positions(siglip: tuple[Path, Any, Any]) -> None:
    own = vectors_of("fashion-siglip", siglip[0], photos())
    larger = vectors_of("fashion-siglip", siglip[0], photos(), size="256x192")
    cosines = (own * larger).sum(axis=1)
    assert cosines.min() > 0.8 and cosines.max() < 1 - 1e-6


def test_the_width_of_a_preset_is_that_of_its_vectors() -> None:
    for name, preset in PRESETS.items():
        with torch.device("meta"):
            module, width = build_preset(settings_for(name), name)
            assert width == preset.width == module(torch.empty(1, 3, preset.side, preset.side)).shape[1]


@pytest.mark.parametrize("choice", [{"pooling": "max"}, {"fit": "pad"}, {"size": "100x100"}, {"cut": 100}])
def test_what_a_preset_does_not_take_is_refused(choice: dict[str, str]) -> None:
    with pytest.raises(FashretError, match="fashion-siglip"):
        vectors_of("fashion-siglip", Path("none"), photos()[:1], **choice)
