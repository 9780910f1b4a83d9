"""How published files name the tensors of an image encoder, and the same tensors under timm's names.

In: the tensors of a file, and names and shapes of a timm model. Out: a `Match`: the tensors under timm's names, and
every name of the file that is missing, left over or of another shape, in the file's own words.

A layout gives for each tensor of the model the name in the file, as a pattern: `#` is the number of a block, `*` is
weight or bias. Several names are joined along the first axis; `name:q` and `name:kv` are the first third and the rest
of a tensor, `name:v` its last third, `name:t` is transposed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

Names = str | tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """How one code names its tensors."""

    names: dict[str, Names]  # pattern of timm's name → patterns of the file's
    beside: str = r"(?!)"  # regular expression of names that belong to other parts of a model, such as a text tower
    zero: str = r"(?!)"  # timm's names that are zero where a file has none of them
    own: str = ""  # prefix of timm's own names, where the file has them as they are
    dropped: str = ""  # regular expression of what some files put before these names
    settings: Mapping[str, Any] = field(default_factory=dict)  # of a network that was trained in this code


HF = "vision_model.encoder.layers.#."
HF_ENCODER: dict[str, Names] = {
    "patch_embed.proj.*": "vision_model.embeddings.patch_embedding.*",
    "pos_embed": "vision_model.embeddings.position_embedding.weight",
    "blocks.#.norm1.*": f"{HF}layer_norm1.*",
    "blocks.#.attn.qkv.*": (f"{HF}self_attn.q_proj.*", f"{HF}self_attn.k_proj.*", f"{HF}self_attn.v_proj.*"),
    "blocks.#.attn.proj.*": f"{HF}self_attn.out_proj.*",
    "blocks.#.norm2.*": f"{HF}layer_norm2.*",
    "blocks.#.mlp.fc1.*": f"{HF}mlp.fc1.*",
    "blocks.#.mlp.fc2.*": f"{HF}mlp.fc2.*",
    "norm.*": "vision_model.post_layernorm.*",
}
# what stands beside an image encoder; position numbers are constants
HF_BESIDE = r"text_model\.|logit_scale$|logit_bias$|text_projection\.|vision_model\.embeddings\.position_ids$"
OPEN_CLIP_BESIDE = r"text\.|logit_scale$|logit_bias$"
CLIP = "visual.transformer.resblocks.#."
CLIP_ENCODER: dict[str, Names] = {
    "patch_embed.proj.*": "visual.conv1.*",
    "cls_token": "visual.class_embedding",
    "pos_embed": "visual.positional_embedding",
    "norm_pre.*": "visual.ln_pre.*",
    "blocks.#.norm1.*": f"{CLIP}ln_1.*",
    "blocks.#.attn.qkv.*": f"{CLIP}attn.in_proj_*",
    "blocks.#.attn.proj.*": f"{CLIP}attn.out_proj.*",
    "blocks.#.norm2.*": f"{CLIP}ln_2.*",
    "blocks.#.mlp.fc1.*": f"{CLIP}mlp.c_fc.*",
    "blocks.#.mlp.fc2.*": f"{CLIP}mlp.c_proj.*",
    "norm.*": "visual.ln_post.*",
    "head.weight": "visual.proj:t",
}
CLIP_BESIDE = (
    r"positional_embedding$|token_embedding\.|transformer\.|ln_final\.|text_projection$|logit_scale$|logit_bias$"
    r"|attn_mask$|text\."
)

META_POOLING = "visual.attn_pool."  # of the Perception Encoder
BIASES = r"blocks\.\d+\.attn\.[qv]_bias$"  # of DINOv3's attention, zero in most of its published models
DINOV3: dict[str, Names] = {  # of the transformers library, whose newer versions put "model." before some of them
    "cls_token": "embeddings.cls_token",
    "reg_token": "embeddings.register_tokens",
    "patch_embed.proj.*": "embeddings.patch_embeddings.*",
    "blocks.#.norm1.*": "layer.#.norm1.*",
    "blocks.#.attn.qkv.weight": tuple(f"layer.#.attention.{part}_proj.weight" for part in "qkv"),
    "blocks.#.attn.q_bias": "layer.#.attention.q_proj.bias",
    "blocks.#.attn.v_bias": "layer.#.attention.v_proj.bias",
    "blocks.#.attn.proj.*": "layer.#.attention.o_proj.*",
    "blocks.#.gamma_1": "layer.#.layer_scale1.lambda1",
    "blocks.#.norm2.*": "layer.#.norm2.*",
    "blocks.#.mlp.fc1.*": "layer.#.mlp.up_proj.*",
    "blocks.#.mlp.fc2.*": "layer.#.mlp.down_proj.*",
    "blocks.#.gamma_2": "layer.#.layer_scale2.lambda1",
}

LAYOUTS: dict[str, Layout] = {
    "open_clip": Layout({}, OPEN_CLIP_BESIDE, own="visual.trunk."),
    "open_clip, projected": Layout({"head.weight": "visual.head.proj.weight"}, OPEN_CLIP_BESIDE, own="visual.trunk."),
    "open_clip CLIP": Layout(CLIP_ENCODER, CLIP_BESIDE),
    "timm": Layout({}, zero=BIASES, dropped=r"visual\.trunk\.|trunk\.|visual\.|model\."),
    "transformers SigLIP": Layout(
        HF_ENCODER
        | {
            "attn_pool.latent": "vision_model.head.probe",
            "attn_pool.q.*": "vision_model.head.attention.in_proj_*:q",
            "attn_pool.kv.*": "vision_model.head.attention.in_proj_*:kv",
            "attn_pool.proj.*": "vision_model.head.attention.out_proj.*",
            "attn_pool.norm.*": "vision_model.head.layernorm.*",
            "attn_pool.mlp.fc1.*": "vision_model.head.mlp.fc1.*",
            "attn_pool.mlp.fc2.*": "vision_model.head.mlp.fc2.*",
        },
        HF_BESIDE,
        settings={"activation": "gelu_tanh"},
    ),
    "transformers CLIP": Layout(
        HF_ENCODER
        | {
            "cls_token": "vision_model.embeddings.class_embedding",
            "norm_pre.*": "vision_model.pre_layrnorm.*",
            "head.weight": "visual_projection.weight",
        },
        HF_BESIDE,
    ),
    "transformers DINOv3": Layout(DINOV3, r"embeddings\.mask_token$", dropped=r"model\."),
    "Meta's DINOv3": Layout(
        {
            "reg_token": "storage_tokens",
            "blocks.#.attn.q_bias": "blocks.#.attn.qkv.bias:q",  # the bias of the keys is always zero
            "blocks.#.attn.v_bias": "blocks.#.attn.qkv.bias:v",
            "blocks.#.gamma_1": "blocks.#.ls1.gamma",
            "blocks.#.gamma_2": "blocks.#.ls2.gamma",
        },
        r"mask_token$|rope_embed\.periods$|local_cls_norm\.|blocks\.\d+\.attn\.qkv\.bias_mask$",
    ),
    "Meta's PE": Layout(
        CLIP_ENCODER
        | {
            "attn_pool.latent": f"{META_POOLING}probe",
            "attn_pool.q.*": f"{META_POOLING}attn.in_proj_*:q",
            "attn_pool.kv.*": f"{META_POOLING}attn.in_proj_*:kv",
            "attn_pool.proj.*": f"{META_POOLING}attn.out_proj.*",
            "attn_pool.norm.*": f"{META_POOLING}layernorm.*",
            "attn_pool.mlp.fc1.*": f"{META_POOLING}mlp.c_fc.*",
            "attn_pool.mlp.fc2.*": f"{META_POOLING}mlp.c_proj.*",
        },
        CLIP_BESIDE,
        zero=r"head\.bias$",
    ),
}


@dataclass(frozen=True)
class Match:
    """What a file has of a model."""

    layout: str
    tensors: dict[str, Tensor]  # under timm's names
    found: int  # names of the file that are the model's
    missing: list[str]  # names that the file should have
    foreign: list[str]  # names of the file that nothing asks for
    shapes: list[str]  # names of the file whose tensors have another shape, with both shapes

    @property
    def fits(self) -> bool:
        """Whether every tensor is accounted for."""
        return not (self.missing or self.foreign or self.shapes)


def match(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], layouts: Collection[str]) -> Match:
    """Read a file's tensors in the one of some layouts that finds most of the model in it.

    Parameters
    ----------
    wanted
        The model's own tensors by timm's names, of which only the shapes count.
    layouts
        Names of `LAYOUTS`.
    """
    return max((_read(tensors, wanted, name) for name in layouts), key=lambda read: (read.fits, read.found))


def _read(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], name: str) -> Match:
    layout = LAYOUTS[name]
    prefix = re.compile(f"(?:{layout.dropped})*") if layout.dropped else re.compile("")
    given = {key[prefix.match(key).end() :]: key for key in tensors}  # type: ignore[union-attr]
    made, used, missing, shapes = {}, set(), [], []
    for target, tensor in wanted.items():
        sources = _sources(layout, target)
        absent = [source for source, _ in sources if source not in given]
        if absent and re.match(layout.zero, target) and not any(re.match(layout.zero, key) for key in given):
            made[target] = torch.zeros(tensor.shape)
            continue
        used |= {source for source, _ in sources if source in given}
        missing += absent
        if absent:
            continue
        joined = _joined([_part(tensors[given[source]], part) for source, part in sources])
        if _plain(joined.shape) != _plain(tensor.shape):
            names = " + ".join(given[source] for source, _ in sources)
            shapes.append(f"{names} {_shape(joined)} instead of {_shape(tensor)}")
        else:
            made[target] = joined.reshape(tensor.shape)
    foreign = [key for short, key in given.items() if short not in used and not re.match(layout.beside, short)]
    return Match(name, made, len(used), list(dict.fromkeys(missing)), foreign, shapes)


def _sources(layout: Layout, target: str) -> list[tuple[str, str]]:
    """Names in the file of one of the model's tensors, each with the part that is taken of it."""
    number = (re.findall(r"^blocks\.(\d+)\.", target) or [""])[0]
    pattern = re.sub(r"^blocks\.\d+\.", "blocks.#.", target)
    ending = pattern.rpartition(".")[2]
    starred = pattern.removesuffix(ending) + "*"
    names = layout.names.get(pattern) or layout.names.get(starred) or f"{layout.own}{target}"
    parts = [name.partition(":") for name in (names if isinstance(names, tuple) else (names,))]
    return [(name.replace("#", number).replace("*", ending), part) for name, _, part in parts]


def _part(tensor: Tensor, part: str) -> Tensor:
    if part == "t":
        return tensor.t() if tensor.ndim == 2 else tensor
    if not part or not tensor.ndim:
        return tensor
    third = len(tensor) // 3
    return {"q": tensor[:third], "kv": tensor[third:], "v": tensor[2 * third :]}[part]


def _joined(tensors: list[Tensor]) -> Tensor:
    if len(tensors) == 1 or len({tensor.shape[1:] for tensor in tensors}) > 1 or not tensors[0].ndim:
        return tensors[0]
    return torch.cat(tensors)


def _plain(shape: torch.Size) -> list[int]:
    """A shape without leading ones: what some codes keep as a vector, others keep as a batch of one."""
    sides = list(shape)
    while sides[:1] == [1]:
        sides = sides[1:]
    return sides


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "scalar"
