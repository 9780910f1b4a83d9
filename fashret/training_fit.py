"""The whitening of one run of `fashret embed`, fitted on the training rows of its source.

In: the run and the logs of its vectors. Out: the run's embedder, which whitens from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fashret.console import counted, log, progress
from fashret.files.columns import Role
from fashret.files.record_log import RecordLog, Status
from fashret.files.vector_logs import owners, raw_vectors
from fashret.loading.batches import slices
from fashret.loading.sources import chosen_rows
from fashret.loading.vectors import described
from fashret.models.embedder import COSINE_KEPT
from fashret.models.whitening import check_width, fit_whitening, sample

if TYPE_CHECKING:
    from fashret.embedding import Job

BLOCK = 4096  # vectors that are read at a time


def check_training_rows(job: Job) -> None:
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
    failed = {int(row): each.read(int(row)).decode() for each in logs for row in rows[_failed(each, rows)]}
    left = slices(np.flatnonzero(~there & ~np.isin(rows, list(failed))), job.options.batch_size)
    made = described(job.source, embedder, [rows[part] for part in left], job.options.workers)
    with closing(made), progress(sum(map(len, left)), "whiten", "crops") as advance:
        for part, (batch, found) in zip(left, made, strict=True):
            vectors[part] = embedder.joined(found)
            there[part] = [i not in batch.failures for i in range(len(part))]
            failed |= {int(rows[part[i]]): reason for i, reason in batch.failures.items()}
            advance(len(part))
    if failed:
        some, first = counted(len(failed), "training photo"), min(failed)
        why = f"{job.source.rows.source[first]}: {failed[first]}"
        log.warning("the whitening is fitted without %s that cannot be read; the first: %s", some, why)
    embedder.whitening = fit_whitening(vectors[there], job.options.whiten, job.options.whiten_power)
    if embedder.precision != "float32":
        some_rows = chosen_rows(job.source, rows[there][: job.options.batch_size])
        if not (cosine := embedder.cosine_to_float32(some_rows.images)) > COSINE_KEPT:
            how = (embedder.precision, cosine)
            log.warning("%s: cosine to float32 only %.5f when whitened; --precision float32 is safer", *how)


def _failed(finished: RecordLog, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of some rows could not be read when they were to be embedded."""
    return np.asarray(finished.status[rows] == Status.FAILED, np.bool_)


def _fitted_rows(job: Job) -> NDArray[np.int64]:
    """The rows that a whitening is fitted on."""
    return sample(job.source.rows.with_role(Role.TRAIN), job.options.seed)
