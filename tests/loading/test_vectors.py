"""Vectors batch by batch: in order, each with its images; memory that does not suffice is one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fashret.errors import FashretError
from fashret.files.crops import open_crops
from fashret.loading.sources import crops_source
from fashret.loading.vectors import described
from fashret.models.embedder import Embedder
from fashret.models.opening import open_embedder
from tests.conftest import make_rows, write_crops
from tests.stages.test_embed import write_tiny_model
from tests.training_case import add_tiny_backbone

PARTS = [np.array([1, 2, 3]), np.array([0]), np.array([5, 4])]


@pytest.fixture
def embedder(tmp_path: Path) -> Embedder:
    add_tiny_backbone()
    return open_embedder([write_tiny_model(tmp_path / "model")], device="cpu", precision="float32")


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    return write_crops(tmp_path / "a.crops.h5", make_rows(6))


def test_each_part_comes_with_its_vectors_in_order(crops: Path, embedder: Embedder) -> None:
    with open_crops(crops) as file:
        found = list(described(crops_source(file, embedder.settings), embedder, PARTS, 1))
    assert [batch.rows.tolist() for batch, _ in found] == [part.tolist() for part in PARTS]
    for batch, vectors in found:
        np.testing.assert_array_equal(vectors, embedder.describe(batch.images).numpy())


def test_without_parts_there_is_nothing(crops: Path, embedder: Embedder) -> None:
    with open_crops(crops) as file:
        assert list(described(crops_source(file, embedder.settings), embedder, [], 2)) == []


def test_memory_that_does_not_suffice_is_one_line(
    crops: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(images: object) -> object:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(embedder, "describe", full)
    said = "out of memory on cpu with 3 crops per batch; lower --batch-size"
    with open_crops(crops) as file, pytest.raises(FashretError, match=said):
        list(described(crops_source(file, embedder.settings), embedder, PARTS, 0))
