"""All that is needed to answer for one catalogue: its rows, vectors, model, detectors and pictures, open and warm.

In: an embeddings.h5 and options. Out: a `Shop`, which changes no more, and answers from several threads.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashret.catalogue import Catalogue, Hit
from fashret.console import log
from fashret.detecting.photos import FoundGarment, Seen, shown
from fashret.detection.ensemble import Ensemble, ensemble_for
from fashret.errors import FashretError
from fashret.files.columns import Role
from fashret.files.photos.whole import WholePhoto
from fashret.knn import ExactNeighbours
from fashret.options import DetectOptions, SearchOptions, ServeOptions, taken_over
from fashret.report.pictures import Pictures, pictures_of, thumbnail
from fashret.serving.asking import Search
from fashret.serving.batching import padded
from fashret.serving.facets import Facet, facets
from fashret.serving.held import HeldEmbeddings
from fashret.vector_sets import search_spec, unlabelled_set

WIDTHS = (160, 320, 640)  # longer sides, in pixels, that pictures are given in
KEPT_BYTES = 64 << 20  # of pictures that were made
KEPT_FILTERS = 64  # sets of conditions whose rows are remembered
MOST_PHOTOS = 64  # of a product that others are compared with


class Shop:
    """One catalogue, open. Nothing of it changes.

    Attributes
    ----------
    catalogue
        The vectors and their model.
    digest
        Of the file.
    rows
        Those that are searched, ascending.
    products
        Each product's rows.
    facets
        What can be filtered by.
    """

    def __init__(self, path: Path, options: ServeOptions) -> None:
        """Open and warm it.

        Raises
        ------
        FashretError
            If the catalogue, its model or a detector cannot be used.
        """
        self.path, self.options = path, options
        self._stack = ExitStack()
        self._lock = Lock()
        self._filters: OrderedDict[tuple[str, ...], NDArray[np.int64]] = OrderedDict()
        self._pictures: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._picture_bytes = 0
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        options = self.options
        spec = search_spec(taken_over(SearchOptions, options, k=1), "cpu")  # --device is where the models run
        file = HeldEmbeddings(self.path)
        self._stack.callback(file.close)
        nearest = ExactNeighbours(unlabelled_set(file, Role.GALLERY), spec)
        self.catalogue = Catalogue(file, nearest, options.model, options.device)
        self._stack.callback(self.catalogue.close)
        self.file, self.digest = file, file.content.digest()
        self.rows = file.with_role(Role.GALLERY)
        self.products: dict[str, list[int]] = {}
        for row in self.rows.tolist():
            self.products.setdefault(file.product[row], []).append(row)
        self.unlabelled = len(self.products.pop("", ()))
        self.facets: list[Facet] = facets(file, self.rows)
        self.detect = taken_over(DetectOptions, options, show=None)
        self.ensemble: Ensemble | None = ensemble_for(self.detect, file.categories) if options.detector else None
        self.catalogue.warm()
        self._sources: dict[int, Pictures] = {}
        for width in WIDTHS:
            self._find_pictures(width)

    def _find_pictures(self, width: int) -> None:
        try:
            self._sources[width] = self._stack.enter_context(pictures_of(self.file, self.options.crops, width))
        except FashretError as error:
            if self.options.crops:
                raise
            if width == WIDTHS[0]:
                log.warning("products are shown without pictures: %s", error)

    def close(self) -> None:
        """Close its files."""
        self._stack.close()

    @property
    def name(self) -> str:
        """What the catalogue is called: its file's name."""
        return self.path.name

    def plain(self, error: FashretError) -> str:
        """The message of an error without where the catalogue is."""
        return str(error).replace(str(self.path), self.name)

    # --- what takes photos ---

    def embed(self, crops: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """A vector per crop; their number is rounded up, so that the network knows the size of the batch."""
        return list(self.catalogue.embed(padded(crops))[: len(crops)])

    def garments(self, photos: Sequence[WholePhoto]) -> list[tuple[FoundGarment, ...]]:
        """The garments of each photo, numbered, best first."""
        if self.ensemble is None:
            return [() for _ in photos]
        found = self.ensemble.find([photo.pixels for photo in photos])
        seen = [Seen.of(photo, garments) for photo, garments in zip(photos, found, strict=True)]
        return [shown(each, self.detect, self.ensemble) for each in seen]

    # --- what is found ---

    def rows_where(self, where: tuple[str, ...]) -> NDArray[np.int64] | None:
        """Rows of which all conditions hold; None: all.

        Raises
        ------
        FashretError
            If a condition cannot be used.
        """
        if not where:
            return None
        with self._lock:
            if where in self._filters:
                self._filters.move_to_end(where)
                return self._filters[where]
        rows = self.catalogue.rows_where(where)
        with self._lock:
            self._filters[where] = rows
            while len(self._filters) > KEPT_FILTERS:
                self._filters.popitem(last=False)
        return rows

    def search(self, how: Search, vectors: Sequence[NDArray[np.floating]]) -> list[tuple[Hit, ...]]:
        """The nearest products, or photos, of each vector."""
        rows = self.rows_where(how.where)
        if not how.photos:
            return self.catalogue.search(np.stack(vectors), how.top, rows=rows)
        k = min(how.top, len(self.rows) if rows is None else len(rows))
        if not k:
            return [() for _ in vectors]
        found = self.catalogue.nearest.nearest(np.stack(vectors), k, rows)
        return [
            tuple(self.hit(i, row, distance) for i, (row, distance) in enumerate(zip(near, far, strict=True), 1))
            for near, far in zip(found.rows.tolist(), found.distances.tolist(), strict=True)
        ]

    def similar(self, rows: Sequence[int], how: Search) -> tuple[Hit, ...]:
        """The products nearest to some rows of the catalogue, but for the products of these rows."""
        every = self.rows_where(how.where)
        own = {self.file.product[row] for row in rows} - {""}
        left_out = [*rows, *(row for product in own for row in self.products.get(product, ()))]
        others = np.setdiff1d(self.rows if every is None else every, left_out)
        vectors = np.asarray(self.file.vectors[list(rows[:MOST_PHOTOS])], np.float32)
        nearest = [hit for hits in self.catalogue.search(vectors, how.top, rows=others) for hit in hits]
        nearest.sort(key=lambda hit: (hit.distance, hit.row))
        first: dict[Any, Hit] = {}
        for hit in nearest:
            first.setdefault(hit.product or hit.row, hit)
        best = list(first.values())[: how.top]
        return tuple(replace(hit, rank=rank) for rank, hit in enumerate(best, 1))

    def listed(self, where: tuple[str, ...], skip: int, top: int) -> tuple[int, tuple[Hit, ...]]:
        """Products in the order of the file, each by its first row of which the conditions hold; how many there are."""
        rows = self.rows_where(where)
        first: dict[Any, int] = {}
        for row in (self.rows if rows is None else rows).tolist():
            first.setdefault(self.file.product[row] or row, row)
        part = list(first.values())[skip : skip + top]
        return len(first), tuple(self.hit(rank, row) for rank, row in enumerate(part, skip + 1))

    def hit(self, rank: int, row: int, distance: float = 0.0) -> Hit:
        """One row as a result."""
        columns = self.file.further_values([row])[0]
        return Hit(rank, self.file.product[row], distance, self.file.source[row], row, columns)

    # --- pictures ---

    def has_row(self, row: int) -> bool:
        """Whether a row is one that is searched."""
        place = int(np.searchsorted(self.rows, row))
        return place < len(self.rows) and int(self.rows[place]) == row

    @property
    def has_pictures(self) -> bool:
        """Whether rows can be shown."""
        return bool(self._sources)

    def picture(self, row: int, width: int) -> bytes:
        """A row's picture as a JPEG, its longer side at most the next of `WIDTHS`.

        Raises
        ------
        FashretError
            If it cannot be read.
        """
        size = next((each for each in WIDTHS if each >= width), WIDTHS[-1])
        with self._lock:
            if (row, size) in self._pictures:
                self._pictures.move_to_end((row, size))
                return self._pictures[row, size]
        if size not in self._sources:
            raise FashretError("the catalogue's pictures are not there")
        made = thumbnail(self._sources[size].image(row), size)
        with self._lock:
            self._picture_bytes += len(made) - len(self._pictures.pop((row, size), b""))
            self._pictures[row, size] = made
            while self._picture_bytes > KEPT_BYTES:
                self._picture_bytes -= len(self._pictures.popitem(last=False)[1])
        return made
