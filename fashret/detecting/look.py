"""The detectors look at all photos of a run, batch by batch.

In: a run, the log of finished photos. Out: the log, with what was found in every photo, or why it could not be read.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fashret.console import progress
from fashret.detecting.photos import Seen
from fashret.files.photos.decoder import Decoder, warn_of_scaled
from fashret.files.photos.sources import MissingPhotoError, PhotoError
from fashret.files.photos.streams import worker_count
from fashret.files.photos.whole import WholePhoto, stream_whole
from fashret.files.record_log import Record, RecordLog, Status
from fashret.files.row_errors import check_errors, left_out_lines, write_errors

if TYPE_CHECKING:
    from fashret.detecting.job import Job


def look(job: Job, done: RecordLog) -> int:
    """Look at the photos that are not in the log; how many were looked at. An interruption loses at most a batch.

    Raises
    ------
    FashretError
        If too many photos cannot be read.
    """
    done.status[done.status != Status.DONE] = Status.WAITING  # what failed may have been mended since
    order = np.flatnonzero(done.status == Status.WAITING)
    options = job.options
    decoder = Decoder(options.max_pixels, worker_count(options.workers))
    photos = stream_whole(job.listing.photos, job.sources.tolist(), options.photo_size, order.tolist(), decoder)
    before = done.count(Status.DONE)
    try:
        with progress(len(job.sources), "detect", "photos", done=len(job.sources) - len(order)) as advance:
            while batch := list(itertools.islice(photos, options.batch_size)):
                done.append(_records(job, batch))
                advance(len(batch))
                check_errors(job.output, job.sources, done, options.max_errors, unit="photo", verb="read")
    finally:
        photos.close()  # ends the threads
        warn_of_scaled(decoder.scaled, job.listing.name)
        note_errors(job, done)
    return done.count(Status.DONE) - before


def _records(job: Job, batch: Sequence[tuple[int, WholePhoto | PhotoError]]) -> list[Record]:
    records = []
    good = [(i, photo) for i, photo in batch if isinstance(photo, WholePhoto)]
    found = job.ensemble.find([photo.pixels for _, photo in good])
    for (i, photo), garments in zip(good, found, strict=True):
        records.append(Record(i, Status.DONE, Seen.of(photo, garments).kept(job.options).packed()))
    for i, error in batch:
        if isinstance(error, PhotoError):
            lost = job.listing.public and isinstance(error, MissingPhotoError)
            records.append(Record(i, Status.LOST if lost else Status.FAILED, str(error).encode()))
    return records


def note_errors(job: Job, done: RecordLog) -> None:
    """Name every photo that could not be looked at and why."""
    wrong = np.flatnonzero((done.status == Status.LOST) | (done.status == Status.FAILED))
    about = [
        {"source": job.sources[i], "status": Status(done.status[i]).name.lower(), "reason": done.read(int(i)).decode()}
        for i in wrong
    ]
    write_errors(job.output, about + left_out_lines(job.listing.left_out))
