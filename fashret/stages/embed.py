"""`fashret embed`: crops + model → embeddings.h5.

In: crops.h5, a table or a bare folder of photos; a trained model, several, or a backbone. Out: embeddings.h5 with the
rows in the order of the source. Photos that cannot be read are left out and named in `<output>.errors.jsonl`.

Vectors go to a log beside the output as they are made (`fashret.files.record_log`); when the last is there the output
is written from it in one go. So a run that is killed at any moment resumes with --resume, and its file is the same.
Under torchrun each process has a log of its own, and the first one writes the output from all of them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fashret.console import log, progress
from fashret.datasets import readers
from fashret.errors import FashretError
from fashret.files.atomic import check_output
from fashret.files.catalogues import is_catalogue
from fashret.files.columns import Rows, blocks
from fashret.files.crops import open_crops
from fashret.files.embeddings import Embeddings, EmbeddingsOrigin, open_embeddings, write_embeddings
from fashret.files.record_log import Record, RecordLog, Status, noted_if_interrupted, open_log
from fashret.files.resume import check_flags, log_path
from fashret.files.row_errors import errors_path, write_errors
from fashret.loading.batches import count_workers, load, slices
from fashret.loading.processes import Place, place, together, wait
from fashret.loading.sources import Prepared, Source, chosen_rows, crops_source, listing_source
from fashret.models.backbones import settings_for
from fashret.models.centroids import product_centroids
from fashret.models.devices import choose_device, choose_precision, within_memory
from fashret.models.embedder import Embedder, backbone_part, open_embedder
from fashret.models.preprocessing import warn_of_small_crops
from fashret.options import CropOptions, EmbedOptions, check_seed

BLOCK = 4096  # rows that are written at a time
ADVICE = "lower --batch-size; with --resume nothing is embedded twice"
# options that do not change a vector, or act through the model's digest
OF_BACKBONE = ("backbone", "weights", "pooling", "input", "fit")  # a trained model has its own
INCIDENTAL = ("model", "root", "max_errors", "workers", "resume", "restart", "append", "device", "centroids", "dtype")


@dataclass(frozen=True)
class EmbedSummary:
    """What was embedded."""

    output: Path
    model: str
    rows: int  # in the output
    embedded: int  # in this run
    kept: int  # of an interrupted run
    added: int  # with --append: rows that the file did not have
    unchanged: int  # with --append: rows that it had
    vanished: int  # with --append: rows that the source no longer has
    failed: int  # photos that could not be read
    width: int  # of a vector
    precision: str
    seconds: float
    rows_per_second: float  # of this run, by this process, while it embedded


@dataclass(frozen=True)
class Job:
    """What is to be embedded, with what, where to."""

    source: Source
    embedder: Embedder
    output: Path
    options: EmbedOptions
    here: Place
    old: Embeddings | None  # the file to append to
    place: NDArray[np.int64]  # for each row of the source its row in that file, −1 where it is to be embedded

    @property
    def todo(self) -> NDArray[np.int64]:
        """Rows of the source to be embedded."""
        return np.flatnonzero(self.place < 0)

    def open_log(self, rank: int) -> RecordLog:
        """The log of one process: its own, or that of another one that has ended."""
        alone = self.here.world == 1
        path = log_path(self.output if alone else self.output.with_name(f"{self.output.name}.{rank}"))
        count, options = len(self.source.rows), self.options
        if rank != self.here.rank:
            return RecordLog(path, count, self.task, resume=True)
        return open_log(path, count, self.task, resume=options.resume, restart=options.restart)

    @property
    def task(self) -> dict[str, Any]:
        """Everything that the vectors depend on."""
        names = [field.name for field in dataclasses.fields(self.options) if field.name not in INCIDENTAL]
        options = {name: getattr(self.options, name) for name in names}
        return {
            **self.source.identity,
            "model": self.embedder.record(self.output)["digest"],
            "precision": self.embedder.precision,
            "rows to embed": hashlib.sha256(self.todo.tobytes()).hexdigest()[:32],
            "processes": self.here.world,
            "options": json.loads(json.dumps(options)),  # as it is read again: lists, no tuples
        }


def run(source: Path, output: Path, options: EmbedOptions, given: Collection[str] = ()) -> EmbedSummary | None:
    """Embed every row of a source.

    Parameters
    ----------
    given
        Names of the options that were set on the command line, to their defaults perhaps.

    Returns
    -------
    The summary; None in all processes but the first, if there are several.

    Raises
    ------
    FashretError
        If the source or the model cannot be used, options exclude each other, too many photos cannot be read, or the
        output cannot be written.
    """
    _check_options(options, given)
    check_output(output, source)
    with ExitStack() as stack:
        device = choose_device(options.device, place().local_rank)
        here = stack.enter_context(together(device))
        embedder = _embedder(options)
        taken = _source(source, options, given, embedder, stack)
        old = stack.enter_context(open_embeddings(output)) if options.append and output.exists() else None
        place_before = np.full(len(taken.rows), -1) if old is None else _places(old, taken, embedder)
        job = Job(taken, embedder, output, options, here, old, place_before)
        if len(job.todo):
            _settle_precision(embedder, old, taken, job.todo[: options.batch_size])
        finished = stack.enter_context(job.open_log(here.rank))
        kept, seconds = finished.kept, _embed(job, finished)
        if not here.first:
            finished.close()  # before the first process opens it
        wait(here.world)
        if not here.first:
            return None
        logs = [finished, *(stack.enter_context(job.open_log(rank)) for rank in range(1, here.world))]
        count = _write_output(job, logs)
        failed = sum(each.count(Status.FAILED) for each in logs)
        for each in logs:
            each.path.unlink()
        return EmbedSummary(
            output=output,
            model=embedder.record(output)["name"],
            rows=count,
            embedded=len(job.todo) - failed - kept,
            kept=kept,
            added=0 if old is None else len(job.todo) - failed,
            unchanged=len(taken.rows) - len(job.todo),
            vanished=0 if old is None else len(old) - len(taken.rows) + len(job.todo),
            failed=failed,
            width=embedder.width,
            precision=embedder.precision,
            seconds=round(seconds, 3),
            rows_per_second=round((finished.count(Status.DONE) - kept) / seconds, 1) if seconds else 0.0,
        )


def _check_options(options: EmbedOptions, given: Collection[str]) -> None:
    defaults = EmbedOptions()
    chosen = [n for n in OF_BACKBONE if n in given or getattr(options, n) != getattr(defaults, n)]
    if options.model and chosen:
        names = ", ".join(f"--{name}" for name in chosen)
        raise FashretError(f"--model and {names} exclude each other: a trained model brings its own; leave one out")
    if options.model_weight and not options.model:
        raise FashretError("--model-weight: is the weight of a --model, and none was given")
    if options.batch_size < 1:
        raise FashretError(f"--batch-size {options.batch_size}: must be at least 1")
    if not 0 <= options.max_errors <= 1:
        raise FashretError(f"--max-errors {options.max_errors}: expected a share, 0 to 1")
    if options.size < 1:
        raise FashretError(f"--size {options.size}: must be at least 1 pixel")
    check_seed(options.seed)
    check_flags(options.resume, options.restart)
    if options.centroids and options.append:
        raise FashretError("--centroids and --append exclude each other: a centroid needs all images of its product")


def _embedder(options: EmbedOptions) -> Embedder:
    if options.model:
        return open_embedder(options.model, options.model_weight, options.device, options.precision)
    device = choose_device(options.device, place().local_rank)
    choices = {name: getattr(options, name) for name in ("weights", "pooling", "fit", "seed")}
    settings = settings_for(options.backbone, options.input, neck="none", **choices)
    return Embedder([backbone_part(settings)], device, choose_precision(options.precision, device))


def _source(path: Path, options: EmbedOptions, given: Collection[str], embedder: Embedder, stack: ExitStack) -> Source:
    if path.is_file() and not is_catalogue(path):
        if idle := [name for name in ("root", "size") if name in given]:
            raise FashretError(f"--{idle[0]}: is for photos, and {path} holds crops that were cut; leave it out")
        source = crops_source(stack.enter_context(open_crops(path)), embedder.settings)
    else:
        listing = readers.load(str(path), CropOptions(root=options.root))
        source = listing_source(listing, options.size, embedder.settings)
    if not len(source.rows):
        raise FashretError(f"{path}: has no rows to embed")
    for settings in embedder.settings:
        warn_of_small_crops(source.crop_size, settings)
    return source


def _places(old: Embeddings, source: Source, embedder: Embedder) -> NDArray[np.int64]:
    """For each row of the source its row in the file to append to, −1 where it is to be embedded.

    Raises
    ------
    FashretError
        If that file was made by another model, or holds centroids.
    """
    now = embedder.record(old.path)
    if old.model.get("digest") != now["digest"]:
        raise FashretError(
            f"{old.path}: was made by the model {old.model.get('name', 'unknown')}, not by {now['name']}; "
            "append with that one, or embed everything again"
        )
    if old.centroids:
        raise FashretError(f"{old.path}: holds centroids, to which nothing can be added; embed everything again")
    place = {name: row for row, name in enumerate(old.crop_id)}
    return np.array([place.get(name, -1) for name in source.rows.crop_id], np.int64)


def _settle_precision(embedder: Embedder, old: Embeddings | None, source: Source, first: NDArray[np.int64]) -> None:
    """That of the file to append to; otherwise the one asked for, if the first batch shows that it is close enough."""
    if old is not None and old.model.get("precision"):
        embedder.precision = str(old.model["precision"])
        return
    asked = embedder.precision
    batch = chosen_rows(source, first)
    good = [i for i in range(len(first)) if i not in batch.failures]
    if asked != "float32" and good:
        images = [tensor[good] for tensor in batch.images]
        what = f"{len(first)} crops a batch"
        cosine = within_memory(lambda: embedder.settle_precision(images), embedder.device, what, ADVICE)
        log.info("%s: cosine to float32 at least %.6f on the first %d crops", asked, cosine, len(good))


def _embed(job: Job, finished: RecordLog) -> float:
    """Embed this process's part of what the log lacks; the seconds that it took."""
    finished.status[finished.status == Status.FAILED] = Status.WAITING  # may have been mended since
    batches = slices(job.todo, job.options.batch_size)
    bounds = [len(batches) * rank // job.here.world for rank in (job.here.rank, job.here.rank + 1)]
    mine = batches[bounds[0] : bounds[1]]
    left = [rows for rows in mine if (finished.status[rows] == Status.WAITING).any()]
    total, ahead = sum(map(len, mine)), sum(map(len, left))
    started = time.monotonic()
    made = _vectors(job, load(job.source.images, left, count_workers(job.options.workers), job.embedder.device))
    try:
        with (
            noted_if_interrupted(finished, "vectors"),
            progress(total, "embed", "crops", done=total - ahead) as advance,
        ):
            for batch, vectors in made:
                finished.append(_records(batch, vectors.cpu().numpy()))
                advance(len(batch.rows))
                _check_errors(job, finished)
            job.source.check()
    finally:
        made.close()  # ends the processes that decode
        if job.here.first:
            _note_errors(job, [finished])
    return time.monotonic() - started


def _vectors(job: Job, batches: Iterator[Prepared]) -> Generator[tuple[Prepared, Tensor], None, None]:
    """Vectors of batch after batch, each given back when the next is under way, so that a GPU always has work."""
    before: tuple[Prepared, Tensor] | None = None
    what = f"{job.options.batch_size} crops a batch"
    for batch in batches:
        work = partial(job.embedder.describe, batch.images)
        vectors = within_memory(work, job.embedder.device, what, ADVICE)
        if before is not None:
            yield before
        before = batch, vectors
    if before is not None:
        yield before


def _records(batch: Prepared, vectors: NDArray[np.float32]) -> list[Record]:
    return [
        Record(row, Status.FAILED, batch.failures[i].encode())
        if i in batch.failures
        else Record(row, Status.DONE, vectors[i].astype("<f4").tobytes())
        for i, row in enumerate(batch.rows.tolist())
    ]


def _check_errors(job: Job, finished: RecordLog) -> None:
    failed = np.flatnonzero(finished.status == Status.FAILED)
    if len(failed) > job.options.max_errors * len(job.source.rows):
        first = int(failed[0])
        raise FashretError(
            f"{len(failed):,} of {len(job.source.rows):,} photos cannot be used, more than --max-errors "
            f"{job.options.max_errors:g}; the first: {job.source.rows.source[first]}: {finished.read(first).decode()}; "
            f"all: {errors_path(job.output)}"
        )


def _note_errors(job: Job, logs: Sequence[RecordLog]) -> None:
    """Name every row without a vector and why."""
    failed = [(int(row), where) for where in logs for row in np.flatnonzero(where.status == Status.FAILED)]
    source = job.source.rows.source
    about = [{"row": row, "source": source[row], "reason": where.read(row).decode()} for row, where in failed]
    write_errors(job.output, about)


def _write_output(job: Job, logs: Sequence[RecordLog]) -> int:
    """Write embeddings.h5 from the logs and the file to append to, in the source's order; how many rows it has."""
    _note_errors(job, logs)
    owner = np.full(len(job.source.rows), -1, np.int64)  # whose log has the row
    for number, finished in enumerate(logs):
        owner[finished.status == Status.DONE] = number
    count = int(((owner >= 0) | (job.place >= 0)).sum())
    if not count:
        raise FashretError(f"{job.source.dataset}: none of its {len(owner):,} photos could be read; is --root right?")
    if job.options.centroids:
        rows, means = product_centroids(_described(job, logs, owner))
        pieces, count = iter([(rows, job.embedder.joined(means))]), len(rows)
    else:
        pieces = _vectors_of(job, logs, owner)
    model = job.embedder.record(job.output) | {"crop_size": job.source.crop_size}
    plain = dataclasses.asdict(job.options)
    origin = EmbeddingsOrigin(model, True, job.source.dataset, plain, job.source.inputs, job.options.centroids)
    shape, dtype = (count, job.embedder.width), job.options.dtype if job.old is None else job.old.vectors.dtype.name
    with write_embeddings(job.output, shape, job.source.rows.categories, origin, dtype) as append:
        for rows, vectors in pieces:
            append(rows, vectors)
    return count


def _described(
    job: Job, logs: Sequence[RecordLog], owner: NDArray[np.int64]
) -> Iterator[tuple[Rows, NDArray[np.float32]]]:
    """Rows of the logs and their vectors as the networks gave them, in the source's order."""
    chosen, start = np.flatnonzero(owner >= 0), 0
    for rows in blocks(job.source.rows, chosen, BLOCK):
        yield rows, _raw(logs, owner, chosen[start : start + len(rows)])
        start += len(rows)


def _vectors_of(
    job: Job, logs: Sequence[RecordLog], owner: NDArray[np.int64]
) -> Iterator[tuple[Rows, NDArray[np.floating]]]:
    """Rows and final vectors, from the logs and from the file to append to, in the source's order."""
    chosen, start = np.flatnonzero((owner >= 0) | (job.place >= 0)), 0
    for rows in blocks(job.source.rows, chosen, BLOCK):
        part = chosen[start : start + len(rows)]
        start += len(rows)
        new = owner[part] >= 0
        vectors = np.empty((len(part), job.embedder.width), np.float32)
        if new.any():
            vectors[new] = job.embedder.joined(_raw(logs, owner, part[new]))
        if job.old is not None:
            vectors[~new] = job.old.vectors[job.place[part[~new]]]
        yield rows, vectors


def _raw(logs: Sequence[RecordLog], owner: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Vectors of some rows as the networks gave them."""
    data = [logs[owner[row]].read(int(row)) for row in rows]
    return np.frombuffer(b"".join(data), "<f4").reshape(len(rows), -1)
