"""`fashret crop`: manifest + photos → crops.h5.

In: a public dataset's name, a table, or a folder. Out: crops.h5 with one row per (photo, box, product) whose photo
could be read, in the manifest's order, and `<output>.errors.jsonl` with a line for each row that could not.

Crops go to a log beside the output as they are made (`fashret.files.record_log`); when the last is there the output
is written from it in one go. So a run that is killed at any moment resumes with --resume, and its file is the same. At
the end there must be room for the crops twice.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fashret.choices import ENCODINGS
from fashret.console import progress
from fashret.cropping import SHAPE, Job, note_errors, write_output
from fashret.datasets import readers
from fashret.datasets.census import search_census, warn_of_counts
from fashret.detecting.row_boxes import counts_of_boxes, rows_to_detect, with_boxes
from fashret.errors import FashretError
from fashret.files.atomic import check_output, only_writer
from fashret.files.columns import Role
from fashret.files.crops import open_crops
from fashret.files.origins import DigestedPhotos
from fashret.files.photos import jpeg
from fashret.files.photos.cuts import Pixels, by_photo
from fashret.files.photos.decoder import Decoder, warn_of_scaled
from fashret.files.photos.sources import MissingPhotoError, PhotoError
from fashret.files.photos.streams import stream_crops, worker_count
from fashret.files.record_log import Record, RecordLog, Status, noted_if_interrupted, open_log
from fashret.files.resume import check_flags, log_path
from fashret.files.row_errors import check_errors, errors_there
from fashret.files.tables.manifests import Listing, counts_of
from fashret.options import BoxOptions, CropOptions, DetectOptions, taken_over

BLOCK = 64  # crops between two writes to the log
MOST_BOXES = 100  # of a photo, among which that of a row is chosen


@dataclass(frozen=True)
class CropSummary:
    """What became of the manifest's rows."""

    output: Path
    dataset: str
    rows: int  # in the manifest, without repeats
    crops: int  # in the output
    lost: int  # their photo is missing in a public dataset: a dead link
    failed: int  # unreadable photos and boxes without area
    boxes: dict[str, int]  # with --detector: rows whose box is given, detected, or the whole photo
    left_out: dict[str, int]  # files of a folder that are not listed, by ending and reason
    named_in: Path | None  # the file that names what failed and what was left out, with reasons
    repeats: int  # rows left out because the same (photo, box, product) was there before
    kept: int  # crops that an interrupted run had made
    added: int  # with --append: rows that the file did not have
    unchanged: int  # with --append: rows that it had
    changed: int  # with --append: rows that it had, of photos that are others now
    vanished: int  # with --append: rows that the manifest no longer has, or whose photo is gone
    queries: int
    queries_lost: int
    queries_without_positive: int
    positives_lost: int
    seconds: float
    crops_per_second: float  # made in this run


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
        boxes = taken_over(BoxOptions, options)
        if boxes.detector:
            listing = stack.enter_context(_detected(listing, output, options, boxes))
        old = stack.enter_context(open_crops(output)) if options.append else None
        job = Job.of(listing, output, options, old)
        opened = open_log(log_path(output), len(job.kept), job.task, resume=options.resume, restart=options.restart)
        done = stack.enter_context(opened)
        with noted_if_interrupted(done, "crop"):
            made = _make_crops(job, done)
            write_output(job, done)
        summary = _summary(job, done, made, time.monotonic() - started)
        done.path.unlink()
        return summary


@contextlib.contextmanager
def _detected(listing: Listing, output: Path, options: CropOptions, boxes: BoxOptions) -> Iterator[Listing]:
    """The listing with the boxes that detectors find, which are kept beside the output until all is done."""
    from fashret.detecting import job as detecting
    from fashret.detecting.look import look
    from fashret.detecting.photos import Seen
    from fashret.detection.ensemble import ensemble_for

    wanted = rows_to_detect(listing.rows, boxes.detect)
    shared = {name: getattr(options, name) for name in ("max_errors", "max_pixels", "workers")}
    detect = taken_over(DetectOptions, boxes, max_garments=MOST_BOXES, **shared)
    ensemble = ensemble_for(detect, listing.rows.categories)
    job = detecting.Job(replace(listing, rows=listing.rows.take(wanted), left_out=()), output, detect, ensemble)
    path = log_path(output.with_name(output.name + ".boxes"))
    flags = {"resume": options.resume, "restart": options.restart}
    with open_log(path, len(job.sources), job.task, **flags) as done:
        with noted_if_interrupted(done, "photo"):
            look(job, done)
        place = {str(source): i for i, source in enumerate(job.sources)}

        def seen(source: str) -> Seen | None:
            photo = place[source]
            return Seen.unpacked(done.read(photo)) if done.status[photo] == Status.DONE else None

        found = with_boxes(listing, wanted, seen, ensemble.kinds, boxes.boxes_per_photo)
        record = {"detect": boxes.detect, "boxes_per_photo": boxes.boxes_per_photo, **ensemble.record()}
        yield replace(found, options={**listing.options, **record, "min_score": boxes.min_score})
    path.unlink()


