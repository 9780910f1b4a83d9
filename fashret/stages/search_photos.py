"""`fashret search catalogue.emb.h5 --images FOLDER|LIST -o results.jsonl`: the products that many photos show.

In: an embeddings.h5; a folder of photos, a table or a list (`fashret.files.tables.photo_lists`). Out: per photo and box
the nearest products, in the order of the photos, complete or not at all; and `<output>.errors.jsonl` with the photos
that could not be used. Photos go through in batches: memory does not grow with their number.

    .jsonl  per photo an object with `photo`, `box` (null: the whole photo) and `hits`, as `--image --json` has them
    .csv    per product a line: photo, x1, y1, x2, y2, rank, product, distance, found (its photo), row, further columns
"""

from __future__ import annotations

import csv
import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from fashret.catalogue import Hit, open_for_photos
from fashret.console import counted, progress
from fashret.errors import FashretError
from fashret.files.atomic import check_output, only_writer, whole_file
from fashret.files.columns import Rows
from fashret.files.further_columns import in_words
from fashret.files.photos.box_frames import boxes_as_stored, refuse_fractions
from fashret.files.photos.cuts import Pixels
from fashret.files.photos.decoder import Decoder, warn_of_scaled
from fashret.files.photos.sources import PhotoError
from fashret.files.photos.streams import stream_crops, worker_count
from fashret.files.row_errors import errors_path, left_out_lines, limit_passed, write_errors
from fashret.files.tables.manifests import Listing, counts_of
from fashret.files.tables.photo_lists import read_photos
from fashret.options import PRODUCTS, EmbedOptions, PhotoOptions
from fashret.report.tables import csv_cell

BATCH = EmbedOptions.batch_size  # photos embedded and searched at a time
OWN = ("photo", "x1", "y1", "x2", "y2", "rank", "product", "distance", "found", "row")  # columns of a CSV

Write = Callable[[str, NDArray[np.float32], Sequence[Hit]], None]  # photo, box, products → the output


@dataclass(frozen=True)
class PhotosSearch:
    """What was searched."""

    output: Path
    photos: int  # in the output; a photo with several boxes counts as several
    failed: int  # photos that could not be read, and boxes without area
    repeats: int  # left out: the same photo and box was there before
    left_out: dict[str, int]  # files of a folder that are no photos, by ending and reason
    gallery: int  # rows that were searched
    seconds: float
    photos_per_second: float


def run(catalogue: Path, output: Path, options: PhotoOptions, products: int = PRODUCTS) -> PhotosSearch:
    """Find the nearest products of each photo of `options.images`.

    Parameters
    ----------
    catalogue
        embeddings.h5; its gallery rows are searched.
    options
        Its `k` is not used.
    products
        How many to find for each.

    Raises
    ------
    FashretError
        If the photos cannot be listed or too many cannot be read, the catalogue has no gallery rows of which the
        conditions hold, its model cannot be found, or the output cannot be written.
    """
    started = time.monotonic()
    assert options.images is not None
    check_output(output, catalogue, options.images)
    listing = _listed(options.images, options.boxes)
    with only_writer(output), open_for_photos(catalogue, options, products) as (opened, rows):
        failed: list[dict[str, Any]] = []
        try:
            with whole_file(output) as part, part.open("w", encoding="utf-8", newline="") as stream:
                write = _csv(stream, list(opened.file.further_kinds)) if _is_csv(output) else _json_lines(stream)
                for batch in _batches(listing, opened.crop_size, options):
                    good = {row: crop for row, crop in batch if not isinstance(crop, PhotoError)}
                    failed += [_failure(listing.rows, row, each) for row, each in batch if isinstance(each, PhotoError)]
                    _check_errors(listing, output, failed, options.max_errors)
                    found = opened.search(list(good.values()), products, rows=rows) if good else []
                    for row, hits in zip(good, found, strict=True):
                        write(listing.rows.source[row], listing.rows.box[row], hits)
        finally:
            write_errors(output, failed + left_out_lines(listing.left_out))
    count, seconds = len(listing.rows) - len(failed), time.monotonic() - started
    return PhotosSearch(
        output=output,
        photos=count,
        failed=len(failed),
        repeats=listing.repeats,
        left_out=counts_of(listing.left_out),
        gallery=len(rows),
        seconds=round(seconds, 3),
        photos_per_second=round(count / seconds, 1) if seconds else 0.0,
    )


