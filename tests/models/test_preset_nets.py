"""Published models by name give the vectors of the libraries that they were published for."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from torchvision.transforms import Compose, InterpolationMode, Normalize, Resize, ToTensor

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


def hf_dinov3(width: int, heads: int) -> nn.Module:
    """A DINOv3 of the transformers library."""
    from transformers import DINOv3ViTConfig, DINOv3ViTModel

    sizes = {"hidden_size": width, "intermediate_size": 4 * width, "num_attention_heads": heads}
    config = DINOv3ViTConfig(**sizes, num_hidden_layers=BLOCKS, num_register_tokens=4)
    return randomised(DINOv3ViTModel(config))


def squashed(side: int, resample: Image.Resampling) -> Any:
    """ImageNet's preprocessing of a squashed photo, as torchvision does it."""
    how = InterpolationMode.BICUBIC if resample == Image.Resampling.BICUBIC else InterpolationMode.BILINEAR
    mean, std = PRESETS["dinov3-s"].mean, PRESETS["dinov3-s"].std
    return Compose([Resize((side, side), how), ToTensor(), Normalize(mean, std)])


@pytest.mark.parametrize("prefix", ["", "model.", "older"])
def test_dinov3_of_the_transformers_library(prefix: str, tmp_path: Path) -> None:
    model = hf_dinov3(384, 6)
    expected = reference(lambda pixels: model(pixels).pooler_output, squashed(256, Image.Resampling.BICUBIC), photos())
    tensors = model.state_dict()
    if prefix == "older":
        tensors = {name.removeprefix("model."): tensor for name, tensor in tensors.items()}
    else:
        tensors = {prefix + name: tensor for name, tensor in tensors.items()}
    close(vectors_of("dinov3-s", saved(tmp_path, "model.safetensors", tensors), photos()), expected)


