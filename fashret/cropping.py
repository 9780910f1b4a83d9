"""One run of `fashret crop`: which crops there are to make, and the file that they become.

In: a listing, the file to append to, the log of finished crops. Out: crops.h5 from the log and from that file, in the
order of the listing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashret.console import progress
from fashret.errors import FashretError
from fashret.files import hdf5
from fashret.files.crops import KIND, VERSION, Crops, append_crops, create_crops
from fashret.files.digests import Content
from fashret.files.further_merge import Merge
from fashret.files.origins import Origins, changed_photos, read_origins, stamps_of, warn_of_untold
from fashret.files.record_log import RecordLog, Status
from fashret.files.row_errors import left_out_lines, none_read, write_errors
from fashret.files.tables.manifests import Listing
from fashret.options import CropOptions

BATCH = 256  # crops between two writes to the output
SHAPE = np.dtype("<u2")  # a raw crop in the log is its height and width, then its pixels
CUTTING = ("size", "encoding", "quality")  # options that a crop depends on, beside its photo and box


@dataclass(frozen=True)
class Job:
    """What is to be cut, how, where to, and what is there."""

    listing: Listing
    output: Path
    options: CropOptions
    old: Crops | None  # the file to append to
    kept: NDArray[np.int64]  # for each row of the manifest its row in that file, −1 where its crop is to be made
    changed: NDArray[np.bool_]  # rows that the file has, of a photo that is another now
    origins: Origins  # of the rows: stamps as they are now, contents of the kept ones
    further: Merge  # their further columns with those of that file

    @classmethod
    def of(cls, listing: Listing, output: Path, options: CropOptions, old: Crops | None) -> Job:
        """What there is to do, with or without a file to append to."""
        rows = listing.rows
        stamp = stamps_of(listing.photos, rows.source)
        kept, changed = np.full(len(rows), -1, np.int64), np.zeros(len(rows), np.bool_)
        content = Origins.unknown(len(rows)).content
        if old is not None:
            kept = _rows_there(listing, old, options)
        further = Merge.of(rows, old, kept.copy())
        if old is not None:
            there = np.flatnonzero(kept >= 0)
            before = read_origins(old.file, len(old)).take(kept[there])
            warn_of_untold(old.path, before, options.verify)
            changed[there] = changed_photos(listing.photos, rows.take(there), before, stamp[there], options.verify)
            content[there] = before.content
            kept[changed] = -1
        return cls(listing, output, options, old, kept, changed, Origins(content, stamp), further)

    @property
    def task(self) -> dict[str, Any]:
        """Everything that the crops to be made depend on."""
        rows = self.listing.rows
        texts = {name: "\0".join(getattr(rows, name)).encode(errors="surrogatepass") for name in ("source", "product")}
        numbers = {name: getattr(rows, name).tobytes() for name in ("box", "role", "domain", "category")}
        return {
            "dataset": self.listing.name,
            "root": str(self.listing.root.resolve()),
            "rows": len(rows),
            "categories": list(rows.categories),
            "columns": {name: _digest(data) for name, data in (texts | numbers).items()},
            "rows of the file to append to": _digest(self.kept.tobytes()),
            "options": result_options(self.listing, self.options),
        }


def result_options(listing: Listing, options: CropOptions) -> dict[str, Any]:
    """The options that the result depends on."""
    quality = {"quality": options.quality} if options.encoding == "jpeg" else {}
    return {"size": options.size, "encoding": options.encoding, **quality, **listing.options}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _rows_there(listing: Listing, old: Crops, options: CropOptions) -> NDArray[np.int64]:
    """For each row of the manifest its row in the file to append to, −1 where that has none, or the photo is gone."""
    before, now = hdf5.read_json(old.file, "options", {}), result_options(listing, options)
    before["encoding"] = old.encoding
    changes = [f"--{k} {before[k]} → {v}" for k, v in now.items() if k in CUTTING and before.get(k, v) != v]
    if changes:
        raise FashretError(f"{old.path}: has other options ({'; '.join(changes)}); make it again without --append")
    place = {name: i for i, name in enumerate(old.crop_id)}
    kept = np.array([place.get(name, -1) for name in listing.rows.crop_id], np.int64)
    kept[~listing.photos.present(listing.rows.source)] = -1  # a fresh run would not find them either
    return kept


def note_errors(job: Job, done: RecordLog) -> None:
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
    write_errors(job.output, about + left_out_lines(job.listing.left_out))


def write_output(job: Job, done: RecordLog) -> None:
    """Write the crops, from the log and from the file to append to, in the manifest's order."""
    listing, options = job.listing, job.options
    chosen = np.flatnonzero((done.status == Status.DONE) | (job.kept >= 0))
    if not len(chosen):
        raise FashretError(
            none_read(listing.name, listing.rows.source, listing.photos.present(listing.rows.source), [done])
        )
    inputs = [Content(path).record() for path in listing.files]
    with hdf5.write_whole(job.output, KIND, VERSION, result_options(listing, options), inputs) as file:
        create_crops(file, listing.rows.categories, options.encoding, options.size, listing.name)
        with progress(len(chosen), "write", "crops") as advance:
            for start in range(0, len(chosen), BATCH):
                batch = chosen[start : start + BATCH]
                images = [_stored(job, done, row) for row in batch]
                append_crops(file, job.further.block(listing.rows.take(batch), batch), images)
                advance(len(batch))
        made = np.flatnonzero(done.status == Status.DONE)
        job.origins.replaced(made, (done.origin(int(row)) for row in made)).take(chosen).write(file)


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
