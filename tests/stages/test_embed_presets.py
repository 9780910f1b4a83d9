"""`fashret embed --backbone` with a published model: from photos to the vectors of its reference library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fashret.files.crops import open_crops
from fashret.files.embeddings import open_embeddings
from tests.conftest import invoke
from tests.models.preset_case import open_clip_model, reference, shorten

SQUASH = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
OFF = ("--precision", "float32", "--workers", 0)


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Any]:
    """FashionSigLIP in small: its file, the model of open_clip, its preprocessing."""
    folder = tmp_path_factory.mktemp("siglip")
    model, transform = open_clip_model(folder, "ViT-B-16-SigLIP", SQUASH)
    return folder / "open_clip_model.safetensors", model, transform


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with large photos, a JPEG that a decoder can halve among them."""
    shorten(monkeypatch)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    random = np.random.default_rng(1)
    for name, size in {"a.jpg": (901, 1300), "b.png": (700, 420), "c.jpg": (150, 200)}.items():
        coarse = Image.fromarray(random.integers(0, 255, (40, 30, 3), np.uint8))
        coarse.resize(size, Image.Resampling.BICUBIC).save(tmp_path / "photos" / name, quality=95)
    return tmp_path


def embedded(weights: Path, *arguments: object) -> np.ndarray:
    done = invoke("embed", *arguments, "--weights", weights, *OFF, "-o", "out.h5")
    assert done.returncode == 0, done.stderr
    with open_embeddings(Path("out.h5")) as file:
        return np.array(file.vectors[:])


def test_photos_and_boxes_give_the_vectors_of_open_clip(shop: Path, siglip: tuple[Path, Any, Any]) -> None:
    weights, model, transform = siglip
    images = [Image.open(shop / "photos" / name).convert("RGB") for name in ("a.jpg", "b.png", "c.jpg")]
    expected = reference(model.encode_image, transform, images)
    found = embedded(weights, "photos", "--backbone", "fashion-siglip")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    with open_embeddings(Path("out.h5")) as file:
        assert file.model["crop_size"] == 0 and file.model["settings"]["backbone"] == "fashion-siglip"
    assert np.abs(embedded(weights, "photos", "--backbone", "fashion-siglip", "--size", 320) - expected).max() > 1e-4

    box = (101, 300, 801, 1103)
    Path("rows.csv").write_text("image,product,x1,y1,x2,y2\nphotos/a.jpg,p,{},{},{},{}\n".format(*box))
    cut = reference(model.encode_image, transform, [images[0].crop(box), images[1]])[:1]
    np.testing.assert_allclose(embedded(weights, "rows.csv", "--backbone", "fashion-siglip"), cut, rtol=0, atol=1e-5)
    done = invoke("search", "out.h5", "--image", "photos/a.jpg", "--box", ",".join(map(str, box)), "--json")
    assert abs(json.loads(done.stdout)["hits"][0]["distance"]) < 1e-6  # cut as the catalogue's own
    done = invoke("crop", "rows.csv", "--size", 0, "-o", "crops.h5")
    assert done.returncode == 0
    with open_crops(Path("crops.h5")) as crops:
        assert crops.size == 0 and crops.image(0).shape == (803, 700, 3)
    assert (embedded(weights, "crops.h5", "--backbone", "fashion-siglip") * cut).sum() > 0.999  # JPEG of JPEG


def test_vectors_of_a_matryoshka_are_cut_on_request(shop: Path, siglip: tuple[Path, Any, Any]) -> None:
    weights = siglip[0]
    whole = embedded(weights, "photos", "--backbone", "moda-matryoshka")[:, :256]
    found = embedded(weights, "photos", "--backbone", "moda-matryoshka", "--dim", 256)
    np.testing.assert_allclose(found, whole / np.linalg.norm(whole, axis=1, keepdims=True), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--backbone", "fashion-siglip", "--dim", 256), "--dim 256: not a width that vectors of fashion-siglip"),
        (("--backbone", "moda-matryoshka", "--dim", 100), "give one of 64, 128, 256"),
        (("--backbone", "resnet18", "--dim", 100), "--whiten N shortens any vectors"),
        (("--backbone", "gr-lite", "--pooling", "avg"), "--pooling: gr-lite brings its own; leave it out"),
        (("--backbone", "gr-lite", "--fit", "stretch"), "--fit: gr-lite brings its own; leave it out"),
    ],
)
def test_what_does_not_fit_a_model_is_one_line(shop: Path, options: tuple[object, ...], words: str) -> None:
    done = invoke("embed", "photos", *options, "--weights", "none", "-o", "out.h5")
    assert done.returncode == 1 and words in " ".join(done.stderr.split()) and not Path("out.h5").exists()


def test_crops_that_lost_pixels_of_the_input_are_said(shop: Path, siglip: tuple[Path, Any, Any]) -> None:
    Path("rows.csv").write_text("image,product,x1,y1,x2,y2\nphotos/a.jpg,p,0,0,400,1000\nphotos/a.jpg,q,0,0,900,1000\n")
    said = {}
    for size in (200, 240, 0):
        assert invoke("crop", "rows.csv", "--size", size, "-o", "crops.h5").returncode == 0
        arguments = ("--backbone", "fashion-siglip", "--weights", siglip[0], *OFF)
        said[size] = " ".join(invoke("embed", "crops.h5", *arguments, "-o", "out.h5").stderr.split())
    assert "the input of fashion-siglip is 224x224: make them with `fashret crop --size 224`, or 0" in said[200]
    assert (
        "2 of 2 crops were shrunk below the 224x224 of fashion-siglip: make them with `fashret crop --size 0`"
        in said[240]
    )
    assert "shrunk" not in said[0] and "make them" not in said[0]


def test_raw_crops_need_one_size(shop: Path) -> None:
    done = invoke("crop", "photos", "--size", 0, "--encoding", "raw", "-o", "crops.h5")
    assert done.returncode == 1 and "--size 0: crops of --encoding raw need one size" in " ".join(done.stderr.split())
