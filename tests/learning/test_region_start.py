"""The start of learned R-MAC: a PCA of the regions of training images, and of nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from fashret.files.crops import open_crops
from fashret.files.models import read_tensors, write_tensors
from fashret.learning import region_start
from fashret.learning.loop import Run
from fashret.learning.region_start import principal, start_from_regions
from fashret.learning.task import Task
from fashret.loading.batches import CropsFile
from fashret.models.network import RetrievalNetwork, build
from fashret.models.opening import open_embedder
from fashret.models.preprocessing import fit_image, normalise
from fashret.models.settings import ModelSettings
from fashret.models.weights import start
from fashret.stages import train
from tests.training_case import SIDE, add_tiny_backbone, tiny_options, write_training_crops


@pytest.fixture(autouse=True)
def tiny_backbone() -> None:
    add_tiny_backbone()


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    return write_training_crops(tmp_path / "a.crops.h5")


def network(**changes: Any) -> RetrievalNetwork:
    values = {"backbone": "tiny-plain", "weights": "none", "height": SIDE, "width": SIDE, "pooling": "rmac-learned"}
    return build(ModelSettings(**(values | changes)))


def regions_one_by_one(net: RetrievalNetwork, crops: Path, rows: list[int]) -> np.ndarray:
    net.eval()
    with open_crops(crops) as file, torch.no_grad():
        images = [normalise(fit_image(file.image(row), net.settings)[None], net.settings) for row in rows]
        return np.concatenate([net.pooling.regions(net.backbone(image))[0].double().numpy() for image in images])


@pytest.mark.parametrize("count", [40, 3])
def test_directions_are_those_of_the_pca(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(region_start, "POWER", 0.5)
    vectors = np.random.default_rng(0).normal(size=(count, 5)) * np.arange(1, 6) + 2
    mean, directions = principal(count, torch.tensor(vectors.sum(axis=0)), torch.tensor(vectors.T @ vectors))
    pca = PCA().fit(vectors)
    np.testing.assert_allclose(mean, pca.mean_)
    known = min(count - 1, 5)
    variance = pca.explained_variance_[:known] * (count - 1) / count
    expected = pca.components_[:known] / np.sqrt(np.maximum(variance, region_start.FLOOR * variance.sum() / 5))[:, None]
    np.testing.assert_allclose(np.abs(directions[:known].numpy()), np.abs(expected), rtol=1e-6)
    assert torch.isfinite(directions).all()  # also where the vectors do not vary
    lengths = directions.norm(dim=1)
    assert (directions @ directions.T - torch.diag(lengths**2)).abs().max() < 1e-6 * float(lengths.max()) ** 2


def test_equal_vectors_have_a_finite_start() -> None:
    mean, directions = principal(4, torch.ones(2, dtype=torch.float64) * 4, torch.ones(2, 2, dtype=torch.float64) * 4)
    assert mean.tolist() == [1, 1] and torch.isfinite(directions.float()).all()


def test_it_starts_from_the_regions_of_the_rows_that_it_is_given(crops: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, rows = network(), list(range(7))
    monkeypatch.setattr(region_start, "PIXELS_AT_ONCE", 3 * SIDE * SIDE)
    start_from_regions(net, CropsFile.of(crops), np.array(rows), seed=0, workers=0)
    regions = regions_one_by_one(net, crops, rows)
    np.testing.assert_allclose(net.pooling.shift.detach(), regions.mean(axis=0), atol=1e-6)
    turned = (regions - regions.mean(axis=0)) @ net.pooling.linear.weight.detach().double().numpy().T
    spread = np.cov(turned, rowvar=False, bias=True)
    assert np.abs(spread - np.diag(np.diag(spread))).max() < 1e-3 * np.diag(spread).max()
    assert not net.pooling.is_new


def test_many_rows_are_sampled_by_the_seed(crops: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(region_start, "MOST_IMAGES", 4)
    heads = []
    for seed in (0, 0, 1):
        net = network()
        start_from_regions(net, CropsFile.of(crops), np.arange(20), seed=seed, workers=0)
        heads.append(net.pooling.shift.detach())
    assert torch.equal(heads[0], heads[1]) and not torch.equal(heads[0], heads[2])


def test_heads_that_were_loaded_and_other_poolings_stay(crops: Path, tmp_path: Path) -> None:
    net = network()
    start_from_regions(net, CropsFile.of(crops), np.arange(8), seed=0, workers=0)
    write_tensors(tmp_path / "w.safetensors", net.state_dict())
    loaded = start(replace(net.settings, weights=str(tmp_path / "w.safetensors")))
    for one in (loaded, network(pooling="gem")):
        before = {name: tensor.clone() for name, tensor in one.state_dict().items()}
        start_from_regions(one, CropsFile.of(crops), np.arange(3, 20), seed=0, workers=0)
        assert all(torch.equal(tensor, before[name]) for name, tensor in one.state_dict().items())
    assert set(read_tensors(tmp_path / "w.safetensors")[0]) >= {"pooling.shift", "pooling.linear.weight"}


def test_a_training_run_begins_with_it_and_resumes_without(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = tiny_options(pooling="rmac-learned", backbone="tiny-plain", holdout=0.0, validate_every=0)
    heads, real = [], train._train

    def noting(task: Task, run: Run) -> None:
        heads.append((task, {n: t.detach().clone() for n, t in run.network.state_dict().items()}))
        real(task, run)

    monkeypatch.setattr(train, "_train", noting)
    train.run(crops, tmp_path / "m", options)
    task, first = heads[0]
    net = network()
    net.load_state_dict({n: t for n, t in first.items() if not n.startswith(("neck.", "classifier."))}, strict=False)
    expected = regions_one_by_one(net, crops, task.rows.row.tolist()).mean(axis=0)
    np.testing.assert_allclose(first["pooling.shift"], expected, atol=1e-6)
    trained = read_tensors(tmp_path / "m" / "model.safetensors")[0]
    assert not torch.equal(trained["pooling.shift"], first["pooling.shift"])
    assert not torch.equal(trained["pooling.linear.weight"], first["pooling.linear.weight"])
    embedder = open_embedder([tmp_path / "m"], device="cpu", precision="float32")
    assert embedder.parts[0].settings.pooling == "rmac-learned" and embedder.width == 6
