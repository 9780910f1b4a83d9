"""The embedder: joined vectors, batches and precision, and the record from which the same one is made again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fashret.errors import FashretError
from fashret.files import models
from fashret.models import embedder as embedders
from fashret.models.embedder import Embedder, Part
from fashret.models.network import build
from fashret.models.opening import backbone_part, embedder_of, open_embedder
from fashret.models.preprocessing import prepare
from fashret.models.settings import ModelSettings
from tests.training_case import SIDE, add_tiny_backbone

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def tiny() -> None:
    add_tiny_backbone()


def settings(**changes: Any) -> ModelSettings:
    return ModelSettings(**({"backbone": "tiny", "weights": "none", "height": SIDE, "width": SIDE} | changes))


def part(weight: float = 1.0, **changes: Any) -> Part:
    return Part(build(settings(**changes)), "tiny", "sha256:0", None, "", weight)


def write_model(folder: Path, **changes: Any) -> Path:
    chosen = settings(**changes)
    folder.mkdir()
    models.write_model(folder, build(chosen).state_dict(), {"settings": chosen.to_dict(), "trained_on": {}})
    return folder


def crops(count: int, seed: int = 0) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.integers(0, 255, (20 + i, 24, 3), np.uint8) for i in range(count)]


def test_vectors_have_length_one_and_do_not_depend_on_their_neighbours() -> None:
    embedder = Embedder([part()], CPU, "float32")
    vectors = embedder.embed(crops(5))
    assert vectors.shape == (5, embedder.width) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(np.concatenate([embedder.embed([crop]) for crop in crops(5)]), vectors, atol=1e-6)
    assert embedder.embed([]).shape == (0, embedder.width)


def test_a_batch_is_split_where_a_cpu_would_lose_its_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = Embedder([part()], CPU, "float32")
    whole = embedder.embed(crops(5))
    seen: list[int] = []
    embedder.parts[0].network.backbone.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    monkeypatch.setattr(embedders, "PIXELS_AT_ONCE", 2 * SIDE * SIDE)
    np.testing.assert_allclose(embedder.embed(crops(5)), whole, atol=1e-6)
    assert seen == [2, 2, 1]


def test_each_network_has_its_share_of_the_cosine() -> None:
    one, two = part(3.0), part(1.0, seed=1, dim=4)
    both = Embedder([one, two], CPU, "float32")
    assert both.width == 10 and both.settings == (one.settings, two.settings)
    vectors = both.embed(crops(4))
    cosines = [Embedder([each], CPU, "float32").embed(crops(4)) for each in (one, two)]
    expected = 0.75 * cosines[0] @ cosines[0].T + 0.25 * cosines[1] @ cosines[1].T
    np.testing.assert_allclose(vectors @ vectors.T, expected, atol=1e-6)


def test_a_vector_of_length_zero_stays_zero() -> None:
    embedder = Embedder([part()], CPU, "float32")
    joined = embedder.joined(np.array([[0.0] * 6, [3.0] + [0.0] * 5], np.float32))
    assert joined.tolist() == [[0.0] * 6, [1.0] + [0.0] * 5]


def test_precision_falls_back_where_vectors_are_not_close(monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = Embedder([part()], CPU, "bf16")
    batch = [torch.from_numpy(np.stack([prepare(crop, embedder.settings)[0] for crop in crops(3)]))]
    assert embedders.COSINE_KEPT < embedder.settle_precision(batch) <= 1.000001 and embedder.precision == "bf16"
    monkeypatch.setattr(embedders, "COSINE_KEPT", 1.1)
    embedder.settle_precision(batch)
    assert embedder.precision == "float32"
    assert embedder.settle_precision(batch) == 1.0


def test_the_same_embedder_is_made_from_its_record(tmp_path: Path) -> None:
    folders = [write_model(tmp_path / "a"), write_model(tmp_path / "b", seed=1, dim=4)]
    first = open_embedder(folders, (2.0, 1.0), "cpu", "float32")
    record = first.record(tmp_path / "x.emb.h5")
    assert record["name"] == "a + b" and [each["path"] for each in record["parts"]] == ["a", "b"]
    again = embedder_of(record, tmp_path / "x.emb.h5", device="cpu")
    np.testing.assert_array_equal(again.embed(crops(2)), first.embed(crops(2)))
    other = open_embedder(folders, (1.0, 1.0), "cpu", "float32").record(tmp_path / "x.emb.h5")
    assert other["digest"] != record["digest"]  # of the weights in the mean too
    one = open_embedder(folders[:1], (), "cpu", "float32").record(tmp_path / "x.emb.h5")
    assert one["digest"] == record["parts"][0]["digest"] and "parts" not in one


def test_a_backbone_is_made_again_from_its_settings(caplog: pytest.LogCaptureFixture) -> None:
    first = Embedder([backbone_part(settings(seed=3))], CPU, "float32")
    assert "RANDOM WEIGHTS" in caplog.text
    record = first.record(Path("x.emb.h5"))
    assert record["weights"] == "random" and record["path"] == "" and "absolute_path" not in record
    again = embedder_of(record, Path("x.emb.h5"), device="cpu")
    np.testing.assert_array_equal(again.embed(crops(2)), first.embed(crops(2)))


def test_a_record_that_was_made_on_a_gpu_is_float32_on_a_cpu() -> None:
    record = Embedder([part()], CPU, "float32").record(Path("x.h5")) | {"precision": "fp16"}
    record["digest"] = backbone_part(settings()).digest
    assert embedder_of(record, Path("x.h5"), device="cpu").precision == "float32"


@pytest.mark.parametrize(
    ("weights", "message"), [((1.0,), "2 models and 1 weights: give as many of both"), ((1.0, 0.0), "above zero")]
)
def test_weights_that_make_no_sense(tmp_path: Path, weights: tuple[float, ...], message: str) -> None:
    folders = [write_model(tmp_path / name) for name in "ab"]
    with pytest.raises(FashretError, match=message):
        open_embedder(folders, weights, "cpu")
