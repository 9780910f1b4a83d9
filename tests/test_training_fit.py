"""What a whitening is fitted on: vectors of the logs, and those that are made for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashret.embedding import Job
from fashret.errors import FashretError
from fashret.files.columns import Role
from fashret.files.crops import open_crops
from fashret.files.embeddings import open_embeddings
from fashret.loading.processes import Place
from fashret.loading.sources import crops_source
from fashret.models.opening import open_embedder
from fashret.stages import embed
from fashret.training_fit import check_training_rows, fit_on_training_rows
from tests.conftest import make_rows, write_crops
from tests.stages.test_embed import options, write_tiny_model
from tests.training_case import add_tiny_backbone


@pytest.fixture(autouse=True)
def tiny_backbone() -> None:
    add_tiny_backbone()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "model")


def test_training_rows_that_are_not_written_are_embedded_for_the_whitening(model: Path, tmp_path: Path) -> None:
    """Rows without a vector in the logs give the same fit as those with one."""
    roles = np.where(np.arange(23) < 15, Role.TRAIN, Role.GALLERY).astype(np.uint8)
    crops, how = write_crops(tmp_path / "t.crops.h5", make_rows(23, role=roles), size=20), options(model, whiten=3)
    how = replace(how, all=True)
    embed.run(crops, tmp_path / "a.emb.h5", how)
    with open_embeddings(tmp_path / "a.emb.h5") as file, open_crops(crops) as opened:
        embedder = open_embedder([model], device="cpu", precision="float32")
        source = crops_source(opened, embedder.settings)
        job = Job.of(source, embedder, (tmp_path / "b.emb.h5", Place()), how, None)
        with job.open_log(0) as log:
            fit_on_training_rows(job, [log])
        assert embedder.whitening is not None and file.whitening is not None
        np.testing.assert_allclose(embedder.whitening.directions, file.whitening.directions, atol=1e-4)
        assert embedder.whitening.rows == 15
        check_training_rows(job)
        with pytest.raises(FashretError, match="--whiten 7: the vectors have 6 numbers"):
            check_training_rows(replace(job, options=options(model, whiten=7)))


@pytest.mark.parametrize("every", [True, False])  # embedded like all rows, or for the whitening alone
def test_training_photos_that_cannot_be_read_are_said(
    model: Path, tmp_path: Path, every: bool, caplog: pytest.LogCaptureFixture
) -> None:
    lines = ["image,product,split", *(f"{i}.png,p{i % 5},{'train' if i < 15 else 'test'}" for i in range(23))]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    pixels = np.random.default_rng(0).integers(0, 255, (23, 20, 20, 3), np.uint8)
    for i in set(range(23)) - {4, 9}:
        Image.fromarray(pixels[i]).save(tmp_path / f"{i}.png")
    summary = embed.run(tmp_path / "t.csv", tmp_path / "a.emb.h5", options(model, whiten=3, all=every))
    said = [each.getMessage() for each in caplog.records if "fitted without" in each.getMessage()]
    assert len(said) == 1 and said[0].startswith(
        "the whitening is fitted without 2 training photos that cannot be read"
    )
    assert "; the first: 4.png: " in said[0]
    assert summary is not None and summary.failed == (2 if every else 0)
    with open_embeddings(tmp_path / "a.emb.h5") as file:
        assert file.whitening is not None and file.whitening.rows == 13
