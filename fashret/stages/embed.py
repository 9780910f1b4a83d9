"""`fashret embed`: crops + model → embeddings.h5.

In: crops.h5, a table or a bare folder of photos; a trained model or a backbone. Out: embeddings.h5 with the rows in the
order of the source. Photos that cannot be read are left out and named in `<output>.errors.jsonl`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from fashret import datasets
from fashret.console import log, progress
from fashret.errors import FashretError
from fashret.files import hdf5
from fashret.files.crops import open_crops
from fashret.files.embeddings import EmbeddingsWriter
from fashret.files.rows import Rows
from fashret.learning.loading import CropImages, CropsFile, PhotoImages, Prepared, count_workers, load, slices
from fashret.models.backbones import settings_for
from fashret.models.devices import choose_device, choose_precision
from fashret.models.embedder import Embedder, backbone_part, open_embedder
from fashret.options import CropOptions, EmbedOptions

FLUSH_SECONDS = 10.0


@dataclass(frozen=True)
class EmbedSummary:
    """What was embedded."""

    output: Path
    model: str
    rows: int  # in the output
    failed: int  # photos that could not be read
    width: int
    precision: str
    seconds: float
    rows_per_second: float


@dataclass(frozen=True)
class Source:
    """Rows and where their images come from."""

    rows: Rows
    dataset: str
    crop_size: int  # longer side of a crop in pixels
    inputs: list[dict[str, Any]]
    images: Dataset


def run(source: Path, output: Path, options: EmbedOptions) -> EmbedSummary:
    """Embed every row of a source.

    Raises
    ------
    FashretError
        If the source or the model cannot be used, too many photos cannot be read, or the output cannot be written.
    """
    started = time.monotonic()
    _check_options(options)
    hdf5.check_output(output)
    embedder = _embedder(options)
    taken = _source(source, options, embedder)
    if not len(taken.rows):
        raise FashretError(f"{source}: has no rows to embed")
    errors = output.with_name(output.name + ".errors.jsonl")
    errors.unlink(missing_ok=True)
    failed = _embed(taken, embedder, output, options)
    seconds = time.monotonic() - started
    count = len(taken.rows) - failed
    name = embedder.record(output)["name"]
    return EmbedSummary(output, name, count, failed, embedder.width, embedder.precision, seconds, count / seconds)


def _check_options(options: EmbedOptions) -> None:
    if options.batch_size < 1:
        raise FashretError(f"--batch-size {options.batch_size}: must be at least 1")
    if not 0 <= options.max_errors <= 1:
        raise FashretError(f"--max-errors {options.max_errors}: expected a share, 0 to 1")


def _embedder(options: EmbedOptions) -> Embedder:
    if options.model:
        return open_embedder(options.model, device=options.device, precision=options.precision)
    device = choose_device(options.device)
    settings = settings_for(
        options.backbone,
        options.input,
        weights=options.weights,
        pooling=options.pooling,
        neck="none",
        fit=options.fit,
        seed=options.seed,
    )
    return Embedder([backbone_part(settings)], device, choose_precision(options.precision, device))


def _source(source: Path, options: EmbedOptions, embedder: Embedder) -> Source:
    if source.is_file() and source.suffix.lower() not in (".csv", ".tsv", ".parquet"):
        with open_crops(source) as crops:
            images = CropImages(CropsFile.of(source), embedder.settings)
            inputs = [hdf5.input_record(source, crops.digest)]
            return Source(crops.rows, crops.dataset, crops.size, inputs, images)
    listing = datasets.load(str(source), CropOptions(root=options.root))
    images = PhotoImages(listing.root, listing.rows, options.size, embedder.settings)
    return Source(listing.rows, listing.name, options.size, [], images)


def _embed(source: Source, embedder: Embedder, output: Path, options: EmbedOptions) -> int:
    """Write the output; how many rows failed."""
    vectors = np.empty((len(source.rows), embedder.width), np.float32)
    good = np.ones(len(source.rows), bool)
    failures = []
    wanted = slices(np.arange(len(source.rows)), options.batch_size)
    with progress(len(source.rows), "embed", "crops") as advance:
        for batch in load(source.images, wanted, count_workers(options.workers), embedder.device):
            vectors[batch.rows] = embedder.embed_prepared(batch.images)
            for i, reason in batch.failures.items():
                good[batch.rows[i]] = False
                failures.append((int(batch.rows[i]), reason))
            advance(len(batch.rows))
    rows = source.rows.take(good)
    writer = EmbeddingsWriter(output, rows, embedder.width, dtype=options.dtype)
    model = embedder.record(output) | {"crop_size": source.crop_size}
    with writer.describe(
        model=model, normalized=True, dataset=source.dataset, options=asdict(options), inputs=source.inputs
    ):
        writer.write(vectors[good])
    return len(failures)
