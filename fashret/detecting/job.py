"""One run of `fashret detect`: the photos to look at, and the manifest that it becomes.

In: a listing, an ensemble of detectors, the log of finished photos. Out: for each photo what was found, in the form of
`fashret.files.tables.found_garments`.

A found box belongs to the row of the manifest whose box it overlaps by half or more (IoU), or to the photo's only row
if that has no box, and takes over its product, role and columns. Any other box of the photo is unlabelled: it keeps
what all rows of the photo have in common.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fashret.console import log
from fashret.detecting.photos import SCORE_DECIMALS, Seen
from fashret.evaluation.detection import iou
from fashret.files.columns import Domain, Role
from fashret.files.further_columns import FurtherColumn
from fashret.files.photos.cuts import by_photo
from fashret.files.photos.in_parquet import ParquetPhotos
from fashret.files.record_log import RecordLog, Status
from fashret.files.tables.found_garments import COLUMNS, About, FoundPhoto, Garment, write_found
from fashret.files.tables.manifests import Listing
from fashret.options import DetectOptions

if TYPE_CHECKING:
    from fashret.detection.ensemble import Ensemble

SAME = 0.5  # IoU from which a found box is the one of a row
OF_RESULT = (
    "min_score",
    "max_garments",
    "photo_size",
    "iou",
    "detector_weight",
    "evaluate",
)  # what the log depends on, besides the detectors
UNLABELLED = Role.QUERY | Role.GALLERY | Role.VAL_GALLERY  # roles that a row without a product can have


@dataclass(frozen=True)
class Job:
    """What is to be looked at, with what, and where to."""

    listing: Listing
    output: Path
    options: DetectOptions
    ensemble: Ensemble

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """Rows of the listing, those of one photo after each other."""
        return by_photo(self.listing.rows)

    @cached_property
    def start(self) -> NDArray[np.int64]:
        """Where in `order` the rows of each photo start, and the end."""
        source = self.listing.rows.source[self.order]
        new = np.ones(len(source), np.bool_)
        new[1:] = source[1:] != source[:-1]
        return np.append(np.flatnonzero(new), len(source)).astype(np.int64)

    @cached_property
    def sources(self) -> NDArray[np.object_]:
        """The photos."""
        return self.listing.rows.source[self.order[self.start[:-1]]]

    def rows_of(self, photo: int) -> NDArray[np.int64]:
        """The rows of a photo."""
        return self.order[self.start[photo] : self.start[photo + 1]]

    @property
    def task(self) -> dict[str, Any]:
        """Everything that the log depends on."""
        chosen = json.loads(json.dumps({name: getattr(self.options, name) for name in OF_RESULT}))
        about = self.ensemble.record()
        kinds = [[kind.name, *kind.categories] for kind in self.ensemble.kinds]
        return {
            "dataset": self.listing.name,
            "root": str(self.listing.root.resolve()),
            "photos": len(self.sources),
            "names of photos": _digest("\0".join(self.sources).encode(errors="surrogatepass")),
            "categories": _digest(json.dumps([kinds, [each.tolist() for each in self.ensemble.number]]).encode()),
            "options": chosen,
            "detectors": [f"{each['name']} {each.get('digest', '')}".strip() for each in about["detectors"]],
        }


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def seen_in(done: RecordLog) -> Iterator[tuple[int, Seen]]:
    """What the log has, photo by photo."""
    for photo in np.flatnonzero(done.status == Status.DONE).tolist():
        yield photo, Seen.unpacked(done.read(photo))


def write_output(job: Job, seen: Callable[[], Iterable[tuple[int, Seen]]]) -> None:
    """Write the manifest of what was seen, photo by photo; `seen` may be called several times."""
    prefix = _below_output(job)
    more = _columns_that_came(job.listing)
    record = {"options": {**job.task["options"], "labels": job.options.labels}, **job.ensemble.record()}
    about = About(job.ensemble.name, {name: _kind(column) for name, column in more.items()}, record)

    def photos() -> Iterator[FoundPhoto]:
        for photo, each in seen():
            garments = tuple(_garments(job, photo, each, more))
            yield FoundPhoto(prefix + job.sources[photo], each.frame[0], garments)

    write_found(job.output, photos, about)


def _below_output(job: Job) -> str:
    """What photos' paths need in front to be relative to the output's folder; nothing where they are not below it."""
    root, folder = job.listing.root.resolve(), job.output.resolve().parent
    if isinstance(job.listing.photos, ParquetPhotos):
        log.warning("%s: its photos are in tables, from which only `crop --detector` can cut", job.listing.name)
    elif root.is_relative_to(folder):
        below = root.relative_to(folder).as_posix()
        return "" if below == "." else below + "/"
    else:
        log.info("%s: to cut what it lists, give the photos' folder: --root %s", job.output, os.path.normpath(root))
    return ""


def _columns_that_came(listing: Listing) -> dict[str, FurtherColumn]:
    """Columns of the input that the output has, too, by name; the category is the detector's now."""
    rows = listing.rows
    names = np.array([*rows.categories, ""], object)
    given = {"given_category": names[rows.category]} if rows.categories else {}
    texts = {name: FurtherColumn("text", values) for name, values in given.items()}
    return {name: column for name, column in (texts | rows.further).items() if name.lower() not in COLUMNS}


def _kind(column: FurtherColumn) -> str:
    """The type of a column, "day" of dates without a time of day."""
    days = column.kind == "date" and all(len(text) in (0, 10) for text in column.values)
    return "day" if days else column.kind


def _garments(job: Job, photo: int, seen: Seen, more: Mapping[str, FurtherColumn]) -> Iterator[Garment]:
    listed, rows = job.rows_of(photo), job.listing.rows
    each = {name: column.take(listed).plain() for name, column in more.items()}  # of each of the photo's rows
    common = {name: values[0] for name, values in each.items() if len(set(values)) == 1}
    role = int(np.bitwise_or.reduce(rows.role[listed]))
    for i in seen.best(job.options):
        owner = _owner(seen.boxes[i], rows.box[listed])
        row = listed[owner] if owner >= 0 else -1
        product, own = (str(rows.product[row]), int(rows.role[row])) if row >= 0 else ("", role)
        yield Garment(
            box=tuple(seen.boxes[i].tolist()),
            category=job.ensemble.kinds[seen.labels[i]].category,
            score=round(float(seen.scores[i]), SCORE_DECIMALS),
            product=product,
            domain=Domain(int(rows.domain[listed[0]])),
            role=Role(own if product else own & UNLABELLED),
            more={name: values[owner] for name, values in each.items()} if row >= 0 else common,
        )


def _owner(box: NDArray[np.float32], rows: NDArray[np.float32]) -> int:
    """Which of a photo's rows a found box belongs to; −1: none."""
    if len(rows) == 1 and np.isnan(rows[0]).any():
        return 0
    overlap = iou(box[None], rows, np.zeros(len(rows), np.bool_))[0]
    best = int(np.argmax(overlap))
    return best if overlap[best] >= SAME else -1
