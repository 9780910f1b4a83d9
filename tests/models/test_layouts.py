"""Names of published files and the tensors behind them."""

from __future__ import annotations

import torch

from fashret.models.layouts import Match, match

WANTED = {
    "pos_embed": torch.empty(1, 4, 6),
    "blocks.0.attn.qkv.weight": torch.empty(18, 6),
    "blocks.12.attn.qkv.weight": torch.empty(18, 6),
    "attn_pool.q.bias": torch.empty(6),
    "attn_pool.kv.bias": torch.empty(12),
}
LAYER = "vision_model.encoder.layers.{}.self_attn.{}_proj.weight"


def published() -> dict[str, torch.Tensor]:
    """A file of the transformers library with these tensors, of numbers that tell them apart."""
    weights = {LAYER.format(i, part): torch.randn(6, 6) for i in (0, 12) for part in "qkv"}
    positions = {"vision_model.embeddings.position_embedding.weight": torch.randn(4, 6)}
    return (
        weights
        | positions
        | {"vision_model.head.attention.in_proj_bias": torch.arange(18.0), "logit_scale": torch.ones(())}
    )


def read(tensors: dict[str, torch.Tensor]) -> Match:
    return match(tensors, WANTED, ["open_clip", "timm", "transformers SigLIP"])


def test_names_are_translated_joined_and_cut() -> None:
    file = published()
    found = read(file)
    assert found.fits and found.layout == "transformers SigLIP" and set(found.tensors) == set(WANTED)
    joined = torch.cat([file[LAYER.format(12, part)] for part in "qkv"])
    assert torch.equal(found.tensors["blocks.12.attn.qkv.weight"], joined)
    assert found.tensors["attn_pool.q.bias"].tolist() == list(range(6))
    assert found.tensors["attn_pool.kv.bias"].tolist() == list(range(6, 18))
    assert found.tensors["pos_embed"].shape == (1, 4, 6)


def test_what_is_amiss_has_the_files_own_names() -> None:
    file = published()
    del file[LAYER.format(0, "k")]
    file[LAYER.format(0, "out")] = torch.randn(6, 6)
    file["vision_model.head.attention.in_proj_bias"] = torch.zeros(17)
    found = read(file)
    assert not found.fits
    assert found.missing == [LAYER.format(0, "k")] and found.foreign == [LAYER.format(0, "out")]
    assert [line.split()[0] for line in found.shapes] == ["vision_model.head.attention.in_proj_bias"]


def test_tensors_that_must_not_be_joined_are_of_another_shape() -> None:
    file = published() | {LAYER.format(0, "q"): torch.randn(6, 5)}
    assert len(read(file).shapes) == 1
    assert read({name: torch.zeros(()) for name in published()}).shapes


def test_timms_own_names_behind_any_wrapper() -> None:
    for wrapper in ("", "visual.trunk.", "trunk.", "model."):
        assert read({wrapper + name: tensor for name, tensor in WANTED.items()}).fits