@pytest.mark.parametrize("rope", [True, False])
def test_gr_lite_with_and_without_rotary_embedding(rope: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = hf_dinov3(1024, 16)
    path = saved(tmp_path, "model.safetensors", model.state_dict())
    if not rope:  # the rotation by nothing, which is what the reference code computes
        rotate = type(model.rope_embeddings).forward

        def still(self: Any, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            cosines, sines = rotate(self, pixels)
            return torch.ones_like(cosines), torch.zeros_like(sines)

        monkeypatch.setattr(type(model.rope_embeddings), "forward", still)
    transform = squashed(336, Image.Resampling.BILINEAR)
    expected = reference(lambda pixels: model(pixels).pooler_output, transform, photos()[:2])
    close(vectors_of("gr-lite-rope" if rope else "gr-lite", path, photos()[:2]), expected)


@pytest.mark.parametrize("biases", [True, False])
def test_dinov3_of_timm_with_and_without_biases(biases: bool, tmp_path: Path) -> None:
    name = "vit_small_patch16_dinov3" + "_qkvb" * biases
    model = randomised(timm.create_model(name, depth=BLOCKS, global_pool="token", img_size=256))
    path = saved(tmp_path, "model.safetensors", model.state_dict())
    close(vectors_of("dinov3-s", path, photos()), reference(model, squashed(256, Image.Resampling.BICUBIC), photos()))


def test_one_bias_that_a_dinov3_of_timm_lacks_is_missed(tmp_path: Path) -> None:
    model = randomised(timm.create_model("vit_small_patch16_dinov3_qkvb", depth=BLOCKS, global_pool="token"))
    tensors = {n: t for n, t in model.state_dict().items() if n != "blocks.1.attn.q_bias"}
    with pytest.raises(FashretError, match="missing: blocks.1.attn.q_bias"):
        vectors_of("dinov3-s", saved(tmp_path, "model.safetensors", tensors), photos()[:1])


def test_dinov3_as_meta_names_it(tmp_path: Path) -> None:
    model = randomised(timm.create_model("vit_small_patch16_dinov3_qkvb", depth=BLOCKS, global_pool="token"))
    own, tensors = dict(model.state_dict()), {}
    for i in range(BLOCKS):
        q, v = own.pop(f"blocks.{i}.attn.q_bias"), own.pop(f"blocks.{i}.attn.v_bias")
        tensors[f"blocks.{i}.attn.qkv.bias"] = torch.cat([q, torch.zeros_like(q), v])
        tensors[f"blocks.{i}.attn.qkv.bias_mask"] = torch.ones(3 * len(q))
    swaps = {"reg_token": "storage_tokens", "gamma_1": "ls1.gamma", "gamma_2": "ls2.gamma"}
    for name, tensor in own.items():
        for ours, theirs in swaps.items():
            name = name.replace(ours, theirs)
        tensors[name] = tensor
    extra = {"mask_token": torch.zeros(1, 384), "rope_embed.periods": torch.zeros(16)}
    path = saved(tmp_path, "model.safetensors", tensors | extra)
    overlay = {"file": str(path)}
    again = timm.create_model(
        *("vit_small_patch16_dinov3_qkvb", True), depth=BLOCKS, global_pool="token", pretrained_cfg_overlay=overlay
    )
    expected = reference(again.eval(), squashed(256, Image.Resampling.BICUBIC), photos())
    close(vectors_of("dinov3-s", path, photos()), expected)


@pytest.mark.parametrize("name", ["pe-core-b", pytest.param("pe-core-l", marks=pytest.mark.slow)])
def test_pe_core_of_open_clip(name: str, tmp_path: Path) -> None:
    config = {"pe-core-b": "PE-Core-B-16", "pe-core-l": "PE-Core-L-14-336"}[name]
    model, transform = open_clip_model(tmp_path, config, SQUASH)
    expected = reference(model.encode_image, transform, photos()[:3])
    assert expected.shape[1] == 1024
    close(vectors_of(name, tmp_path / "open_clip_model.safetensors", photos()[:3]), expected)


def test_pe_core_as_meta_names_it(tmp_path: Path) -> None:
    model = randomised(timm.create_model("vit_pe_core_base_patch16_224", depth=BLOCKS))
    own = {n: t for n, t in model.state_dict().items() if n != "head.bias"}
    tensors = {}
    for part in ("weight", "bias"):
        both = [own.pop(f"attn_pool.q.{part}"), own.pop(f"attn_pool.kv.{part}")]
        tensors[f"visual.attn_pool.attn.in_proj_{part}"] = torch.cat(both)
    tensors["visual.proj"] = own.pop("head.weight").t()
    tensors["visual.class_embedding"] = own.pop("cls_token")[0, 0]
    tensors["visual.positional_embedding"] = own.pop("pos_embed")[0]
    swaps = {
        **{"patch_embed.proj": "conv1", "norm_pre": "ln_pre", "attn_pool.latent": "attn_pool.probe"},
        **{"attn_pool.proj": "attn_pool.attn.out_proj", "attn_pool.norm": "attn_pool.layernorm"},
        **{"mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj", "attn.qkv.": "attn.in_proj_", "attn.proj": "attn.out_proj"},
        **{"norm1": "ln_1", "norm2": "ln_2", "blocks.": "transformer.resblocks."},
    }
    for name, tensor in own.items():
        name = "ln_post" + name[4:] if name.startswith("norm.") else name
        for ours, theirs in swaps.items():
            name = name.replace(ours, theirs)
        tensors["visual." + name] = tensor
    path = saved(
        tmp_path, "model.safetensors", tensors | {"logit_scale": torch.ones(()), "ln_final.bias": torch.ones(9)}
    )
    again = timm.create_model(
        "vit_pe_core_base_patch16_224", True, depth=BLOCKS, pretrained_cfg_overlay={"file": str(path)}
    )
    mean = [0.5] * 3
    transform = Compose([*squashed(224, Image.Resampling.BICUBIC).transforms[:2], Normalize(mean, mean)])
    close(vectors_of("pe-core-b", path, photos()), reference(again.eval(), transform, photos()))


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


def test_a_file_of_another_model_is_named(siglip: tuple[Path, Any, Any]) -> None:
    with pytest.raises(FashretError, match="not weights of gr-lite: all its tensors are those of --backbone fashion-s"):
        vectors_of("gr-lite", siglip[0], photos()[:1])


def test_a_folder_as_the_hub_lays_it_out(siglip: tuple[Path, Any, Any], tmp_path: Path) -> None:
    file, tensors = siglip[0], load_file(siglip[0])
    expected = vectors_of("fashion-siglip", file, photos()[:2])
    assert np.array_equal(vectors_of("fashion-siglip", file.parent, photos()[:2]), expected)
    parts = {name: f"model-{i % 2}.safetensors" for i, name in enumerate(tensors)}
    for part in sorted(set(parts.values())):
        saved(tmp_path, part, {name: tensor for name, tensor in tensors.items() if parts[name] == part})
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": parts}))
    assert np.array_equal(vectors_of("fashion-siglip", tmp_path, photos()[:2]), expected)
    (tmp_path / "model-1.safetensors").unlink()
    with pytest.raises(FashretError, match="model-1.safetensors: no such file"):
        vectors_of("fashion-siglip", tmp_path, photos()[:1])
    for elsewhere in ("../siglip/model.safetensors", "..\\\\model.safetensors", "/etc/model.safetensors"):
        index.write_text(json.dumps({"weight_map": dict.fromkeys(parts, elsewhere)}))
        with pytest.raises(FashretError, match="should name the files of a model beside it"):
            vectors_of("fashion-siglip", tmp_path, photos()[:1])
    index.unlink()
    with pytest.raises(FashretError, match="open_clip_model.safetensors, model.safetensors; there is model-0.safe"):
        vectors_of("fashion-siglip", tmp_path, photos()[:1])


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
