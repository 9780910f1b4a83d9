"""What a search asks for and what it gives.

In: nothing. Out: :class:`SearchSpec`, and the results of a search as named arrays; results of disjoint sets of queries
merge into one. :class:`NearestNeighbours` is what other stores of vectors implement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fashret.errors import FashretError
from fashret.knn.distance import Metric
from fashret.knn.vectors import VectorSet
from fashret.options import SearchOptions, parse_memory

ARITHMETIC = ("auto", "int8", "float32", "torch")  # what discards most pairs; torch: the GPU's way on any device


@dataclass
class WorkStats:
    """Pairs decided, either way round, by arithmetic ("int8", "float32", "definition")."""

    pairs: Counter[str] = field(default_factory=Counter)

    def add(self, arithmetic: str, pairs: int) -> None:
        """Count pairs."""
        self.pairs[arithmetic] += pairs


@dataclass(frozen=True)
class SearchSpec:
    """What is asked of a search or a re-ranking.

    ``k``: neighbours kept for each query. ``metric``: "cosine" or "euclidean" (squared). ``within``: "category"
    searches only gallery rows of the query's category (none for a query in no category). ``same_matrix``: queries and
    gallery are rows of one matrix; a row then never finds itself. ``exclude_same_product``: leaves out gallery rows
    of the query's product (recommendations); contradicts ``positives``. ``positives``: whether to rank the gallery
    rows of the query's product. ``memory``: budget in bytes. ``device``: where to compute. ``arithmetic``: "float32",
    "int8" or "auto", what discards most pairs. ``stats``: counts the pairs computed. The last four change no result.

    Raises
    ------
    FashretError
        If one of them cannot be. Metric and device are checked where they are used.
    """

    k: int = SearchOptions.k
    metric: Metric = "cosine"
    within: Literal["category"] | None = None
    same_matrix: bool = False
    exclude_same_product: bool = False
    positives: bool = False
    memory: int = parse_memory(SearchOptions.memory)
    device: str = "cpu"
    arithmetic: str = "auto"
    stats: WorkStats = field(default_factory=WorkStats, compare=False)

    def __post_init__(self) -> None:
        for name, about in (("k", ", 0 or more,"), ("memory", " of bytes")):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or (name == "k" and value < 0):
                raise FashretError(f"{name} should be a whole number{about} and is {value!r}")
        if self.within not in (None, "category"):
            raise FashretError(f'within should be "category", or None for the whole gallery, and is {self.within!r}')
        if self.arithmetic not in ARITHMETIC:
            raise FashretError(f"arithmetic should be {' or '.join(ARITHMETIC)} and is {self.arithmetic!r}")


@dataclass(frozen=True)
class Neighbours:
    """The nearest gallery rows of each query, nearest first.

    ``rows``: Q×k int64, rows of the gallery's stored matrix (−1 where there are fewer than k).
    ``distances``: Q×k float64 (NaN where there are fewer).
    """

    rows: NDArray[np.int64]
    distances: NDArray[np.float64]


class NearestNeighbours(Protocol):
    """Whatever can tell the nearest of its rows: the exact search here, a database, a cluster."""

    def __len__(self) -> int:
        """G, the number of rows that are searched."""

    def nearest(self, vectors: NDArray, k: int, rows: NDArray[np.int64] | None = None) -> Neighbours:
        """The k nearest rows of each of Q×D ``vectors``.

        Parameters
        ----------
        rows
            Only these are searched; None: all. Numbers of no row, or of none that is searched, count for nothing.
        """


@dataclass(frozen=True)
class Positives:
    """The exact rank of every positive of every query; query i's are ``offsets[i]:offsets[i + 1]``, nearest first.

    ``offsets``: Q+1 int64. ``rows``: P int64, rows of the gallery's stored matrix. ``ranks``: P int64, 0 = first,
    over the whole gallery; ``ranks_in_category``: P int64, over the gallery rows of the query's category (−1: the
    positive is not in it, or the query is in no category). ``distances``: P float64.
    """

    offsets: NDArray[np.int64]
    rows: NDArray[np.int64]
    ranks: NDArray[np.int64]
    ranks_in_category: NDArray[np.int64]
    distances: NDArray[np.float64]

    @classmethod
    def none(cls, queries: int) -> Positives:
        """No positives of any query."""
        nothing = np.zeros(0, np.int64)
        return cls(np.zeros(queries + 1, np.int64), nothing, nothing, nothing, np.zeros(0))

    @property
    def query(self) -> NDArray[np.int64]:
        """P int64, the query of each positive."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def of_query(self, query: int) -> Positives:
        """The positives of one query, as if it were the only one."""
        first, last = self.offsets[query], self.offsets[query + 1]
        columns: list[Any] = [self.rows, self.ranks, self.ranks_in_category, self.distances]
        return Positives(np.array([0, last - first]), *(column[first:last] for column in columns))


class SearchResult(NamedTuple):
    """What was found; no positives where none were asked for."""

    neighbours: Neighbours
    positives: Positives | None

    def counts(self) -> dict[str, int]:
        """How many queries, results kept for each, positives and queries without one: as summaries name them."""
        queries, results = self.neighbours.rows.shape
        each = np.diff((self.positives or Positives.none(queries)).offsets)
        positives, lonely = int(each.sum()), int(np.count_nonzero(each == 0))
        return dict(queries=queries, results=results, positives=positives, queries_without_positive=lonely)


def categories_of(queries: VectorSet, gallery: VectorSet) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """The categories that have queries; the indices of its queries and of its gallery rows in their sets, ascending."""
    for category in np.unique(queries.category[queries.category >= 0]):
        yield category, np.flatnonzero(queries.category == category), np.flatnonzero(gallery.category == category)


def by_category(
    queries: VectorSet, gallery: VectorSet, spec: SearchSpec, run: Callable[[VectorSet, VectorSet, int], SearchResult]
) -> SearchResult:
    """What ``run`` finds for the queries and the gallery of each category, and its number, merged."""
    parts = [
        (asked, run(queries.take(asked), gallery.take(searched), category))
        for category, asked, searched in categories_of(queries, gallery)
    ]
    return merge_results(len(queries), spec, parts)


def merge_results(
    count: int, spec: SearchSpec, parts: Sequence[tuple[NDArray[np.int64], SearchResult]]
) -> SearchResult:
    """The results of all ``count`` queries from ``parts``, the indices of some and what was found for them.

    The sets of queries are disjoint; a query in none found nothing.
    """
    rows, distances = np.full((count, spec.k), -1), np.full((count, spec.k), np.nan)
    for asked, (found, _) in parts:
        rows[asked], distances[asked] = found.rows, found.distances
    if not spec.positives:
        return SearchResult(Neighbours(rows, distances), None)
    each = [(asked, positives) for asked, (_, positives) in parts if positives is not None]
    none = Positives.none(0)
    query = np.concatenate([none.rows, *(asked[positives.query] for asked, positives in each)])
    order = np.argsort(query, kind="stable")
    columns = [
        np.concatenate([getattr(none, name), *(getattr(positives, name) for _, positives in each)])[order]
        for name in ("rows", "ranks", "ranks_in_category", "distances")
    ]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(query, minlength=count))]).astype(np.int64)
    return SearchResult(Neighbours(rows, distances), Positives(offsets, *columns))
