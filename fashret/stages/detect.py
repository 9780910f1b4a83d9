"""`fashret detect`: photos + detectors → a manifest of the garments in them.

In: a folder, a table or a public dataset (a COCO file, too, where its boxes are compared with), and one or several
detectors. Out: a manifest of one row per garment that was found (`fashret.files.tables.found_garments`), and
`<output>.errors.jsonl` with a line for each photo that could not be read; perhaps pictures with the boxes, and scores
against the boxes that the manifest has.

What was found goes to a log beside the output, photo by photo, so that a run that is killed resumes with --resume.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashret.console import progress
from fashret.datasets import readers
from fashret.datasets.flags import CropFlags
from fashret.detecting.job import Job, seen_in, write_output
from fashret.detecting.look import look
from fashret.detecting.photos import Seen, shown
from fashret.detecting.scores import check_boxes, scores_of
from fashret.detection.ensemble import ensemble_of
from fashret.errors import FashretError
from fashret.files.atomic import check_output, only_writer
from fashret.files.columns import Role
from fashret.files.photos.decoder import Decoder
from fashret.files.photos.streams import worker_count
from fashret.files.photos.whole import WholePhoto, stream_whole
from fashret.files.record_log import RecordLog, Status, noted_if_interrupted, open_log
from fashret.files.resume import check_flags, log_path
from fashret.files.row_errors import none_read
from fashret.files.tables.boxes import Boxes
from fashret.files.tables.found_garments import check_ending
from fashret.files.tables.manifests import Listing
from fashret.options import CropOptions, DetectOptions, taken_over
from fashret.report.boxes_picture import draw_found, picture_name

DRAWN = 1024  # longer side of a photo that is drawn on


@dataclass(frozen=True)
class DetectSummary:
    """What was found in all photos."""

    output: Path
    dataset: str
    photos: int
    without: int  # photos in which nothing was found
    garments: int
    categories: dict[str, int] = field(default_factory=dict)  # garments of each
    left_out: dict[str, int] = field(default_factory=dict)  # boxes of classes that --labels has no category for
    lost: int = 0  # their photo is missing in a public dataset: a dead link
    failed: int = 0  # unreadable photos
    kept: int = 0  # photos that an interrupted run had looked at
    scores: dict[str, float] = field(default_factory=dict)  # against the manifest's boxes
    scores_of: str = ""  # each category, or any garment
    per_category: dict[str, float] = field(default_factory=dict)  # AP
    pictures: Path | None = None
    seconds: float = 0.0
    photos_per_second: float = 0.0  # looked at in this run


def run(photos: str, output: Path, options: DetectOptions) -> DetectSummary:
    """Find the garments of all photos and write the manifest of them.

    Raises
    ------
    FashretError
        If the photos or a detector cannot be used, too many photos cannot be read, or the output cannot be written.
    """
    check_flags(options.resume, options.restart)
    check_ending(output)
    check_output(output, photos)
    ensemble = ensemble_of(options)
    started = time.monotonic()
    with only_writer(output), contextlib.ExitStack() as stack:
        boxes = readers.load_boxes(photos, taken_over(CropFlags, options)) if options.evaluate else None
        listing = boxes.listing if boxes else readers.load(photos, taken_over(CropOptions, options))
        if options.role:
            chosen = _with_role(listing, options.role)
            boxes = boxes.take(chosen) if boxes else None
            listing = replace(listing, rows=listing.rows.take(chosen))
        job = Job(listing, output, options, ensemble)
        if not len(job.sources):
            raise FashretError(f"{job.listing.name}: lists no photos; nothing to look at")
        if boxes:
            check_boxes(boxes)
        opened = open_log(log_path(output), len(job.sources), job.task, resume=options.resume, restart=options.restart)
        done = stack.enter_context(opened)
        with noted_if_interrupted(done, "photo"):
            looked_at = look(job, done)
            if not done.count(Status.DONE):
                there = job.listing.photos.present(job.sources)
                raise FashretError(none_read(job.listing.name, job.sources, there, [done]))
            write_output(job, lambda: seen_in(done))
            if options.show:
                _draw_all(job, done, options.show)
        summary = _summary(job, boxes, done, looked_at, time.monotonic() - started)
        done.path.unlink()
        return summary


def _with_role(listing: Listing, names: Sequence[str]) -> NDArray[np.int64]:
    """The rows that have one of the roles."""
    chosen = listing.rows.with_role(Role(sum(Role[name.upper()] for name in names)))
    if not len(chosen):
        raise FashretError(f"{listing.name}: no row has the role {' or '.join(names)}; see `fashret crop --check`")
    return chosen


def _draw_all(job: Job, done: RecordLog, folder: Path) -> None:
    """Draw every photo that was looked at, under its own name in the folder."""
    order = np.flatnonzero(done.status == Status.DONE).tolist()
    decoder = Decoder(job.options.max_pixels, worker_count(job.options.workers))
    photos = stream_whole(job.listing.photos, job.sources.tolist(), DRAWN, order, decoder)
    with contextlib.closing(photos), progress(len(order), "draw", "photos") as advance:
        for i, photo in photos:
            if isinstance(photo, WholePhoto):
                path = folder / picture_name(str(job.sources[i]))
                path.parent.mkdir(parents=True, exist_ok=True)
                draw_found(path, photo, shown(Seen.unpacked(done.read(i)), job.options, job.ensemble))
            advance()


def _summary(job: Job, truth: Boxes | None, done: RecordLog, looked_at: int, seconds: float) -> DetectSummary:
    categories: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    without = 0
    for _, seen in seen_in(done):
        chosen = seen.best(job.options)
        without += not len(chosen)
        categories.update(job.ensemble.kinds[seen.labels[i]].name for i in chosen)
        left_out.update(seen.left_out)
    scores, what = scores_of(job, truth, seen_in(done)) if truth else (None, "")
    figures = {"AP": scores.mean_ap, "AP50": scores.ap50, "recall": scores.recall} if scores else {}
    return DetectSummary(
        output=job.output,
        dataset=job.listing.name,
        photos=done.count(Status.DONE),
        without=without,
        garments=sum(categories.values()),
        categories=dict(categories.most_common()),
        left_out=dict(left_out.most_common()),
        lost=done.count(Status.LOST),
        failed=done.count(Status.FAILED),
        kept=done.kept,
        scores={**figures, "photos": scores.photos, "boxes": scores.boxes} if scores else {},
        scores_of=what,
        per_category=scores.per_class if scores and what == "each category" else {},
        pictures=job.options.show,
        seconds=round(seconds, 3),
        photos_per_second=round(looked_at / seconds, 1) if seconds else 0.0,
    )
