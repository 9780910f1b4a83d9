"""`fashret detect photo.jpg`: the garments of one photo.

In: a photo and detectors. Out: its garments, numbered, with boxes as viewers show the photo; perhaps a picture with the
boxes, and a manifest of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fashret.detecting.job import Job, write_output
from fashret.detecting.photos import SCORE_DECIMALS, FoundGarment, find_in_photo, shown
from fashret.detection.ensemble import ensemble_of
from fashret.errors import FashretError
from fashret.files.atomic import check_output
from fashret.files.columns import Domain, Role, Rows, text_array
from fashret.files.photos.sources import PhotoFolder
from fashret.files.tables.found_garments import check_ending
from fashret.files.tables.manifests import Listing
from fashret.options import DetectOptions
from fashret.report.boxes_picture import draw_found, picture_name


@dataclass(frozen=True)
class PhotoGarments:
    """The garments of one photo."""

    photo: Path
    detector: str
    garments: tuple[FoundGarment, ...]
    best_below: float  # the score of the best box that --min-score leaves out; 0 = there is none
    left_out: dict[str, int]  # boxes of classes that --labels has no category for
    output: Path | None = None
    picture: Path | None = None


def run(photo: Path, output: Path | None, options: DetectOptions) -> PhotoGarments:
    """Find the garments of a photo.

    Raises
    ------
    FashretError
        If the photo or a detector cannot be used, or the output cannot be written.
    """
    if options.evaluate:
        raise FashretError(f"{photo}: is a photo; --evaluate needs a manifest with boxes")
    if output:
        check_ending(output)
        check_output(output, photo)
    ensemble = ensemble_of(options)
    whole, seen = find_in_photo(ensemble, photo, options)
    garments = shown(seen, options, ensemble)
    picture = None
    if options.show:
        options.show.mkdir(parents=True, exist_ok=True)
        picture = options.show / picture_name(photo.name)
        draw_found(picture, whole, garments)
    if output:
        write_output(Job(_listing_of(photo), output, options, ensemble), lambda: [(0, seen)])
    worse = seen.scores[seen.scores < np.float32(options.min_score)]
    below = round(float(worse.max(initial=0)), SCORE_DECIMALS)
    return PhotoGarments(photo, ensemble.name, garments, below, dict(seen.left_out), output, picture)


def _listing_of(photo: Path) -> Listing:
    """One photo as a listing of one unlabelled row."""
    rows = Rows(
        source=text_array([photo.name]),
        box=np.full((1, 4), np.nan, np.float32),
        product=text_array([""]),
        role=np.array([Role.GALLERY], np.uint8),
        domain=np.array([Domain.STREET], np.uint8),
        category=np.array([-1], np.int16),
    )
    return Listing(photo.stem, photo.parent, rows, PhotoFolder(photo.parent), files=(photo,))
