"""Photos given as paths or as pixels become the same crops and vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fashret.errors import FashretError
from fashret.models.embedder import Embedder
from fashret.models.opening import backbone_part
from fashret.models.photos import crop_photo, embed_photos
from fashret.models.settings import ModelSettings
from fashret.options import EmbedOptions
from tests.training_case import SIDE, add_tiny_backbone


@pytest.fixture
def embedder() -> Embedder:
    add_tiny_backbone()
    settings = ModelSettings(backbone="tiny", weights="none", neck="none", height=SIDE, width=SIDE)
    return Embedder([backbone_part(settings)], torch.device("cpu"), "float32")


def draw(path: Path, number: int) -> np.ndarray:
    pixels = np.random.default_rng(number).integers(0, 255, (50 + number, 40, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


@pytest.mark.parametrize("box", [None, (3, 5, 31, 47), (-10, -5.5, 20, 99), [np.nan] * 4])
@pytest.mark.parametrize("size", [20, 320])
def test_a_file_and_its_pixels_give_the_same_crop(tmp_path: Path, box, size: int) -> None:
    pixels = draw(tmp_path / "a.png", 0)
    crop = crop_photo(tmp_path / "a.png", box, size)
    np.testing.assert_array_equal(crop_photo(pixels, box, size), crop)
    np.testing.assert_array_equal(crop_photo(str(tmp_path / "a.png"), box, size), crop)
    assert max(crop.shape) <= size


def test_vectors_are_those_of_the_embedder_batch_after_batch(tmp_path: Path, embedder: Embedder, monkeypatch) -> None:
    photos = [draw(tmp_path / f"{i}.png", i) for i in range(5)]
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    monkeypatch.setattr(EmbedOptions, "batch_size", 2)
    vectors = embed_photos(embedder, paths)
    assert vectors.shape == (5, embedder.width) and vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, np.concatenate([embedder.embed([photo]) for photo in photos]), atol=1e-6)
    assert embed_photos(embedder, []).shape == (0, embedder.width)


@pytest.mark.parametrize(
    ("photo", "box", "message"),
    [
        ("none.jpg", None, "none.jpg: "),
        (np.zeros((5, 5), np.uint8), None, "a photo in memory: should be H×W×3 uint8, RGB, and is uint8 of shape"),
        (np.zeros((5, 5, 3)), None, "should be H×W×3 uint8, RGB, and is float64"),
        (np.zeros((5, 5, 3), np.uint8), (7, 7, 9, 9), "a photo in memory: box 7,7,9,9 has no area inside"),
        (np.zeros((5, 5, 3), np.uint8), (1, 2, 3), "give x1, y1, x2, y2 in pixels"),
        (np.zeros((5, 5, 3), np.uint8), "left", "give x1, y1, x2, y2 in pixels"),
    ],
)
def test_what_is_no_photo_or_box_is_one_line(photo, box, message: str) -> None:
    with pytest.raises(FashretError, match=message):
        crop_photo(photo, box, 320)
