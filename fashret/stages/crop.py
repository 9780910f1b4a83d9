"""`fashret crop`: manifest + photos → crops.h5.

In: a public dataset's name, a table, or a folder. Out: crops.h5 with one row per (photo, box, product) whose photo
could be read, in the manifest's order, and `<output>.errors.jsonl` with a line for each row that could not.

Crops go to a log beside the output as they are made (`fashret.files.record_log`); when the last is there the output
is written from it in one go. So a run that is killed at any moment resumes with --resume, and its file is the same. At
the end there must be room for the crops twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashret.choices import ENCODINGS
from fashret.console import progress
from fashret.datasets import readers
from fashret.datasets.census import search_census, warn_of_counts
from fashret.errors import FashretError
from fashret.files import hdf5, jpeg
from fashret.files.atomic import check_output, only_writer
from fashret.files.columns import TEXT, Role
from fashret.files.crops import KIND, VERSION, Crops, append_crops, create_crops, open_crops
from fashret.files.decoder import Decoder, warn_of_scaled
from fashret.files.digests import Content
from fashret.files.manifests import Listing
from fashret.files.photo_sources import MissingPhotoError, PhotoError
from fashret.files.photos import Pixels, by_photo
from fashret.files.record_log import Record, RecordLog, Status, noted_if_interrupted, open_log
from fashret.files.resume import check_flags, log_path
from fashret.files.row_errors import errors_path, write_errors
from fashret.files.streams import stream_crops, worker_count
from fashret.options import CropOptions

BLOCK = 64  # crops between two writes to the log
BATCH = 256  # crops between two writes to the output
SHAPE = np.dtype("<u2")  # a raw crop in the log is its height and width, then its pixels

CUTTING = ("size", "encoding", "quality")  # options that a crop depends on, beside its photo and box


@dataclass(frozen=True)
class CropSummary:
    """What became of the manifest's rows."""

    output: Path
    dataset: str
    rows: int  # in the manifest, without repeats
    crops: int  # in the output
    lost: int  # their photo is missing in a public dataset: a dead link
    failed: int  # unreadable photos and boxes without area
    repeats: int  # rows left out because the same (photo, box, product) was there before
    kept: int  # crops that an interrupted run had made
    added: int  # with --append: rows that the file did not have
    unchanged: int  # with --append: rows that it had
    vanished: int  # with --append: rows that the manifest no longer has, or whose photo is gone
    queries: int
    queries_lost: int
    queries_without_positive: int
    positives_lost: int
    seconds: float
    crops_per_second: float  # made in this run


@dataclass(frozen=True)
class Job:
    """What is to be cut, how, where to, and what is there."""

    listing: Listing
    output: Path
    options: CropOptions
    old: Crops | None  # the file to append to
    kept: NDArray[np.int64]  # for each row of the manifest its row in that file, −1 where its crop is to be made


def run(manifest: str, output: Path, options: CropOptions) -> CropSummary:
    """Cut every row's crop and write crops.h5.

    Raises
    ------
    FashretError
        If the manifest cannot be used, too many photos cannot be read, or the output cannot be written.
    """
    _check_options(options)
    check_output(output, manifest)
    started = time.monotonic()
    with only_writer(output), contextlib.ExitStack() as stack:
        listing = readers.load(manifest, options)
        warn_of_counts(listing)
        old = stack.enter_context(open_crops(output)) if options.append else None
        kept = _kept_rows(listing, old, options) if old else np.full(len(listing.rows), -1, np.int64)
        job, task = Job(listing, output, options, old, kept), _task(listing, kept, options)
        opened = open_log(log_path(output), len(kept), task, resume=options.resume, restart=options.restart)
        done = stack.enter_context(opened)
        with noted_if_interrupted(done, "crops"):
            made = _make_crops(job, done)
            _write_output(job, done)
        summary = _summary(job, done, made, time.monotonic() - started)
        done.path.unlink()
        return summary


def _check_options(options: CropOptions) -> None:
    if options.encoding not in ENCODINGS:
        raise FashretError(f"--encoding {options.encoding}: expected {' or '.join(ENCODINGS)}")
    check_flags(options.resume, options.restart)


def result_options(listing: Listing, options: CropOptions) -> dict[str, Any]:
    """The options that the result depends on."""
    quality = {"quality": options.quality} if options.encoding == "jpeg" else {}
    return {"size": options.size, "encoding": options.encoding, **quality, **listing.options}


def _task(listing: Listing, kept: NDArray[np.int64], options: CropOptions) -> dict[str, Any]:
    """Everything that the crops to be made depend on."""
    rows = listing.rows
    texts = {name: "\0".join(getattr(rows, name)).encode(errors="surrogatepass") for name in ("source", "product")}
    numbers = {name: getattr(rows, name).tobytes() for name in ("box", "role", "domain", "category")}
    return {
        "dataset": listing.name,
        "root": str(listing.root.resolve()),
        "rows": len(rows),
        "categories": list(rows.categories),
        "columns": {name: _digest(data) for name, data in (texts | numbers).items()},
        "rows of the file to append to": _digest(kept.tobytes()),
        "options": result_options(listing, options),
    }


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _kept_rows(listing: Listing, old: Crops, options: CropOptions) -> NDArray[np.int64]:
    """For each row of the manifest its row in the file to append to, −1 where its crop is to be made."""
    before, now = hdf5.read_json(old.file, "options", {}), result_options(listing, options)
    before["encoding"] = old.encoding
    changes = [f"--{k} {before[k]} → {v}" for k, v in now.items() if k in CUTTING and before.get(k, v) != v]
    if changes:
        raise FashretError(f"{old.path}: has other options ({'; '.join(changes)}); make it again without --append")
    place = {name: i for i, name in enumerate(old.crop_id)}
    kept = np.array([place.get(name, -1) for name in listing.rows.crop_id], np.int64)
    kept[~listing.photos.present(listing.rows.source)] = -1  # a fresh run would not find them either
    return kept


