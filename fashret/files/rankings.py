"""ranking.h5: the best gallery rows of every query, and the exact rank of every positive.

    gallery_row  Q×k int64, row in the gallery's embeddings.h5, best first; −1 where there are fewer
    distance     Q×k float32; NaN where there are fewer
    query_row    Q int64, row in the query's embeddings.h5
    positives/   offsets Q+1; row, rank (0 = first, over the whole gallery), rank_in_category (−1 = not computed),
                 distance: of every positive of every query, so that mAP is exact although only k results are kept
    attributes: those of every file, `metric`, `within`, `query` and `gallery` (JSON: relative path, size,
    time of the last change where that is known for sure, digest),
    `where` (JSON: conditions on gallery rows), `collapse` ("photo" or "product": of each only the nearest row is
    ranked), `gallery_size` (how many rows, photos or products are ranked),
    `centroids` (gallery rows are one vector per product), `queries_with_copies` (that may find themselves
    under another name; 0 if these were left out), `reranking` (JSON,
    empty if plain)

In: arrays. Out: the file, or the arrays again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fashret.errors import FashretError
from fashret.files import hdf5, stored
from fashret.files.atomic import check_output
from fashret.files.column_checks import Column, check_columns, check_lengths, fitted
from fashret.files.digests import Content, one_per_file
from fashret.files.embeddings import recorded, relative_path

KIND = "fashret.ranking"
VERSION = 1
QUERIES = {
    "gallery_row": Column("whole numbers", (None,)),
    "distance": Column("numbers", (None,)),
    "query_row": Column("whole numbers"),
}
POSITIVES = {f"positives/{name}": Column("whole numbers") for name in ("row", "rank")}
OFFSETS = {"positives/offsets": Column("whole numbers")}
OPTIONAL = {"positives/rank_in_category": Column("whole numbers"), "positives/distance": Column("numbers")}


class ChangedError(FashretError):
    """Embeddings are not those that a ranking was made from."""


@dataclass(frozen=True)
class RankingOrigin:
    """What a ranking was made from and how; the file's attributes.

    `query` and `gallery` are the embeddings' files. The rest is as in the module's docstring.
    """

    query: Content | Path
    gallery: Content | Path
    metric: str
    within: str = ""
    where: Sequence[str] = ()
    collapse: str = ""
    gallery_size: int = 0
    centroids: bool = False
    queries_with_copies: int = 0
    reranking: dict[str, Any] = field(default_factory=dict)
    options: Any = None
    inputs: Any = None


def write_ranking(path: Path, origin: RankingOrigin, arrays: dict[str, NDArray[Any]]) -> None:
    """Write a ranking.h5, whole or not at all.

    Parameters
    ----------
    arrays
        By the names in the module's docstring: "gallery_row", "distance", "query_row", "positives/offsets",
        "positives/row", "positives/rank", "positives/rank_in_category", "positives/distance".
    """
    check_output(path)
    with hdf5.write_whole(path, KIND, VERSION, recorded(origin.options, path), origin.inputs) as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array)
        file.attrs["metric"] = origin.metric
        file.attrs["within"] = origin.within
        if origin.where:
            hdf5.write_json(file, "where", list(origin.where))
        if origin.collapse:
            file.attrs["collapse"] = origin.collapse
        file.attrs["gallery_size"] = origin.gallery_size
        file.attrs["centroids"] = origin.centroids
        file.attrs["queries_with_copies"] = origin.queries_with_copies
        hdf5.write_json(file, "reranking", origin.reranking)
        sides = (side if isinstance(side, Content) else Content(side) for side in (origin.query, origin.gallery))
        for name, source in zip(("query", "gallery"), one_per_file(*sides), strict=True):
            hdf5.write_json(file, name, {"path": relative_path(source.path, path), **source.stamp()})


class Ranking:
    """An open ranking.h5; arrays are read when they are first asked for."""

    def __init__(self, path: Path | str, moved: Sequence[Content] = ()) -> None:
        self.path = Path(path)
        self.moved = moved
        self.file = hdf5.open_file(self.path, KIND, VERSION, (*QUERIES, *POSITIVES, *OFFSETS))
        with hdf5.closed_on_error(self.file):
            self._check()

    def _check(self) -> None:
        """Shapes, types and lengths; and offsets, which everything about positives goes by."""
        optional = {name: column for name, column in OPTIONAL.items() if name in self.file}
        check_columns(self.file, {**QUERIES, **POSITIVES, **OFFSETS, **optional})
        check_lengths(self.file, tuple(QUERIES))
        check_lengths(self.file, (*POSITIVES, *optional))
        if self.file["gallery_row"].shape != self.file["distance"].shape:
            raise FashretError(f"{self.path}: gallery_row and distance differ in shape; search again")
        offsets, positives = self.positives("offsets"), len(self.file["positives/row"])
        if len(offsets) != len(self) + 1 or offsets[0] != 0 or offsets[-1] != positives or (np.diff(offsets) < 0).any():
            raise FashretError(
                f"{self.path}: positives/offsets are not {len(self) + 1:,} places from 0 to {positives:,}; search again"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        """Q, the number of queries."""
        return len(self.file["query_row"])

    def close(self) -> None:
        """Close the file; arrays that were read stay usable."""
        self.file.close()

    @cached_property
    def gallery_row(self) -> NDArray[np.int64]:
        """Q×k, rows of the gallery's embeddings, best first; −1 where there are fewer."""
        return self._whole("gallery_row")

    @cached_property
    def distance(self) -> NDArray[np.float32]:
        """Q×k, distances of `gallery_row`; NaN where there are fewer."""
        values = stored.read(self.file, "distance").astype(np.float32, copy=False)
        self._check_finite("distance", values[self.gallery_row >= 0])
        return values

    @cached_property
    def query_row(self) -> NDArray[np.int64]:
        """Q, rows of the queries' embeddings."""
        return self._whole("query_row")

    def positives(self, name: str) -> NDArray[Any]:
        """One array of the group positives/: "offsets", "row", "rank", "rank_in_category" or "distance"."""
        if f"positives/{name}" not in self.file:
            raise FashretError(f"{self.path}: lacks positives/{name}")
        if name == "distance":
            distances = stored.read(self.file, "positives/distance").reshape(-1)
            self._check_finite("positives/distance", distances)
            return distances
        values = self._whole(f"positives/{name}")
        if values.size and values.min() < (-1 if name == "rank_in_category" else 0):
            raise FashretError(f"{self.path}: positives/{name} holds {values.min()}; search again")
        return values

    def _check_finite(self, name: str, values: NDArray[Any]) -> None:
        if not np.isfinite(values).all():
            raise FashretError(f"{self.path}: {name} holds NaN or infinite numbers; search again")

    def _whole(self, name: str) -> NDArray[np.int64]:
        values = stored.read(self.file, name)
        if self.file[name].ndim == 2 and name != "gallery_row":
            values = values.reshape(len(values))  # N×1
        if values.dtype == np.uint64:
            values = fitted(values, np.dtype(np.int64), np.iinfo(np.int64).max, f"{self.path}: {name}")
        return values.astype(np.int64, copy=False)

    def attribute(self, name: str) -> Any:
        """A plain attribute: "metric", "gallery_size", or "within" ("" where the file does not say)."""
        if name != "within" and hdf5.attribute(self.file, name) is None:
            raise FashretError(f"{self.path}: lacks the attribute {name}; search again, or write it as well")
        return hdf5.setting(self.file, name, 0) if name == "gallery_size" else hdf5.setting(self.file, name, "")

    def check_rows(self, queries: int | None = None, gallery: int | None = None) -> None:
        """Refuse rows that embeddings of so many rows do not have.

        Raises
        ------
        FashretError
            With the first of them.
        """
        for name, count, least in (("query_row", queries, 0), ("gallery_row", gallery, -1)):
            if count is None:
                continue
            rows = getattr(self, name)
            if rows.size and not (rows.min() >= least and rows.max() < count):
                wrong = rows[(rows < least) | (rows >= count)][0]
                raise FashretError(
                    f"{self.path}: {name} {wrong} is no row of its embeddings, which have {count:,}; search again"
                )

    @property
    def queries_with_copies(self) -> int:
        """How many queries show the same as a gallery row of another name, which was not left out."""
        return hdf5.setting(self.file, "queries_with_copies", 0)

    @property
    def centroids(self) -> bool:
        """Whether the gallery's rows are centroids: one vector per product, made with its labels."""
        return hdf5.setting(self.file, "centroids", False)

    @property
    def reranking(self) -> dict[str, Any]:
        """Options of the re-ranking; empty for a plain search."""
        return dict(hdf5.read_json(self.file, "reranking", {}))

    @property
    def search_identity(self) -> tuple[Any, ...]:
        """What identifies the search: the same for a ranking and its re-ranked version."""
        return (*self.digests, self.attribute("within"), self.where, self.collapse, len(self))

    @property
    def where(self) -> tuple[str, ...]:
        """Conditions that the gallery's rows fulfil; none where all were searched."""
        return tuple(hdf5.read_texts(self.file, "where") or ())

    @property
    def collapse(self) -> str:
        """What is ranked instead of rows, by the nearest row of each: "photo", "product", or "" for rows."""
        return str(hdf5.setting(self.file, "collapse", ""))

    @property
    def digests(self) -> tuple[str, str]:
        """Recorded digests of the query and the gallery embeddings."""
        query, gallery = (str(hdf5.read_json(self.file, side, {}).get("digest")) for side in ("query", "gallery"))
        return query, gallery

    def embeddings_path(self, side: str, check: bool = True) -> Path:
        """Path of the embeddings of `side` ("query" or "gallery"): among the moved ones, or where the ranking says.

        Raises
        ------
        FashretError
            If it is not there, or is not the file that the ranking was made from. Without `check` a file that is
            older than the ranking is accepted without reading it.
        """
        record = hdf5.read_json(self.file, side, {})
        recorded = record.get("digest")
        moved = next((file.path for file in self.moved if file.matches(recorded)), None)
        if moved is not None:
            return moved
        path = self.path.resolve().parent / str(record.get("path", ""))
        if not path.is_file():
            raise FashretError(
                f"{self.path}: its {side} embeddings {path} are not there; give them with --embeddings, "
                "or put them back"
            )
        newer = path.stat().st_mtime_ns > self.path.stat().st_mtime_ns
        if (check or newer) and not Content(path).is_stamped(record):
            raise ChangedError(f"{path}: changed since {self.path} was made from it; run `fashret search` again")
        return path


def open_ranking(path: Path | str, moved: Sequence[Content] = ()) -> Ranking:
    """Open a ranking.h5 for reading.

    Parameters
    ----------
    moved
        Embeddings that may not be where the ranking says: see `fashret.files.moved`.

    Raises
    ------
    FashretError
        If it is missing, damaged, or another kind of file.
    """
    return Ranking(path, moved)
