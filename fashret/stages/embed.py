"""`fashret embed`: crops + model → embeddings.h5.

In: crops.h5, a table or a bare folder of photos; a trained model, several, or a backbone. Out: embeddings.h5 with the
rows in the order of the source. Photos that cannot be read are left out and named in `<output>.errors.jsonl`.

Vectors go to a log beside the output as they are made (`fashret.files.record_log`); when the last is there the output
is written from it in one go. So a run that is killed at any moment resumes with --resume, and its file is the same.
Under torchrun each process has a log of its own, and the first one writes the output from all of them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashret.console import counted, log, progress
from fashret.datasets import readers
from fashret.embedding import Job, for_training_alone, note_errors, part_of, write_output
from fashret.errors import FashretError
from fashret.files.atomic import check_output, only_writer
from fashret.files.crops import open_crops
from fashret.files.embeddings import Embeddings, made_otherwise, open_embeddings
from fashret.files.origins import UNKNOWN
from fashret.files.record_log import Record, RecordLog, Status, noted_if_interrupted
from fashret.files.resume import check_flags
from fashret.files.row_errors import check_errors, errors_there
from fashret.files.tables.catalogues import is_catalogue
from fashret.files.tables.manifests import counts_of
from fashret.files.whitening import GROUP, Whitening, in_words, whitened_otherwise
from fashret.loading.batches import count_workers, slices
from fashret.loading.processes import place, together, wait
from fashret.loading.sources import Prepared, Source, chosen_rows, crops_source, listing_source, shared_decoder
from fashret.loading.vectors import ADVICE, described
from fashret.models.backbones import settings_for
from fashret.models.devices import choose_device, choose_precision, use_threads, within_memory
from fashret.models.embedder import Embedder
from fashret.models.opening import backbone_part, open_embedder
from fashret.models.preprocessing import warn_of_small_crops
from fashret.models.presets import PRESETS
from fashret.options import CropOptions, EmbedOptions, check_embed_options
from fashret.training_fit import check_training_rows, fit_on_training_rows

SKIPPED = "rows for training alone (--all embeds them)"


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
    changed: int  # with --append: rows that it had, of photos that are others now
    vanished: int  # with --append: rows that the source no longer has
    skipped: dict[str, int]  # rows without a vector, by reason
    failed: int  # photos that could not be read
    left_out: dict[str, int]  # files of a folder that are not listed, by ending and reason
    named_in: Path | None  # the file that names what failed and what was left out, with reasons
    width: int  # of a vector
    precision: str
    threads: int
    seconds: float
    rows_per_second: float  # of this run, by this process, while it embedded


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
    check_flags(options.resume, options.restart)
    check_embed_options(options, given)
    check_output(output, source, options.whiten_from)
    with ExitStack() as stack:
        device = choose_device(options.device, place().local_rank)
        here = stack.enter_context(together(device))
        stack.enter_context(only_writer(output if here.first else part_of(output, here.rank)))
        threads = use_threads(options.threads)
        embedder = _embedder(options)
        taken = _source(source, options, given, embedder, stack)
        old = stack.enter_context(open_embeddings(output)) if options.append and output.exists() else None
        if old is not None:
            _adopt(embedder, old, options, given)
        elif options.whiten_from is not None:
            embedder.whitening = _whitening_of(options.whiten_from, embedder)
        job = Job.of(taken, embedder, (output, here), options, old)
        if fitted := options.whiten > 0 and embedder.whitening is None:
            check_training_rows(job)
        if len(job.todo) and (old is None or not old.model.get("precision")):
            _settle_precision(embedder, taken, job.todo[: options.batch_size], options.precision)
        finished = stack.enter_context(job.open_log(here.rank))
        stack.enter_context(noted_if_interrupted(finished, "vector"))
        kept, seconds = finished.kept, _embed(job, finished)
        if not here.first:
            finished.close()  # before the first process opens it
        wait(here.world)
        if not here.first:
            return None
        logs = [finished, *(stack.enter_context(job.open_log(rank)) for rank in range(1, here.world))]
        if fitted:
            fit_on_training_rows(job, logs)
        count = write_output(job, logs)
        failed = sum(each.count(Status.FAILED) for each in logs)
        changed = sum(int(np.count_nonzero((each.status == Status.DONE) & job.changed)) for each in logs)
        kept_rows = int((job.place >= 0).sum())
        for each in logs:
            each.path.unlink()
        return EmbedSummary(
            output=output,
            model=embedder.record(output)["name"],
            rows=count,
            embedded=len(job.todo) - failed - kept,
            kept=kept,
            added=0 if old is None else len(job.todo) - failed - changed,
            unchanged=kept_rows,
            changed=changed,
            vanished=0 if old is None else len(old) - kept_rows - changed,
            skipped={SKIPPED: skipped} if (skipped := int(job.skipped.sum())) else {},
            failed=failed,
            left_out=counts_of(taken.left_out),
            named_in=errors_there(output),
            width=embedder.width,
            precision=embedder.precision,
            threads=threads,
            seconds=round(seconds, 3),
            rows_per_second=round((finished.count(Status.DONE) - kept) / seconds, 1) if seconds else 0.0,
        )


def _embedder(options: EmbedOptions) -> Embedder:
    if options.model:
        return open_embedder(options.model, options.model_weight, options.device, options.precision)
    device = choose_device(options.device, place().local_rank)
    choices = {name: getattr(options, name) for name in ("weights", "pooling", "fit", "seed")}
    settings = settings_for(options.backbone, options.input, neck="none", cut=options.dim, **choices)
    return Embedder([backbone_part(settings, options.offline)], device, choose_precision(options.precision, device))


def _source(path: Path, options: EmbedOptions, given: Collection[str], embedder: Embedder, stack: ExitStack) -> Source:
    if path.is_file() and not is_catalogue(path):
        if idle := [name for name in ("root", "size", "boxes", "max_pixels") if name in given]:
            raise FashretError(
                f"--{idle[0].replace('_', '-')}: is for photos, and {path} holds crops that were cut; leave it out"
            )
        source = crops_source(stack.enter_context(open_crops(path)), embedder.settings)
    else:
        listing = readers.load(str(path), CropOptions(root=options.root, boxes=options.boxes))
        decoder = shared_decoder(options.max_pixels, count_workers(options.workers))
        size = (
            0 if "size" not in given and options.size == EmbedOptions.size and _own_pixels(embedder) else options.size
        )
        source = listing_source(listing, size, embedder.settings, decoder)
    if not len(source.rows):
        raise FashretError(f"{path}: has no rows to embed")
    if for_training_alone(source.rows, options).all():
        raise FashretError(f"{path}: all its rows are for training alone; give --all to embed them")
    for settings in embedder.settings:
        warn_of_small_crops(source.crop_size, settings, source.rows.box if settings.backbone in PRESETS else None)
    return source


def _own_pixels(embedder: Embedder) -> bool:
    """Whether a model was published for the photo's own pixels, not those of a smaller crop."""
    return any(part.settings.backbone in PRESETS and part.folder is None for part in embedder.parts)