def _check_options(options: CropOptions) -> None:
    if options.encoding not in ENCODINGS:
        raise FashretError(f"--encoding {options.encoding}: expected {' or '.join(ENCODINGS)}")
    if options.encoding == "raw" and not options.size:
        raise FashretError("--size 0: crops of --encoding raw need one size; give it, or --encoding jpeg")
    check_flags(options.resume, options.restart)


def _make_crops(job: Job, done: RecordLog) -> int:
    """Make the crops that are neither in the log nor in the file to append to; how many were made.

    An interruption loses at most the block under way.
    """
    photos, rows, options = DigestedPhotos(job.listing.photos), job.listing.rows, job.options
    done.status[done.status != Status.DONE] = Status.WAITING  # what failed may have been mended since
    order = by_photo(rows)
    order = order[(done.status[order] == Status.WAITING) & (job.kept[order] < 0)]
    decoder = Decoder(options.max_pixels, worker_count(options.workers))
    results = stream_crops(photos, rows, options.size, order=order, then=_encoder(options), decoder=decoder)
    records = (_record(job, row, result, photos) for row, result in results)
    before = done.count(Status.DONE)
    try:
        with progress(len(rows), "crop", "crops", done=len(rows) - len(order)) as advance:
            while block := list(itertools.islice(records, BLOCK)):
                done.append(block)
                advance(len(block))
                check_errors(job.output, rows.source, done, options.max_errors)
    finally:
        results.close()  # ends the threads
        warn_of_scaled(decoder.scaled, job.listing.name)
        note_errors(job, done)
    return done.count(Status.DONE) - before


def _encoder(options: CropOptions) -> Callable[[Pixels], bytes]:
    if options.encoding == "raw":
        return lambda crop: np.array(crop.shape[:2], SHAPE).tobytes() + crop.tobytes()
    return lambda crop: jpeg.encode(crop, options.quality)


def _record(job: Job, row: int, result: bytes | PhotoError, photos: DigestedPhotos) -> Record:
    if isinstance(result, PhotoError):
        lost = job.listing.public and isinstance(result, MissingPhotoError)
        return Record(row, Status.LOST if lost else Status.FAILED, str(result).encode())
    rows = job.listing.rows
    return Record(row, Status.DONE, result, job.origins.packed(row, photos.digest_of(rows.source[row], rows.box[row])))


def _summary(job: Job, done: RecordLog, made: int, seconds: float) -> CropSummary:
    listing, old = job.listing, job.old
    there = (done.status == Status.DONE) | (job.kept >= 0)
    search = search_census(listing.rows, there, Role.QUERY, Role.GALLERY)
    unchanged = int(np.count_nonzero(job.kept >= 0))
    changed = int(np.count_nonzero(job.changed & there))
    return CropSummary(
        output=job.output,
        dataset=listing.name,
        rows=len(there),
        crops=int(np.count_nonzero(there)),
        lost=done.count(Status.LOST),
        failed=done.count(Status.FAILED),
        boxes=counts_of_boxes(listing.rows),
        left_out=counts_of(listing.left_out),
        named_in=errors_there(job.output),
        repeats=listing.repeats,
        kept=done.kept,
        added=made + done.kept - changed if old else 0,
        unchanged=unchanged,
        changed=changed,
        vanished=len(old) - unchanged - changed if old else 0,
        queries=search.queries,
        queries_lost=search.queries_lost,
        queries_without_positive=search.queries_without_positive,
        positives_lost=search.positives_lost,
        seconds=round(seconds, 3),
        crops_per_second=round(made / seconds, 1) if seconds else 0.0,
    )
