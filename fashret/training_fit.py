"""The whitening of one run of `fashret embed`, fitted on the training rows of its source.

In: the run and the logs of its vectors. Out: the run's embedder, which whitens from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fashret.console import log, progress
from fashret.files.columns import Role
from fashret.files.record_log import RecordLog, Status
from fashret.files.vector_logs import owners, raw_vectors
from fashret.loading.batches import count_workers, load, slices
from fashret.loading.sources import chosen_rows
from fashret.models.embedder import COSINE_KEPT
from fashret.models.whitening import check_width, fit_whitening, sample

if TYPE_CHECKING:
    from fashret.embedding import Job

BLOCK = 4096  # vectors that are read at a time


def check_whitening(job: Job) -> None:
    """Raise FashretError before any work if the source has too few training rows for the whitening asked for."""
    check_width(job.options.whiten, job.embedder.joined_width, len(_fitted_rows(job)))


def fit_on_training_rows(job: Job, logs: Sequence[RecordLog]) -> None:
    """Fit the embedder's whitening on a sample of the rows with the role train.

    Vectors that the logs do not have are made here and kept nowhere.

    Raises
    ------
    FashretError
        If the rows do not give the width that was asked for.
    """
    rows, embedder = _fitted_rows(job), job.embedder
    vectors, there = np.empty((len(rows), embedder.joined_width), np.float32), np.zeros(len(rows), np.bool_)
    owner = owners(logs, len(job.source.rows))
    for part in slices(np.flatnonzero(owner[rows] >= 0), BLOCK):
        vectors[part], there[part] = embedder.joined(raw_vectors(logs, owner, rows[part])), True
    failed = np.logical_or.reduce([log.status[rows] == Status.FAILED for log in logs])
    left = slices(np.flatnonzero(~there & ~failed), job.options.batch_size)
    workers = count_workers(job.options.workers) if left else 0
    made = load(job.source.images, (rows[part] for part in left), workers, embedder.device)
    with progress(sum(map(len, left)), "whiten", "crops") as advance:
        for part, batch in zip(left, made, strict=True):
            vectors[part] = embedder.joined(embedder.check(embedder.describe(batch.images).cpu().numpy()))
            there[part] = [i not in batch.failures for i in range(len(part))]
            advance(len(part))
    embedder.whitening = fit_whitening(vectors[there], job.options.whiten, job.options.whiten_power)
    if embedder.precision != "float32":
        first = chosen_rows(job.source, rows[there][: job.options.batch_size])
        if not (cosine := embedder.cosine_to_float32(first.images)) > COSINE_KEPT:
            how = (embedder.precision, cosine)
            log.warning("%s: cosine to float32 only %.5f when whitened; --precision float32 is safer", *how)


def _fitted_rows(job: Job) -> NDArray[np.int64]:
    """The rows that a whitening is fitted on."""
    return sample(job.source.rows.with_role(Role.TRAIN), job.options.seed)