def _listed(path: Path, boxes: str) -> Listing:
    """The photos, their boxes in pixels of the photos as they are stored."""
    listing = read_photos(path)
    refuse_fractions(listing.rows.box, listing.name)
    if boxes == "upright":
        listing = replace(listing, rows=boxes_as_stored(listing.rows, listing.photos))
    return listing


def _batches(listing: Listing, size: int, options: PhotoOptions) -> Iterator[list[tuple[int, Pixels | PhotoError]]]:
    """Rows in order, each with its crop or with why there is none, some at a time."""
    decoder = Decoder(options.max_pixels, worker_count(0))
    results = stream_crops(listing.photos, listing.rows, size, decoder=decoder)
    try:
        with progress(len(listing.rows), "search", "photos") as advance:
            while True:
                batch: list[tuple[int, Pixels | PhotoError]] = list(itertools.islice(results, BATCH))
                if not batch:
                    return
                yield batch
                advance(len(batch))
    finally:
        results.close()  # ends the threads
        warn_of_scaled(decoder.scaled, listing.name)


def _failure(rows: Rows, row: int, error: PhotoError) -> dict[str, Any]:
    """What <output>.errors.jsonl says of a photo."""
    return {"row": row, "source": rows.source[row], "box": _corners(rows.box[row]), "reason": str(error)}


def _check_errors(listing: Listing, output: Path, failed: Sequence[dict[str, Any]], max_errors: float | None) -> None:
    """End a run in which too many photos cannot be used, or none can."""
    total = len(listing.rows)
    passed = limit_passed([each["source"] for each in failed], total, max_errors)
    if not passed and len(failed) < total:
        return
    said = f"{len(failed):,} of {counted(total, 'photo')} cannot be used{passed and ', '}{passed}"
    first = f"the first: {failed[0]['source']}: {failed[0]['reason']}"
    raise FashretError(f"{listing.name}: {said}; {first}; all: {errors_path(output)}")


def _corners(box: NDArray[np.float32]) -> list[float] | None:
    """A box as numbers; None for a whole photo."""
    return None if np.isnan(box).any() else box.tolist()


def _is_csv(output: Path) -> bool:
    return output.suffix.lower() == ".csv"


def _json_lines(stream: TextIO) -> Write:
    def write(photo: str, box: NDArray[np.float32], hits: Sequence[Hit]) -> None:
        line = {"photo": photo, "box": _corners(box), "hits": [asdict(hit) for hit in hits]}
        stream.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")

    return write


def _csv(stream: TextIO, columns: Sequence[str]) -> Write:
    """Text that a spreadsheet would run as a formula gets an apostrophe before it."""
    writer = csv.writer(stream, lineterminator="\n")
    names = [f"columns/{name}" if name in OWN else name for name in columns]
    writer.writerow(map(csv_cell, (*OWN, *names)))

    def write(photo: str, box: NDArray[np.float32], hits: Sequence[Hit]) -> None:
        corners: Sequence[Any] = _corners(box) or ("",) * 4
        for hit in hits:
            further = (value if isinstance(value, int | float) and not isinstance(value, bool) else in_words(value)
                       for value in map(hit.columns.get, columns))  # fmt: skip
            cells = (photo, *corners, hit.rank, hit.product, hit.distance, hit.photo, hit.row, *further)
            writer.writerow(map(csv_cell, cells))

    return write
