"""Which queries a person should look at, and what was found for them.

In: rankings of the same queries (plain, re-ranked) and the rows behind them. Out: `GalleryRow`s: a query, and for
each ranking its best results, which of them are true matches, and the rank of the first hit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashret.errors import FashretError
from fashret.files.embeddings import Embeddings
from fashret.files.photos.names import photo_name
from fashret.files.rankings import Ranking

RESULTS = 10  # results shown for a query
MOST = 20  # further columns of a row that are shown
KINDS = {  # why a query is shown
    "best": "Best found",
    "worst": "Worst found",
    "gained": "Gained by re-ranking",
    "lost": "Lost by re-ranking",
    "random": "Drawn at random",
}


@dataclass(frozen=True)
class Picture:
    """One crop and what is written below it.

    `side` is "query" or "gallery" and `row` its row in that side's embeddings; `hit` is None where the query has no
    known positives; `rank` counts from 1, 0 = it is the query itself; `about` is what further columns say.
    """

    side: str
    row: int
    product: str
    source: str
    rank: int = 0
    distance: float = math.nan
    hit: bool | None = None
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it is called: its product, or its photo's name where it is unlabelled."""
        return self.product or photo_name(self.source)


@dataclass(frozen=True)
class Line:
    """The best results of one query in one ranking.

    `first_hit` is the rank of the best positive among all rows searched, from 1; 0 where the query has no positive.
    """

    name: str
    results: tuple[Picture, ...]
    first_hit: int
    average_precision: float = math.nan


@dataclass(frozen=True)
class GalleryRow:
    """One query with a line for every ranking; `kind` is a key of `KINDS` or empty.

    `within` says what the search was held to: "category", or empty for the whole gallery.
    """

    number: int
    kind: str
    category: str
    query: Picture
    lines: tuple[Line, ...]
    within: str = ""

    @property
    def found(self) -> bool | None:
        """Whether the last ranking has a hit among the results shown; None where there is no positive."""
        last = self.lines[-1]
        return 0 < last.first_hit <= RESULTS if last.first_hit else None


@dataclass(frozen=True)
class Found:
    """Rankings of the same queries by name, the rows behind them, and the AP of every query where it is known."""

    rankings: Mapping[str, Ranking]
    query: Embeddings
    gallery: Embeddings
    average_precision: Mapping[str, NDArray[np.float64]]

    def __post_init__(self) -> None:
        first, *others = self.rankings.values()
        for other in others:
            if not np.array_equal(first.query_row, other.query_row):
                raise FashretError(f"{first.path} and {other.path}: are not rankings of the same queries")
        for ranking in self.rankings.values():
            ranking.check_rows(len(self.query), len(self.gallery))

    @cached_property
    def positives(self) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
        """By ranking: offsets Q+1, gallery rows and ranks of all positives."""
        parts = ("offsets", "row", "rank")
        return {name: tuple(r.positives(part) for part in parts) for name, r in self.rankings.items()}  # type: ignore


def choose_queries(
    plain: NDArray[np.float64], reranked: NDArray[np.float64] | None, count: int, seed: int = 0
) -> dict[str, list[int]]:
    """Pick queries to show, none twice.

    Parameters
    ----------
    plain, reranked
        AP of each of Q queries, NaN where it has none.
    count
        How many in all; they are shared out evenly between the kinds.

    Returns
    -------
    dict
        Keys of `KINDS` → positions of queries. Without any AP all are "random". Equal APs are taken in a drawn order.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.permutation(len(plain))
    orders = {"random": drawn}
    scored = drawn[~np.isnan(plain[drawn])]
    if len(scored):
        by_ap = scored[np.argsort(-plain[scored], kind="stable")]
        orders = {"best": by_ap, "worst": by_ap[::-1]}
        if reranked is not None:
            moved = scored[np.argsort(-(reranked - plain)[scored], kind="stable")]
            change = (reranked - plain)[moved]
            orders |= {"gained": moved[change > 0], "lost": moved[::-1][change[::-1] < 0]}
        orders["random"] = drawn
    return _share_out(orders, min(count, len(plain)))


def _share_out(orders: Mapping[str, NDArray[np.int64]], count: int) -> dict[str, list[int]]:
    """Deal `count` queries to the kinds in turn, each from the start of its order, skipping what is taken."""
    chosen: dict[str, list[int]] = {kind: [] for kind in orders}
    waiting = {kind: iter(order.tolist()) for kind, order in orders.items()}
    taken: set[int] = set()
    while waiting and len(taken) < count:
        for kind in list(waiting):
            query = next((q for q in waiting[kind] if q not in taken), None)
            if query is None:
                del waiting[kind]
            elif len(taken) < count:
                taken.add(query)
                chosen[kind].append(query)
    return {kind: queries for kind, queries in chosen.items() if queries}


def gallery_rows(found: Found, chosen: Mapping[str, list[int]], results: int = RESULTS) -> list[GalleryRow]:
    """The chosen queries with their best results, kind by kind."""
    return [gallery_row(found, number, kind, results) for kind, queries in chosen.items() for number in queries]


def gallery_row(found: Found, number: int, kind: str = "", results: int = RESULTS) -> GalleryRow:
    """One query with its best results in every ranking.

    Raises
    ------
    FashretError
        If there is no query of that number.
    """
    first = next(iter(found.rankings.values()))
    if not 0 <= number < len(first):
        raise FashretError(f"{first.path}: has no query {number}; its queries are 0 to {len(first) - 1}")
    row, query = int(first.query_row[number]), found.query
    category = int(query.category[row])
    picture = Picture("query", row, query.product[row], query.source[row], about=_about(query, [row])[0])
    lines = tuple(_line(found, name, number, results) for name in found.rankings)
    name, within = query.categories[category] if category >= 0 else "", str(first.attribute("within") or "")
    return GalleryRow(number, kind, name, picture, lines, within)


def _line(found: Found, name: str, number: int, results: int) -> Line:
    ranking, gallery = found.rankings[name], found.gallery
    offsets, positive_rows, positive_ranks = found.positives[name]
    start, stop = offsets[number : number + 2]
    positives, ranks = set(positive_rows[start:stop].tolist()), positive_ranks[start:stop]
    there = np.flatnonzero(ranking.gallery_row[number, :results] >= 0).tolist()
    rows = ranking.gallery_row[number, there].tolist()
    shown = [
        Picture("gallery", row, gallery.product[row], gallery.source[row], place + 1,
                float(ranking.distance[number, place]), row in positives if positives else None, about)
        for place, row, about in zip(there, rows, _about(gallery, rows), strict=True)
    ]  # fmt: skip
    precision = found.average_precision.get(name)
    return Line(name, tuple(shown), int(ranks.min()) + 1 if len(ranks) else 0,
                math.nan if precision is None else float(precision[number]))  # fmt: skip


def _about(file: Embeddings, rows: list[int]) -> list[dict[str, Any]]:
    """What further columns say of some rows; without those that say nothing."""
    return [
        {name: value for name, value in list(values.items())[:MOST] if value is not None}
        for values in file.further_values(rows)
    ]
