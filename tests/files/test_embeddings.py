"""embeddings.h5: vectors are mapped, whoever wrote them; written complete or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.files import embeddings
from tests.conftest import make_rows, write_embeddings


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_vectors_are_mapped_from_the_file(tmp_path: Path, dtype: str) -> None:
    vectors = np.random.default_rng(0).normal(size=(6, 4)).astype(dtype)
    with embeddings.open_embeddings(write_embeddings(tmp_path / "a.emb.h5", make_rows(6), vectors)) as file:
        assert isinstance(file.vectors, np.memmap) and file.vectors.dtype == dtype and file.width == 4
        np.testing.assert_array_equal(file.vectors, vectors)


def test_chunked_and_float64_vectors_of_other_software_are_read(tmp_path: Path) -> None:
    path = write_embeddings(tmp_path / "a.emb.h5", make_rows(6), np.zeros((6, 4), np.float32))
    vectors = np.random.default_rng(0).normal(size=(6, 4))
    with h5py.File(path, "r+") as file:
        del file["vectors"]
        file.create_dataset("vectors", data=vectors, chunks=(2, 4), compression="gzip")
    with embeddings.open_embeddings(path) as file:
        np.testing.assert_array_equal(file.vectors, vectors.astype(np.float32))


def test_numbers_that_float32_does_not_reach_are_one_line(tmp_path: Path) -> None:
    path = write_embeddings(tmp_path / "a.emb.h5", make_rows(6), np.zeros((6, 4), np.float32))
    with h5py.File(path, "r+") as file:
        del file["vectors"]
        file["vectors"] = np.full((6, 4), 1e300)
    with (
        embeddings.open_embeddings(path) as file,
        pytest.raises(FashretError, match="a.emb.h5: vectors holds numbers that float32 does not reach"),
    ):
        assert file.vectors is None


@pytest.mark.parametrize(
    "model", [{"parts": 5}, {"parts": [5]}, {"settings": "x"}, {"parts": [{"settings": []}]}, {"weight": "2"},
              {"digest": None}, {"path": []}, {"absolute_path": 5}, {"precision": 16}]
)  # fmt: skip
def test_a_model_of_other_types_is_one_line(tmp_path: Path, model: dict[str, Any]) -> None:
    path = write_embeddings(tmp_path / "a.emb.h5", make_rows(6), np.zeros((6, 4), np.float32), model)
    with (
        embeddings.open_embeddings(path) as file,
        pytest.raises(FashretError, match="its attribute model does not describe a model; embed it again"),
    ):
        assert file.model is None


def test_no_rows_is_a_file_too(tmp_path: Path) -> None:
    path = write_embeddings(tmp_path / "none.emb.h5", make_rows(0, categories=("tops",)), np.empty((0, 4), np.float32))
    with embeddings.open_embeddings(path) as file:
        assert len(file) == 0 and file.vectors.shape == (0, 4) and len(file.product) == 0


def test_embeddings_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    rows, vectors = make_rows(6), np.arange(12, dtype=np.float32).reshape(6, 2)
    path, origin = tmp_path / "a.emb.h5", embeddings.EmbeddingsOrigin({"name": "m"})
    with pytest.raises(ValueError, match="3 vectors"), embeddings.write_embeddings(path, (6, 2), (), origin) as append:
        append(rows.take(slice(3)), vectors[:3])
    assert list(tmp_path.iterdir()) == []
    with embeddings.write_embeddings(path, (6, 2), rows.categories, origin) as append:
        append(rows.take(slice(3)), vectors[:3])
        append(rows.take(slice(3, 6)), vectors[3:])
    with embeddings.open_embeddings(path) as file:
        np.testing.assert_array_equal(file.vectors, vectors)
        np.testing.assert_array_equal(file.crop_id, rows.crop_id)


def test_absolute_paths_are_recorded_as_seen_from_the_file(tmp_path: Path) -> None:
    options = {"model": (tmp_path / "model", Path("near")), "weights": str(tmp_path / "a.pth"), "k": 5}
    assert embeddings.recorded(options, tmp_path / "out/a.h5") == {
        "model": ["../model", "near"], "weights": "../a.pth", "k": 5
    }  # fmt: skip
