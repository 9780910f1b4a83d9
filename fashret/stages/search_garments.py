"""`fashret search catalogue.emb.h5 --image photo.jpg --detector D`: the products of every garment that a photo shows.

In: an embeddings.h5, a photo, detectors. Out: the photo's garments, numbered, and the nearest products of each; with
--show the photo with its boxes above the products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fashret.catalogue import Catalogue, Hit, open_for_photos
from fashret.detecting.photos import FoundGarment, find_in_photo, shown
from fashret.detection.ensemble import ensemble_for
from fashret.errors import FashretError
from fashret.files.atomic import whole_file
from fashret.files.photos.whole import WholePhoto
from fashret.options import PRODUCTS, DetectOptions, PhotoOptions, taken_over
from fashret.report.boxes_picture import drawn_found
from fashret.report.gallery import GalleryRow, Line, Picture
from fashret.report.pictures import pictures_of
from fashret.report.row_picture import ArrayPictures, check_name, draw_row

DRAWN = 560  # longer side of the photo above the rows


@dataclass(frozen=True)
class GarmentHits:
    """One garment of the photo, and its nearest products."""

    garment: FoundGarment
    hits: tuple[Hit, ...]


@dataclass(frozen=True)
class GarmentSearch:
    """The garments of a photo and the nearest products of each."""

    photo: Path
    catalogue: Path
    detector: str
    gallery: int  # rows that were searched
    found: int  # garments in the photo
    garments: tuple[GarmentHits, ...]  # those that were searched for


def run(catalogue: Path, photo: Path, options: PhotoOptions, products: int = PRODUCTS) -> GarmentSearch:
    """Find the garments of a photo, embed each with the model that made the catalogue, find its nearest products.

    Raises
    ------
    FashretError
        As `fashret.stages.search_photo.run`, and if a detector cannot be used, or there is no garment as `--garment`
        asks for.
    """
    if options.show:
        check_name(options.show)
    detect = taken_over(DetectOptions, options, show=None)
    with open_for_photos(catalogue, options, products) as (opened, rows):
        ensemble = ensemble_for(detect, opened.file.categories)
        whole, seen = find_in_photo(ensemble, photo, detect)
        every = shown(seen, detect, ensemble)
        chosen = chosen_garments(every, options.garment)
        crops = [opened.crop(photo, garment.box, options.max_pixels) for garment in chosen]
        hits = opened.search(crops, products, rows=rows) if crops else []
        garments = tuple(GarmentHits(garment, of_one) for garment, of_one in zip(chosen, hits, strict=True))
        result = GarmentSearch(photo, catalogue, ensemble.name, len(rows), len(every), garments)
        if options.show:
            _draw(options, opened, result, whole, crops)
    return result


def chosen_garments(every: Sequence[FoundGarment], which: str) -> list[FoundGarment]:
    """The garments that `--garment` asks for: by its number, or all of a category; "" = all of them.

    Raises
    ------
    FashretError
        If there is none: with those that were found.
    """
    if not which:
        return list(every)
    name = which.strip().lower()
    chosen = [each for each in every if name in (str(each.number), each.category.lower(), each.label.lower())]
    if not chosen:
        there = ", ".join(f"{each.number} {each.category or each.label}" for each in every)
        raise FashretError(f"--garment {which}: no such garment; the photo shows {there or 'none'}")
    return chosen


def _draw(
    options: PhotoOptions, opened: Catalogue, result: GarmentSearch, whole: WholePhoto, crops: list[NDArray[np.uint8]]
) -> None:
    """The photo with its boxes, and a row for each garment below it."""
    assert options.show is not None
    photo = drawn_found(whole, [each.garment for each in result.garments])
    photo.thumbnail((DRAWN, DRAWN), Image.Resampling.LANCZOS)
    parts = [photo]
    with pictures_of(opened.file, options.crops) as gallery:
        pictures = {"query": ArrayPictures(dict(enumerate(crops))), "gallery": gallery}
        for i, each in enumerate(result.garments):
            called = f"{each.garment.number} {each.garment.category or each.garment.label}"
            results = tuple(Picture("gallery", h.row, h.product, h.photo, h.rank, h.distance) for h in each.hits)
            row = GalleryRow(i, "", "", Picture("query", i, called, called), (Line("Nearest products", results, 0),))
            parts.append(draw_row(row, pictures))
    page = Image.new("RGB", (max(part.width for part in parts), sum(part.height for part in parts)), "white")
    top = 0
    for part in parts:
        page.paste(part, (0, top))
        top += part.height
    with whole_file(options.show) as path:
        page.save(path, {".png": "PNG", ".webp": "WEBP"}.get(options.show.suffix.lower(), "JPEG"), quality=92)