def _make_crops(job: Job, done: RecordLog) -> int:
    """Make the crops that are neither in the log nor in the file to append to; how many were made.

    An interruption loses at most the block under way.
    """
    photos, rows, options = job.listing.photos, job.listing.rows, job.options
    done.status[done.status != Status.DONE] = Status.WAITING  # what failed may have been mended since
    order = by_photo(rows)
    order = order[(done.status[order] == Status.WAITING) & (job.kept[order] < 0)]
    decoder = Decoder(options.max_pixels, worker_count(options.workers))
    results = stream_crops(photos, rows, options.size, order=order, then=_encoder(options), decoder=decoder)
    records = (_record(row, result, job.listing.public) for row, result in results)
    before = done.count(Status.DONE)
    try:
        with progress(len(rows), "crop", "crops", done=len(rows) - len(order)) as advance:
            while block := list(itertools.islice(records, BLOCK)):
                done.append(block)
                advance(len(block))
                _check_errors(job, done)
    finally:
        results.close()  # ends the threads
        warn_of_scaled(decoder.scaled, job.listing.name)
        _note_errors(job, done)
    return done.count(Status.DONE) - before


def _encoder(options: CropOptions) -> Callable[[Pixels], bytes]:
    if options.encoding == "raw":
        return lambda crop: np.array(crop.shape[:2], SHAPE).tobytes() + crop.tobytes()
    return lambda crop: jpeg.encode(crop, options.quality)


def _record(row: int, result: bytes | PhotoError, public: bool) -> Record:
    if isinstance(result, PhotoError):
        lost = public and isinstance(result, MissingPhotoError)
        return Record(row, Status.LOST if lost else Status.FAILED, str(result).encode())
    return Record(row, Status.DONE, result)


def _check_errors(job: Job, done: RecordLog) -> None:
    rows = job.listing.rows
    failed = np.flatnonzero(done.status == Status.FAILED)
    if len(failed) <= job.options.max_errors * len(rows):
        return
    first = int(failed[0])
    raise FashretError(
        f"{len(failed):,} of {len(rows):,} crops cannot be made, more than --max-errors {job.options.max_errors:g}"
        f"; the first: {rows.source[first]}: {done.read(first).decode()}; all: {errors_path(job.output)}"
    )


def _note_errors(job: Job, done: RecordLog) -> None:
    """Name every row without a crop and why."""
    wrong = np.flatnonzero((done.status == Status.LOST) | (done.status == Status.FAILED))
    rows = job.listing.rows
    boxes = (rows.box[row] for row in wrong)
    about = [
        {
            "row": int(row),
            "source": rows.source[row],
            "box": None if np.isnan(box).any() else box.tolist(),
            "product": rows.product[row],
            "status": Status(done.status[row]).name.lower(),
            "reason": done.read(int(row)).decode(),
        }
        for row, box in zip(wrong, boxes, strict=True)
    ]
    write_errors(job.output, about)


def _write_output(job: Job, done: RecordLog) -> None:
    """Write the crops, from the log and from the file to append to, in the manifest's order."""
    listing, options = job.listing, job.options
    chosen = np.flatnonzero((done.status == Status.DONE) | (job.kept >= 0))
    if not len(chosen):
        raise FashretError(f"{listing.name}: none of its {len(job.kept):,} photos could be read; is --root right?")
    inputs = [Content(path).record() for path in listing.files]
    with hdf5.write_whole(job.output, KIND, VERSION, result_options(listing, options), inputs) as file:
        create_crops(file, listing.rows.categories, options.encoding, options.size, listing.name)
        with progress(len(chosen), "write", "crops") as advance:
            for start in range(0, len(chosen), BATCH):
                batch = chosen[start : start + BATCH]
                images = [_stored(job, done, row) for row in batch]
                append_crops(file, listing.rows.take(batch), images)
                advance(len(batch))
        for name, texts in listing.labels.items():
            file.create_dataset(f"labels/{name}", data=texts[chosen], dtype=TEXT)


def _stored(job: Job, done: RecordLog, row: int) -> Any:
    """One crop in the form that the output holds."""
    if job.old is not None and job.kept[row] >= 0:
        place = int(job.kept[row])
        return job.old.image(place) if job.options.encoding == "raw" else job.old.encoded(place, place + 1)[0]
    data = done.read(row)
    if job.options.encoding == "jpeg":
        return data
    height, width = np.frombuffer(data, SHAPE, 2)
    return np.frombuffer(data, np.uint8, offset=2 * SHAPE.itemsize).reshape(height, width, 3)


def _summary(job: Job, done: RecordLog, made: int, seconds: float) -> CropSummary:
    listing, old = job.listing, job.old
    there = (done.status == Status.DONE) | (job.kept >= 0)
    search = search_census(listing.rows, there, Role.QUERY, Role.GALLERY)
    unchanged = int(np.count_nonzero(job.kept >= 0))
    return CropSummary(
        output=job.output,
        dataset=listing.name,
        rows=len(there),
        crops=int(np.count_nonzero(there)),
        lost=done.count(Status.LOST),
        failed=done.count(Status.FAILED),
        repeats=listing.repeats,
        kept=done.kept,
        added=made + done.kept if old else 0,
        unchanged=unchanged,
        vanished=len(old) - unchanged if old else 0,
        queries=search.queries,
        queries_lost=search.queries_lost,
        queries_without_positive=search.queries_without_positive,
        positives_lost=search.positives_lost,
        seconds=round(seconds, 3),
        crops_per_second=round(made / seconds, 1) if seconds else 0.0,
    )
