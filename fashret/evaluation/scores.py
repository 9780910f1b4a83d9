"""ranking.h5 → one score per query and measure, over the whole gallery and within the query's category.

In: an open ranking and, where available, the embeddings of its queries and its gallery. Out: `QueryScores`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashret.console import counted, log
from fashret.errors import FashretError
from fashret.evaluation.metrics import (
    NEVER,
    average_precision,
    first_product_ranks,
    first_ranks,
    hits_at,
    mean_over_groups,
    only_ranked,
)
from fashret.files.columns import Role
from fashret.files.embeddings import Embeddings, open_embeddings
from fashret.files.rankings import ChangedError, Ranking
from fashret.files.row_filter import chosen_rows


@dataclass(frozen=True)
class QueryScores:
    """Scores of Q queries.

    Attributes
    ----------
    measures
        M names: "mAP" (not for product hits) and "Acc@k".
    unconstrained, in_category
        Q×M; NaN for a query without a positive in the whole gallery, or in its category. None where the ranking does
        not tell: it was held to categories, or has no ranks in them.
    category, categories
        Q int64 positions in the names, −1 = none or not known.
    """

    measures: tuple[str, ...]
    unconstrained: NDArray[np.float64] | None
    in_category: NDArray[np.float64] | None
    category: NDArray[np.int64]
    categories: tuple[str, ...]

    @property
    def mean(self) -> dict[str, float]:
        """Unconstrained retrieval: each measure's mean over the queries that have a positive in the whole gallery.

        Empty where the ranking does not tell, NaN where no query has a positive.
        """
        return self._averaged(self.unconstrained, np.zeros(len(self.category), np.int64))

    @property
    def category_mean(self) -> dict[str, float]:
        """Average over categories: searches held to the query's category, the unweighted mean of the categories.

        Empty where the ranking does not tell.
        """
        return self._averaged(self.in_category, self.category)

    def _averaged(self, values: NDArray[np.float64] | None, group: NDArray[np.int64]) -> dict[str, float]:
        if values is None:
            return {}
        scored = ~np.isnan(values).any(axis=1) & (group >= 0)
        _, mean = mean_over_groups(values[scored], group[scored], int(group.max(initial=-1)) + 1)
        return dict(zip(self.measures, mean.tolist(), strict=True))

    @property
    def skipped(self) -> int:
        """Queries without a positive, which no score counts."""
        values = self.unconstrained if self.unconstrained is not None else self.in_category
        return int(np.isnan(values).any(axis=1).sum()) if values is not None else 0


class NothingToScoreError(FashretError):
    """No query has a positive in the gallery."""


class TooFewResultsError(FashretError):
    """The ranking keeps too few results for a score of product hits."""


def score_positives(
    offsets: NDArray[np.int64],
    ranks: NDArray[np.int64],
    ranks_in_category: NDArray[np.int64],
    ks: Sequence[int],
    category: NDArray[np.int64],
) -> QueryScores:
    """Score every query from the ranks of its positives (0 = first; −1: not ranked in its category).

    Parameters
    ----------
    ks
        k of Acc@k.
    category
        Q numbers of the queries' categories; all −1: they are not known.

    >>> nothing = np.array([-1, -1])
    >>> score_positives(np.array([0, 2, 2]), np.array([3, 0]), nothing, (1,), nothing).mean
    {'mAP': 0.75, 'Acc@1': 1.0}
    """
    _check_ks(ks)
    within = None
    if (category >= 0).any() and (not len(ranks) or (ranks_in_category >= 0).any()):
        within = _values(*only_ranked(offsets, ranks_in_category), ks)
    names = tuple(str(number) for number in range(int(category.max(initial=-1)) + 1))
    return QueryScores(_measures(ks), _values(offsets, ranks, ks), within, category, names)


def score_ranking(ranking: Ranking, ks: Sequence[int], hits: str = "image") -> QueryScores:
    """Score every query of a ranking.

    Parameters
    ----------
    ks
        k of Acc@k.
    hits
        "image": a hit is an image of the query's product among the first k images. "product": the ranked images are
        collapsed to products first; there is no mAP then.

    Raises
    ------
    TooFewResultsError
        If product hits cannot be told from the results that the ranking keeps.
    """
    _check_ks(ks)
    offsets = ranking.positives("offsets").astype(np.int64, copy=False)
    ranks = ranking.positives("rank").astype(np.int64, copy=False)
    category, categories, known = _categories(ranking)
    measures = _measures(ks)
    if hits == "product":
        first = _first_products(ranking, first_ranks(offsets, ranks), max(ks))
        return QueryScores(measures[1:], hits_at(first, ks), None, category, categories)
    whole = _values(offsets, ranks, ks)
    if ranking.attribute("within"):
        return QueryScores(measures, None, whole, category, categories)
    within = None
    if known and "positives/rank_in_category" in ranking.file:
        held = ranking.positives("rank_in_category").astype(np.int64, copy=False)
        if not len(held) or (held >= 0).any():
            within = _values(*only_ranked(offsets, held), ks)
    return QueryScores(measures, whole, within, category, categories)


def _check_ks(ks: Sequence[int]) -> None:
    if not ks or min(ks) < 1:
        raise FashretError(f"--k {' '.join(map(str, ks))}: give numbers from 1 on")


def _measures(ks: Sequence[int]) -> tuple[str, ...]:
    return ("mAP", *(f"Acc@{k}" for k in ks))


def _values(offsets: NDArray[np.int64], ranks: NDArray[np.int64], ks: Sequence[int]) -> NDArray[np.float64]:
    precision = average_precision(offsets, ranks)
    return np.column_stack([precision, hits_at(first_ranks(offsets, ranks), ks)])


def _categories(ranking: Ranking) -> tuple[NDArray[np.int64], tuple[str, ...], bool]:
    """Category of every query, the names, and whether they are known: not where the embeddings are missing."""
    try:
        path = ranking.embeddings_path("query", check=False)
    except ChangedError:
        raise
    except FashretError as error:
        if ranking.attribute("within"):  # nothing but the average over categories could be told
            raise
        log.warning("%s; without them the average over categories is not known", error)
        return np.full(len(ranking), -1, np.int64), (), False
    with open_embeddings(path) as queries:
        if not len(ranking):
            return np.empty(0, np.int64), queries.categories, True
        ranking.check_rows(queries=len(queries))
        return queries.category[ranking.query_row].astype(np.int64), queries.categories, True


def digests_of_sides(ranking: Ranking) -> dict[str, str]:
    """Digests of the rows of "queries" and "gallery", ids and labels; empty where embeddings are missing."""
    try:
        paths = {side: ranking.embeddings_path(side, check=False) for side in ("query", "gallery")}
    except FashretError:
        return {}
    with open_embeddings(paths["query"]) as queries, open_embeddings(paths["gallery"]) as gallery:
        return {
            "queries": _rows_digest(queries, ranking.query_row),
            "gallery": _rows_digest(gallery, chosen_rows(gallery, Role.GALLERY, ranking.where)),
        }


def _rows_digest(file: Embeddings, rows: NDArray[np.int64]) -> str:
    """The same for rows with the same ids, products and categories, in whatever order."""
    names = np.array([*file.categories, ""], object)  # −1 = none
    lines = map(json.dumps, zip(file.crop_id[rows], file.product[rows], names[file.category[rows]], strict=True))
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _first_products(ranking: Ranking, first: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Rank of each query's product; exact below `most`."""
    rows = ranking.gallery_row
    length = (rows >= 0).sum(axis=1)
    with open_embeddings(ranking.embeddings_path("gallery", check=False)) as gallery:
        names = gallery.product
        ranking.check_rows(gallery=len(names))
        number = {name: i for i, name in enumerate(dict.fromkeys(names))} | {"": -1}
        codes = np.fromiter((number[name] for name in names), np.int64, len(names))
    products = np.where(rows >= 0, codes[rows], -1)
    own = np.full(len(rows), -1, np.int64)
    found = first_product_ranks(products, own, first, length)
    unknown = (first != NEVER) & (first >= length) & (found < most)
    if unknown.any():
        raise TooFewResultsError(
            f"{ranking.path}: keeps {counted(rows.shape[1], 'result')} per query, too few to tell the first {most} "
            f"products of {counted(int(unknown.sum()), 'query', 'queries')}; search again with a larger -k"
        )
    return found
