"""What one run of `fashret embed` has to do, and the file that it writes: appending, the type of the vectors."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest

from fashret.embedding import Job, rows_there
from fashret.errors import FashretError
from fashret.files.embeddings import open_embeddings
from fashret.files.origins import Origins, read_origins
from fashret.loading.processes import Place
from fashret.stages import embed
from tests.conftest import make_rows, write_crops, write_embeddings
from tests.stages.test_embed import make_photos, options, vectors_of, write_tiny_model
from tests.training_case import add_tiny_backbone


@pytest.fixture(autouse=True)
def tiny_backbone() -> None:
    add_tiny_backbone()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "model")


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    return write_crops(tmp_path / "a.crops.h5", make_rows(23), size=20)


def test_what_is_to_be_embedded_are_the_rows_that_the_file_lacks(tmp_path: Path) -> None:
    rows = make_rows(5)
    path = write_embeddings(
        tmp_path / "a.emb.h5", rows.take(np.array([3, 0])), np.eye(2, dtype=np.float32), {"digest": "d"}
    )
    source: Any = SimpleNamespace(rows=rows, origins=Origins.unknown(5), photos=None)
    embedder: Any = SimpleNamespace(record=lambda beside: {"digest": "d", "name": "m"}, width=2)
    with open_embeddings(path) as old:
        places = rows_there(old, source, embedder)
        assert places.tolist() == [1, -1, -1, 0, -1]
        job = Job.of(source, embedder, (path, Place()), options(None), old)
        assert job.todo.tolist() == [1, 2, 4] and not job.changed.any()


def test_append_embeds_new_rows_only(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = make_photos(tmp_path / "photos")
    whole, path = tmp_path / "whole.emb.h5", tmp_path / "a.emb.h5"
    embed.run(photos, whole, options(model))
    hidden = [photos / "03.jpg", photos / "11.jpg"]
    data = [file.read_bytes() for file in hidden]
    for file in hidden:
        file.unlink()
    first = embed.run(photos, path, options(model, append=True))  # nothing to append to yet
    assert first is not None and (first.rows, first.kept) == (10, 0)
    for file, content in zip(hidden, data, strict=True):
        file.write_bytes(content)
    summary = embed.run(photos, path, options(model, append=True))
    assert summary is not None and (summary.rows, summary.embedded) == (12, 2)
    assert (summary.added, summary.unchanged, summary.vanished) == (2, 10, 0)
    with open_embeddings(whole) as expected, open_embeddings(path) as found:
        assert found.source.tolist() == expected.source.tolist()
        np.testing.assert_allclose(found.vectors, expected.vectors, atol=1e-6)
    with pytest.raises(FashretError, match="was made by the model model, and the weights of other differ"):
        embed.run(photos, path, options(write_tiny_model(tmp_path / "other", seed=2), append=True))
    (tmp_path / "else").mkdir()
    namesake = (
        r"was made by the model model \(weights \w{8}\), and the weights of model \(weights \w{8}\) differ; append"
    )
    with pytest.raises(FashretError, match=namesake):
        embed.run(photos, path, options(write_tiny_model(tmp_path / "else/model", seed=2), append=True))


def test_append_embeds_a_photo_that_was_replaced_under_its_name(model: Path, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos")
    path = tmp_path / "a.emb.h5"
    embed.run(photos, path, options(model))
    first, other = (photos / name for name in ("03.jpg", "11.jpg"))
    first.write_bytes(other.read_bytes())
    os.utime(photos / "05.jpg", ns=(1, 1))  # touched, and the same
    summary = embed.run(photos, path, options(model, append=True))
    assert summary is not None
    assert (summary.embedded, summary.added, summary.changed, summary.unchanged, summary.vanished) == (1, 0, 1, 11, 0)
    embed.run(photos, tmp_path / "fresh.emb.h5", options(model))
    with open_embeddings(path) as found, open_embeddings(tmp_path / "fresh.emb.h5") as fresh:
        place = {name: i for i, name in enumerate(found.source)}
        np.testing.assert_allclose(found.vectors, fresh.vectors, atol=1e-6)
        np.testing.assert_allclose(found.vectors[place["03.jpg"]], found.vectors[place["11.jpg"]], atol=1e-6)
        origins, expected = (read_origins(file.file, 12) for file in (found, fresh))
        assert origins.content.tolist() == expected.content.tolist() and (origins.stamp == expected.stamp).all()
        assert len(set(origins.content)) == 11 and origins.stamp[place["05.jpg"], 1] == 1
    # one of the same size and time is found by reading it
    data = bytearray((photos / "05.jpg").read_bytes())
    data[-3] ^= 1
    (photos / "05.jpg").write_bytes(data)
    os.utime(photos / "05.jpg", ns=(1, 1))
    for verify, changed in ((False, 0), (True, 1)):
        summary = embed.run(photos, path, options(model, append=True, verify=verify))
        assert summary is not None and (summary.changed, summary.unchanged) == (changed, 12 - changed)


def test_append_embeds_crops_that_were_made_again_of_other_photos(model: Path, tmp_path: Path) -> None:
    pictures = list(np.random.default_rng(1).integers(0, 255, (6, 32, 32, 3), np.uint8))
    crops, path = tmp_path / "a.crops.h5", tmp_path / "a.emb.h5"
    embed.run(write_crops(crops, make_rows(6), pictures), path, options(model))
    pictures[2] = pictures[2][::-1]
    summary = embed.run(write_crops(crops, make_rows(6), pictures), path, options(model, append=True))
    assert summary is not None and (summary.changed, summary.unchanged, summary.added) == (1, 5, 0)
    embed.run(crops, tmp_path / "fresh.emb.h5", options(model))
    with open_embeddings(path) as found, open_embeddings(tmp_path / "fresh.emb.h5") as fresh:
        np.testing.assert_allclose(found.vectors, fresh.vectors, atol=1e-6)


def test_a_file_that_does_not_tell_of_its_photos_says_so(
    model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    photos, path = make_photos(tmp_path / "photos"), tmp_path / "a.emb.h5"
    embed.run(photos, path, options(model))
    with h5py.File(path, "r+") as file:
        del file["content"], file["photo_stamp"]
    kept = embed.run(photos, path, options(model, append=True))
    assert kept is not None and (kept.unchanged, kept.changed) == (12, 0)
    assert "does not tell whether the photos of 12 rows have changed; --verify" in caplog.text
    again = embed.run(photos, path, options(model, append=True, verify=True))
    assert again is not None and (again.unchanged, again.changed) == (0, 12)


def test_append_equals_a_fresh_run(model: Path, tmp_path: Path) -> None:
    """Rows come and go and change their columns; what is kept are vectors, as the file stores them."""
    before = make_rows(6, category=np.array([0, 1, -1, 0, 1, 1], np.int16), categories=("bags", "tops"))
    changed = np.array([0, 0, 1, -1, 1, 0, 0, 1], np.int16)
    after = make_rows(8, category=changed, categories=("tops", "belts"))
    order, pictures = (
        np.array([7, 0, 2, 3, 5, 6]),
        list(np.random.default_rng(1).integers(0, 255, (8, 32, 32, 3), np.uint8)),
    )
    path, fresh = tmp_path / "a.emb.h5", tmp_path / "fresh.emb.h5"
    half = options(model, dtype="float16")
    embed.run(write_crops(tmp_path / "a.crops.h5", before, pictures[:6]), path, half)
    crops = write_crops(tmp_path / "b.crops.h5", after.take(order), [pictures[i] for i in order])
    summary = embed.run(crops, path, options(model, append=True))
    embed.run(crops, fresh, half)
    assert summary is not None and (summary.added, summary.unchanged, summary.vanished) == (2, 4, 2)
    with open_embeddings(fresh) as expected, open_embeddings(path) as found:
        assert found.vectors.dtype == np.float16 and found.categories == expected.categories
        for column in ("crop_id", "source", "product", "category", "role"):
            assert getattr(found, column).tolist() == getattr(expected, column).tolist()
        np.testing.assert_allclose(found.vectors, expected.vectors, atol=1e-3)


def test_nothing_is_appended_to_centroids(crops: Path, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "c.emb.h5"
    embed.run(crops, path, options(model, centroids=True))
    data = path.read_bytes()
    with pytest.raises(FashretError, match="holds centroids"):
        embed.run(crops, path, options(model, append=True))
    assert path.read_bytes() == data


def test_half_of_the_bytes(crops: Path, model: Path, tmp_path: Path) -> None:
    embed.run(crops, tmp_path / "a.emb.h5", options(model))
    embed.run(crops, tmp_path / "b.emb.h5", options(model, dtype="float16"))
    half = vectors_of(tmp_path / "b.emb.h5")
    assert half.dtype == np.float16
    np.testing.assert_allclose(half, vectors_of(tmp_path / "a.emb.h5"), atol=1e-3)