def _whitening_of(path: Path, embedder: Embedder) -> Whitening:
    """The whitening of another embeddings file, which must be of the same model."""
    with open_embeddings(path) as file:
        found, now = file.whitening, embedder.record(path)
        if found is None:
            raise FashretError(f"--whiten-from {path}: its vectors are not whitened")
        different = made_otherwise({**file.model, GROUP: {}}, now)
        if file.model.get("digest") != now["digest"] or different or len(found.mean) != embedder.joined_width:
            how = f" in another way ({'; '.join(different)})" if different else ""
            raise FashretError(
                f"--whiten-from {path}: was made by the model {file.model.get('name', 'unknown')}{how}, not as "
                f"{now['name']} makes vectors now; a whitening serves one model alone"
            )
        return found


def _adopt(embedder: Embedder, old: Embeddings, options: EmbedOptions, given: Collection[str]) -> None:
    """Embed with the precision and whitening of the file to append to; refuse another one, or other numbers."""
    embedder.whitening = whitening = old.whitening
    own = {"whiten": whitening.width if whitening else 0, "whiten_power": whitening.power if whitening else None}
    other = any(name in given and getattr(options, name) != value for name, value in own.items())
    if options.whiten_from is not None:
        with open_embeddings(options.whiten_from) as file:
            other = other or whitened_otherwise(old.model, file.model) != []
    if other:
        raise FashretError(
            f"{old.path}: its whitening is {in_words(old.model)}, which --append keeps; leave out --whiten"
        )
    has = {"precision": old.model.get("precision"), "dtype": old.vectors.dtype.name}
    for name, value in has.items():
        asked = getattr(options, name)
        if name in given and value and asked not in ("auto", value):
            raise FashretError(f"--{name} {asked}: {old.path} has {value}, which --append keeps; leave it out")
    embedder.precision = str(has["precision"] or embedder.precision)


def _settle_precision(embedder: Embedder, source: Source, first: NDArray[np.int64], chosen: str) -> None:
    """The one asked for, or found by `auto`, if the first batch shows that it is close enough."""
    asked = embedder.precision
    batch = chosen_rows(source, first)
    good = [i for i in range(len(first)) if i not in batch.failures]
    if asked != "float32" and good:
        images = [tensor[good] for tensor in batch.images]
        what = f"{counted(len(first), 'crop')} per batch"
        cosine = within_memory(lambda: embedder.settle_precision(images), embedder.device, what, ADVICE)
        on = f"on the first {counted(len(good), 'crop')}"
        if embedder.precision == asked:
            log.info("%s: cosine to float32 at least %.6f %s", asked, cosine, on)
        else:  # whoever asked for it by name is told even if quiet
            level = logging.INFO if chosen == "auto" else logging.WARNING
            log.log(level, "%s: cosine to float32 only %.5f %s; using float32", asked, cosine, on)


def _embed(job: Job, finished: RecordLog) -> float:
    """Embed this process's part of what the log lacks; the seconds that it took."""
    finished.status[finished.status == Status.FAILED] = Status.WAITING  # may have been mended since
    batches = slices(job.todo, job.options.batch_size)
    bounds = [len(batches) * rank // job.here.world for rank in (job.here.rank, job.here.rank + 1)]
    mine = batches[bounds[0] : bounds[1]]
    left = [rows for rows in mine if (finished.status[rows] == Status.WAITING).any()]
    total, ahead = sum(map(len, mine)), sum(map(len, left))
    started = time.monotonic()
    try:
        with (
            closing(described(job.source, job.embedder, left, job.options.workers)) as made,
            progress(total, "embed", "crops", done=total - ahead) as advance,
        ):
            for batch, vectors in made:
                finished.append(_records(job, batch, vectors))
                advance(len(batch.rows))
                check_errors(job.output, job.source.rows.source, finished, job.options.max_errors)
    finally:
        if job.here.first:
            note_errors(job, [finished])
    return time.monotonic() - started


def _records(job: Job, batch: Prepared, vectors: NDArray[np.float32]) -> list[Record]:
    digests = batch.digests or (UNKNOWN,) * len(batch.rows)
    return [
        Record(row, Status.FAILED, batch.failures[i].encode())
        if i in batch.failures
        else Record(row, Status.DONE, vectors[i].astype("<f4").tobytes(), job.origins.packed(row, digests[i]))
        for i, row in enumerate(batch.rows.tolist())
    ]
