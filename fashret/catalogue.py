"""A catalogue that is opened once and searched many times: the nearest products of photos or vectors.

In: an embeddings.h5, whose gallery rows are the catalogue. Out: a :class:`Catalogue`; its answers are :class:`Hit`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fashret.errors import FashretError
from fashret.files.columns import Role
from fashret.files.embeddings import Embeddings, open_embeddings
from fashret.files.row_filter import chosen_rows
from fashret.knn import ExactNeighbours, NearestNeighbours, SearchSpec
from fashret.models.devices import choose_device
from fashret.models.embedder import Embedder
from fashret.models.opening import embedder_of
from fashret.models.photos import Box, Photo, crop_photo, embed_photos, listed
from fashret.options import PRODUCTS, CropOptions, EmbedOptions, PhotoOptions
from fashret.vector_sets import gallery_rows, search_spec, unlabelled_set

WIDER = 4  # times as many rows as products are looked at first, and as many again while products are too few


@dataclass(frozen=True)
class Hit:
    """One product that was found."""

    rank: int  # 1 = nearest
    product: str  # empty: an unlabelled photo
    distance: float
    photo: str  # its nearest photo, relative to the catalogue's root
    row: int  # that photo's row in the embeddings file
    columns: dict[str, Any] = field(default_factory=dict)  # further columns of that row: name → value, None for null


class Catalogue:
    """The gallery rows of an open embeddings file.

    Several threads may search one catalogue at the same time; only one may close it, when no other searches.

    Attributes
    ----------
    file
        The embeddings: columns and memory-mapped vectors.
    nearest
        What finds neighbours of vectors among the rows of the file.
    models
        Where the folders of the model are now, if not where they were.
    device
        Where the model runs: auto, cpu, cuda, cuda:N or mps.
    """

    def __init__(
        self, file: Embeddings, nearest: NearestNeighbours, models: Sequence[Path | str] = (), device: str = "auto"
    ) -> None:
        self.file = file
        self.nearest = nearest
        self.models = tuple(map(Path, models))
        self.device = device
        self._loaded: Embedder | None = None
        self._loading = Lock()
        self._closed = False

    @classmethod
    def open(
        cls,
        path: Path | str,
        spec: SearchSpec | None = None,
        models: Sequence[Path | str] = (),
        device: str = "auto",
    ) -> Self:
        """Open an embeddings.h5 and map its vectors; the model is loaded when the first photo comes.

        Parameters
        ----------
        spec
            Metric, memory and device of the search.
        models, device
            As the attributes.

        Raises
        ------
        FashretError
            If the file is missing, damaged, of another kind, or has no gallery rows, or the machine lacks a device.
        """
        spec = spec or SearchSpec()
        spec = replace(spec, device=str(choose_device(spec.device)))
        choose_device(device)  # now, and not when the first photo comes
        file = open_embeddings(path)
        try:
            nearest = ExactNeighbours(unlabelled_set(file, Role.GALLERY), spec)
            return cls(file, nearest, models, device)
        except BaseException:
            file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        """Number of rows that are searched."""
        return len(self.nearest)

    def close(self) -> None:
        """Close the file and let go of the model."""
        self._closed, self._loaded = True, None
        self.file.close()

    def warm(self) -> Self:
        """Load the model and the compiled search now, so that the first answer comes as fast as the others."""
        self._embedder()
        self.search(np.ones((1, self.file.width), np.float32), products=1)
        return self

    def crop(self, photo: Photo, box: Box = None, max_pixels: str = EmbedOptions.max_pixels) -> NDArray[np.uint8]:
        """The garment as the catalogue's own were cut: H×W×3 uint8.

        Parameters
        ----------
        box
            x1, y1, x2, y2 in pixels of the upright photo, as viewers show it; None: the whole photo.
        max_pixels
            A photo that decodes to more is refused.

        Raises
        ------
        FashretError
            If the photo cannot be read, or the box has no area inside it.
        """
        return crop_photo(photo, box, self.crop_size, max_pixels)

    def embed(self, photos: Photo | Sequence[Photo], boxes: Sequence[Box] | None = None) -> NDArray[np.float32]:
        """N photos → N×D float32, by the model that made the catalogue.

        Raises
        ------
        FashretError
            As :meth:`crop`, and if the model is not available.
        """
        vectors = embed_photos(self._embedder(), listed(photos), boxes, self.crop_size)
        if vectors.shape[1] != self.file.width:
            raise FashretError(
                f"{self.file.path}: its vectors have width {self.file.width}, its model makes {vectors.shape[1]}"
            )
        return vectors

    def search(
        self,
        queries: Photo | Sequence[Photo] | NDArray[np.floating],
        products: int = PRODUCTS,
        boxes: Sequence[Box] | None = None,
        rows: NDArray[np.int64] | None = None,
        where: Sequence[str] = (),
    ) -> list[tuple[Hit, ...]]:
        """The nearest products of each query, each product by its nearest row.

        Parameters
        ----------
        queries
            Photos (paths, or H×W×3 uint8 RGB), or Q×D floating-point vectors; one photo or vector counts as a list
            of one.
        products
            How many to find; fewer come back where the catalogue has no more. An unlabelled row is a product of its
            own.
        boxes
            The garment in each photo; None: whole photos.
        rows
            Only these rows of the file are searched; None: all gallery rows.
        where
            Conditions that the rows fulfil, such as "price < 50" (`fashret.files.conditions`). They are applied before
            the search: as many products are found as there are, and at the same distances.

        Raises
        ------
        FashretError
            If a photo cannot be read, the vectors are not of the catalogue's width, a condition cannot be used, or the
            catalogue is closed.
        """
        if products < 1:
            raise FashretError(f"products {products}: find at least 1")
        self._check_open()
        rows = self.rows_where(where, rows) if where else rows
        if isinstance(queries, np.ndarray) and queries.dtype.kind == "f":
            return self._products(np.atleast_2d(queries), products, rows)
        return self._products(self.embed(queries, boxes), products, rows)  # type: ignore[arg-type]

    def rows_where(self, where: Sequence[str], rows: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Gallery rows, of `rows` if given, of which all conditions hold: to be searched more than once."""
        found = chosen_rows(self.file, Role.GALLERY, where)
        return found if rows is None else np.intersect1d(found, rows)

    def _products(
        self, vectors: NDArray[np.floating], products: int, rows: NDArray[np.int64] | None
    ) -> list[tuple[Hit, ...]]:
        """The nearest products; the search is widened for the queries that have too few."""
        hits: list[tuple[Hit, ...]] = [()] * len(vectors)
        most = len(self) if rows is None else len(rows)
        waiting, k = list(range(len(vectors))) if most else [], products
        while waiting:
            k = min(WIDER * k, most)
            found = self.nearest.nearest(vectors[waiting], k, rows)
            for query, near, distances in zip(waiting, found.rows, found.distances, strict=True):
                hits[query] = self._first_of_each(near, distances, products)
            waiting = [query for query in waiting if len(hits[query]) < products and k < most]
        return self._with_columns(hits)

    def _with_columns(self, hits: list[tuple[Hit, ...]]) -> list[tuple[Hit, ...]]:
        """The same with what the further columns say of them, each of which is read once."""
        if not self.file.further_kinds:
            return hits
        columns = iter(self.file.further_values([hit.row for of_query in hits for hit in of_query]))
        return [tuple(replace(hit, columns=next(columns)) for hit in of_query) for of_query in hits]

    def _first_of_each(self, rows: NDArray[np.int64], distances: NDArray[np.float64], products: int) -> tuple[Hit, ...]:
        """The first row of each product; an unlabelled row stands for itself."""
        hits: list[Hit] = []
        seen: set[str] = set()
        for row, distance in zip(rows.tolist(), distances.tolist(), strict=True):
            product = str(self.file.product[row])
            if row < 0 or product in seen:
                continue
            seen |= {product} - {""}
            hits.append(Hit(len(hits) + 1, product, distance, str(self.file.source[row]), row))
            if len(hits) == products:
                break
        return tuple(hits)

    @property
    def crop_size(self) -> int:
        """Longer side, in pixels, of the crops that vectors are made of."""
        self._check_open()
        return int(self.file.model.get("crop_size", CropOptions.size))

    def _embedder(self) -> Embedder:
        with self._loading:
            self._check_open()
            if self._loaded is None:
                file = self.file
                self._loaded = embedder_of(file.model, file.path, self.models, self.device, file.whitening)
            return self._loaded

    def _check_open(self) -> None:
        if self._closed:
            raise FashretError(f"{self.file.path}: this catalogue was closed; open it again")


@contextmanager
def open_for_photos(path: Path, options: PhotoOptions, products: int) -> Iterator[tuple[Catalogue, NDArray[np.int64]]]:
    """The catalogue that options ask to search photos in, and its gallery rows of which their conditions hold.

    Parameters
    ----------
    products
        How many are to be found; the `k` of the options is not used.

    Raises
    ------
    FashretError
        As `Catalogue.open`, and if no row is left or less than one product is to be found.
    """
    spec = search_spec(replace(options, k=products), "cpu")  # --device is where the models run
    with Catalogue.open(path, spec, options.model, options.device) as opened:
        yield opened, gallery_rows(opened.file, options.where)
