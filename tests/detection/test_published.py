"""Detectors of the transformers library: what is refused before it is loaded, and tiny ones with random weights."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fashret.detection.ensemble import open_ensemble
from fashret.detection.published import (
    DETECTS,
    PublishedDetector,
    check_published,
    is_published,
    open_published,
)
from fashret.errors import FashretError
from fashret.files.models import write_tensors

CLASSES = ("bag", "bottom", "dress", "hat", "outer", "shoes", "top")
PICTURES = [np.random.default_rng(i).integers(0, 255, (40 + 30 * (i % 2), 60, 3), np.uint8) for i in range(3)]


def folder_of(folder: Path, **config: object) -> Path:
    """A folder with a description and no weights that mean anything."""
    folder.mkdir()
    about = {"architectures": [f"Yolos{DETECTS}"], "model_type": "yolos", **config}
    (folder / "config.json").write_text(json.dumps(about))
    (folder / "preprocessor_config.json").write_text("{}")
    write_tensors(folder / "model.safetensors", {"a": torch.zeros(1)})
    return folder


def test_a_folder_of_the_library_is_told_by_its_description(tmp_path: Path) -> None:
    assert is_published(folder_of(tmp_path / "d")) and not is_published(tmp_path)
    assert check_published(tmp_path / "d")["model_type"] == "yolos"


def test_what_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    def refused(name: str) -> str:
        with pytest.raises(FashretError) as error:
            open_ensemble([tmp_path / name])
        return str(error.value)

    folder_of(tmp_path / "code", auto_map={"AutoModel": "code.Model"})
    assert "brings code of its own, which is not run" in refused("code")
    folder_of(tmp_path / "vit", architectures=["ViTForImageClassification"])
    assert "is a ViTForImageClassification, no detector" in refused("vit")
    folder_of(tmp_path / "nothing", architectures=None)
    assert "does not say what it is" in refused("nothing")
    pickle = folder_of(tmp_path / "pickle")
    (pickle / "model.safetensors").rename(pickle / "pytorch_model.bin")
    assert "pytorch_model.bin is a pickle, which is not read; convert it to model.safetensors" in refused("pickle")
    (pickle / "pytorch_model.bin").unlink()
    assert "has no model.safetensors" in refused("pickle")
    (folder_of(tmp_path / "half") / "preprocessor_config.json").unlink()
    assert "has no preprocessor_config.json" in refused("half")
    (folder_of(tmp_path / "list") / "config.json").write_text("[1]")
    assert "does not describe a model" in refused("list")
    (folder_of(tmp_path / "odd") / "config.json").write_text("{")
    assert "config.json" in refused("odd")


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(FashretError, match=r"needs the transformers library; pip install 'fashret\[hf\]'"):
        open_published(folder_of(tmp_path / "d"))


class Prepared:
    """Stands for the library: a picture's pixels as they are; the network finds what the first pixel says."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, ...]] = []

    def __call__(self, images: np.ndarray, **more: object) -> dict[str, torch.Tensor]:
        return {"pixel_values": torch.from_numpy(images).permute(2, 0, 1)[None].float()}

    def post_process_object_detection(
        self, outputs: torch.Tensor, threshold: float, target_sizes: torch.Tensor
    ) -> list[dict[str, torch.Tensor]]:
        self.batches.append(tuple(outputs.shape))
        return [
            {
                "scores": torch.tensor([0.3, 0.6, 0.5, 0.9]),
                "labels": torch.tensor([0, int(pixels[0, 0, 0]), 1, len(CLASSES)]),
                "boxes": torch.tensor([[-5, 0, 9, 9], [0, 0, 900, 900], [7, 7, 7, 20], [0, 0, 9, 9]]),
            }
            for pixels in outputs
        ]


def test_pictures_of_one_size_share_a_batch_and_keep_their_order(tmp_path: Path) -> None:
    network = torch.nn.Identity()
    network.forward = lambda pixel_values: pixel_values  # type: ignore[method-assign]
    network.config = SimpleNamespace(id2label=dict(enumerate(CLASSES)))  # type: ignore[assignment]
    prepare, folder = Prepared(), folder_of(tmp_path / "d")
    detector = PublishedDetector(folder, check_published(folder), network, prepare, torch.device("cpu"))
    pictures = [picture.copy() for picture in PICTURES]
    for i, picture in enumerate(pictures):
        picture[0, 0, 0] = i + 2
    found = detector.find(pictures)
    assert prepare.batches == [(2, 3, 40, 60), (1, 3, 70, 60)]
    assert [one.labels.tolist() for one in found] == [[2, 0], [3, 0], [4, 0]]
    for one, picture in zip(found, pictures, strict=True):
        assert one.boxes.tolist() == [[0, 0, 60, len(picture)], [0, 0, 9, 9]]  # inside; none without area or class
        assert one.scores.tolist() == pytest.approx([0.6, 0.3])
    assert detector.find([]) == [] and detector.classes == CLASSES
    assert detector.record()["digest"].startswith("xxh3:") and detector.record()["name"] == "d"


def yolos(folder: Path) -> Path:
    """A tiny YOLOS with random weights, as the library writes it."""
    from transformers import YolosConfig, YolosForObjectDetection, YolosImageProcessor

    settings = YolosConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=[64, 64],
        num_detection_tokens=5, id2label=dict(enumerate(CLASSES)), use_mid_position_embeddings=False,
    )  # fmt: skip
    YolosForObjectDetection(settings).save_pretrained(folder)
    YolosImageProcessor(size={"shortest_edge": 48, "longest_edge": 96}).save_pretrained(folder)
    return folder


def conditional_detr(folder: Path) -> Path:
    """A tiny Conditional DETR with random weights, whose description asks for the weights of a hub."""
    from transformers import ConditionalDetrConfig, ConditionalDetrForObjectDetection, ConditionalDetrImageProcessor

    settings = ConditionalDetrConfig(
        use_timm_backbone=True, backbone="resnet18", use_pretrained_backbone=False, d_model=16, encoder_layers=1,
        decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16,
        decoder_ffn_dim=16, num_queries=7, id2label=dict(enumerate(CLASSES)),
    )  # fmt: skip
    ConditionalDetrForObjectDetection(settings).save_pretrained(folder)
    ConditionalDetrImageProcessor(size={"shortest_edge": 48, "longest_edge": 96}).save_pretrained(folder)
    about = json.loads((folder / "config.json").read_text())
    about.pop("backbone_config")  # as published ones are
    about |= {"backbone": "resnet18", "use_timm_backbone": True, "use_pretrained_backbone": True}
    (folder / "config.json").write_text(json.dumps(about))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("make", [yolos, conditional_detr])
def test_detectors_of_the_library_run_from_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: object
) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed")
    folder = make(tmp_path / "fashion")  # type: ignore[operator]
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("connects to a network"))
    detector = open_published(folder, "cpu")
    assert detector.classes == CLASSES and detector.name == "fashion"
    found = detector.find(PICTURES)
    alone = [detector.find([picture])[0] for picture in PICTURES]
    for one, other, picture in zip(found, alone, PICTURES, strict=True):
        assert len(one.boxes) and (np.diff(one.scores) <= 0).all() and set(one.labels) <= set(range(len(CLASSES)))
        assert (one.boxes >= 0).all() and (one.boxes <= [60, len(picture)] * 2).all()
        np.testing.assert_allclose(one.boxes, other.boxes, atol=0.1)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)
    write_tensors(folder / "model.safetensors", {"a": torch.zeros(1)})
    with pytest.raises(FashretError, match="its weights are not those of|cannot load it"):
        open_published(folder, "cpu")
