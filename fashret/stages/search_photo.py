"""`fashret search catalogue.emb.h5 --image photo.jpg`: the products of a catalogue that a photo shows.

In: an embeddings.h5, a photo, perhaps a box in it. Out: the nearest products, each by its nearest gallery row; with
--show a picture of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashret.catalogue import Hit, open_for_photos
from fashret.errors import FashretError
from fashret.files.photos.box_frames import refuse_fractions
from fashret.options import PRODUCTS, PhotoOptions
from fashret.report.gallery import GalleryRow, Line, Picture
from fashret.report.pictures import Pictures, pictures_of
from fashret.report.row_picture import ArrayPictures, check_name, save_row


@dataclass(frozen=True)
class PhotoSearch:
    """The nearest products of a photo."""

    photo: Path
    catalogue: Path
    gallery: int  # rows that were searched
    hits: tuple[Hit, ...]


def parse_box(text: str) -> NDArray[np.float32]:
    """Read x1,y1,x2,y2 in pixels of the upright photo.

    >>> parse_box("10,20,110,220")
    array([ 10.,  20., 110., 220.], dtype=float32)

    Raises
    ------
    FashretError
        If it is not four numbers, or encloses nothing.
    """
    try:
        box = np.array([float(number) for number in text.split(",")], np.float32)
        if box.shape != (4,) or not np.isfinite(box).all() or box[0] >= box[2] or box[1] >= box[3]:
            raise ValueError
    except ValueError:
        raise FashretError(f"--box {text}: write x1,y1,x2,y2 in pixels, with x1 < x2 and y1 < y2") from None
    refuse_fractions(box[None], f"--box {text}")
    return box


def run(catalogue: Path, photo: Path, options: PhotoOptions, products: int = PRODUCTS) -> PhotoSearch:
    """Embed one photo with the model that made the catalogue and find its nearest products.

    Parameters
    ----------
    catalogue
        embeddings.h5; its gallery rows are searched.
    options
        Its `k` is not used.
    products
        How many to find.

    Raises
    ------
    FashretError
        If the photo cannot be read, the catalogue has no gallery rows of which the conditions hold, or its model
        cannot be found.
    """
    corners = parse_box(options.box) if options.box else None
    if options.show:
        check_name(options.show)
    with open_for_photos(catalogue, options, products) as (opened, rows):
        crop = opened.crop(photo, corners, options.max_pixels)
        found = PhotoSearch(photo, catalogue, len(rows), opened.search(crop, products, rows=rows)[0])
        if options.show:
            with pictures_of(opened.file, options.crops) as pictures:
                _draw(options.show, crop, found, pictures)
    return found


def _draw(output: Path, crop: NDArray[np.uint8], found: PhotoSearch, gallery: Pictures) -> None:
    """Draw the photo with the products that were found for it."""
    results = tuple(Picture("gallery", h.row, h.product, h.photo, h.rank, h.distance) for h in found.hits)
    line = Line("Nearest products", results, first_hit=0)
    query = Picture("query", 0, found.photo.name, found.photo.name)
    pictures = {"query": ArrayPictures({0: crop}), "gallery": gallery}
    save_row(output, GalleryRow(0, "", "", query, (line,)), pictures)
