"""Vectors of a source's crops, batch by batch, as the networks give them.

In: a source, an embedder, the rows of each batch. Out: each batch with its vectors, in order; or one line for memory
that does not suffice, and for crops that changed meanwhile.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from functools import partial

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fashret.console import counted
from fashret.files.photos.decoder import warn_of_scaled
from fashret.loading.batches import count_workers, load
from fashret.loading.sources import Prepared, Source
from fashret.models.devices import within_memory
from fashret.models.embedder import Embedder

ADVICE = "lower --batch-size; with --resume nothing is embedded twice"


def described(
    source: Source, embedder: Embedder, parts: Sequence[NDArray[np.int64]], workers: int
) -> Generator[tuple[Prepared, NDArray[np.float32]], None, None]:
    """Each part of a source's rows with its vectors; whoever does not use it up closes it.

    A part is given back when the next one is under way, so that a GPU always has work.

    Parameters
    ----------
    workers
        As `--workers` has it.

    Raises
    ------
    FashretError
        If memory does not suffice, vectors are no numbers, or the file of the crops was replaced meanwhile.
    """
    before: tuple[Prepared, Tensor] | None = None
    scaled: list[str] = []
    images = load(source.images, parts, count_workers(workers) if parts else 0, embedder.device)
    try:
        with closing(images):  # ends the processes that decode
            for batch in images:
                what = f"{counted(len(batch.rows), 'crop')} per batch"
                vectors = within_memory(partial(embedder.describe, batch.images), embedder.device, what, ADVICE)
                scaled += batch.scaled
                if before is not None:
                    yield before[0], embedder.check(before[1].cpu().numpy())
                before = batch, vectors
            if before is not None:
                yield before[0], embedder.check(before[1].cpu().numpy())
            source.check()
    finally:
        warn_of_scaled(scaled, source.dataset)
