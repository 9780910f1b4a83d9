"""What a whitening is fitted on: vectors of the logs, and those that are made for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fashret.embedding import Job
from fashret.errors import FashretError
from fashret.files.columns import Role
from fashret.files.crops import open_crops
from fashret.files.embeddings import open_embeddings
from fashret.loading.processes import Place
from fashret.loading.sources import crops_source
from fashret.models.opening import open_embedder
from fashret.stages import embed
from fashret.training_fit import check_whitening, fit_on_training_rows
from tests.conftest import make_rows, write_crops
from tests.stages.test_embed import options, write_tiny_model
from tests.training_case import add_tiny_backbone


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    add_tiny_backbone()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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
        check_whitening(job)
        with pytest.raises(FashretError, match="--whiten 7: the vectors have 6 numbers"):
            check_whitening(replace(job, options=options(model, whiten=7)))
