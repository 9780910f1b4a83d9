"""`fashret search catalogue.emb.h5 --image photo.jpg`: the products of a catalogue that a photo shows.

In: an embeddings.h5, a photo, perhaps a box in it. Out: the nearest products, each by its nearest gallery row; with
--show a picture of them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashret.errors import FashretError
from fashret.files.columns import Role
from fashret.files.embeddings import Embeddings, open_embeddings
from fashret.files.photos import read_crop
from fashret.knn import Neighbours, SearchSpec, VectorSet, search
from fashret.models.embedder import embedder_of
from fashret.options import CropOptions, SearchOptions, parse_memory
from fashret.report.gallery import GalleryRow, Line, Picture
from fashret.report.pictures import pictures_of
from fashret.report.row_picture import ArrayPictures, check_name, save_row


@dataclass(frozen=True)
class Hit:
    """One product that was found."""

    rank: int  # 1 = nearest
    product: str  # empty: an unlabelled photo
    distance: float
    photo: str  # its nearest photo, relative to the catalogue's root
    row: int  # that photo's row in the embeddings file


@dataclass(frozen=True)
class PhotoSearch:
    """The nearest products of a photo."""

    photo: Path
    catalogue: Path
    gallery: int  # rows that were searched
    hits: tuple[Hit, ...]

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return asdict(self)


def parse_box(text: str) -> NDArray[np.float32]:
    """Read x1,y1,x2,y2 in pixels.

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
    return box


@dataclass(frozen=True)
class Drawing:
    """A picture to make of the result: its file, and where the catalogue's pictures are if not beside it."""

    output: Path
    crops: tuple[Path, ...] = ()


def run(
    catalogue: Path,
    photo: Path,
    box: str,
    model: tuple[Path, ...],
    products: int,
    options: SearchOptions,
    drawing: Drawing | None = None,
) -> PhotoSearch:
    """Embed one photo with the model that made the catalogue and find its nearest products.

    Parameters
    ----------
    catalogue
        embeddings.h5; its gallery rows are searched.
    box
        x1,y1,x2,y2 in pixels of the photo as stored; empty for the whole photo.
    model
        Where the catalogue's model is now, if not where it was.
    products
        How many to find.
    drawing
        Where to draw the photo and what was found; None = nowhere.

    Raises
    ------
    FashretError
        If the photo cannot be read, the catalogue has no gallery rows, or its model cannot be found.
    """
    if products < 1:
        raise FashretError(f"--top {products}: find at least 1 product")
    corners = parse_box(box) if box else None
    if drawing is not None:
        check_name(drawing.output)
    with open_embeddings(catalogue) as file:
        rows = file.with_role(Role.GALLERY)
        if not len(rows):
            raise FashretError(f"{catalogue}: none of its {len(file):,} rows has the role gallery")
        try:
            crop = read_crop(photo, corners, int(file.model.get("crop_size") or CropOptions.size))
        except FashretError as error:
            raise FashretError(f"{photo}: {error}") from error
        embedder = embedder_of(file.model, catalogue, model, options.device)
        vector = embedder.embed([crop])
        if vector.shape[1] != file.width:
            raise FashretError(f"{catalogue}: its vectors have width {file.width}, its model makes {vector.shape[1]}")
        found = PhotoSearch(photo, catalogue, len(rows), _nearest(file, rows, vector, products, options))
        if drawing is not None:
            _draw(drawing, file, crop, found)
        return found


def _draw(drawing: Drawing, file: Embeddings, crop: NDArray[np.uint8], found: PhotoSearch) -> None:
    """Draw the photo with the products that were found for it."""
    results = tuple(Picture("gallery", h.row, h.product, h.photo, h.rank, h.distance) for h in found.hits)
    line = Line("Nearest products", results, first_hit=0)
    query = Picture("query", 0, found.photo.name, found.photo.name)
    pictures = {"query": ArrayPictures({0: crop}), "gallery": pictures_of(file, drawing.crops)}
    save_row(drawing.output, GalleryRow(0, "", "", query, (line,)), pictures)


def _nearest(
    file: Embeddings, rows: NDArray[np.int64], vector: NDArray[np.float32], products: int, options: SearchOptions
) -> tuple[Hit, ...]:
    """The nearest products; the search is widened until they are enough."""
    none = np.full(len(rows), -1, np.int64)
    gallery = VectorSet(file.vectors, rows, none, none, str(file.path))
    query = VectorSet(vector, np.zeros(1, np.int64), none[:1], none[:1], "photo")
    memory = parse_memory(options.memory)
    k = products
    while True:
        k = min(4 * k, len(rows))
        found, _ = search(query, gallery, SearchSpec(k=k, metric=options.metric, memory=memory))  # type: ignore[arg-type]
        hits = _products(file, found, products)
        if len(hits) == products or k == len(rows):
            return hits


def _products(file: Embeddings, found: Neighbours, products: int) -> tuple[Hit, ...]:
    """The first row of each product; an unlabelled row counts as a product of its own."""
    hits: list[Hit] = []
    seen: set[str] = set()
    for row, distance in zip(found.rows[0], found.distances[0], strict=True):
        product = str(file.product[row])
        if row < 0 or product in seen:
            continue
        seen |= {product} - {""}
        hits.append(Hit(len(hits) + 1, product, float(distance), str(file.source[row]), int(row)))
        if len(hits) == products:
            break
    return tuple(hits)
