"""The scores of evaluated rankings, and their means.

In: one value per query and measure, plain and perhaps re-ranked. Out: `Run`, which computes each mean once, with 95 %
intervals over queries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fashret.evaluation.intervals import Intervals, bootstrap
from fashret.evaluation.metrics import mean_over_groups
from fashret.report.tables import Score

AVERAGE = "Average over categories"
UNCONSTRAINED = "Unconstrained retrieval"
NO_CATEGORY = "(no category)"


@dataclass(frozen=True)
class Searches:
    """What one kind of ranking scored: one row per query, one column per measure; NaN where a query has no score.

    `unconstrained` is of searches over the whole gallery, `in_category` of searches held to the query's category;
    None where the ranking does not tell.
    """

    unconstrained: NDArray[np.float64] | None
    in_category: NDArray[np.float64] | None


@dataclass(frozen=True)
class Means:
    """Means of one kind of search: `groups` G×M and `mean` M with their ends; `scored` G queries that count."""

    groups: NDArray[np.float64]
    mean: NDArray[np.float64]
    ends: Intervals
    scored: NDArray[np.int64]

    def mean_cells(self, change: bool = False) -> list[Score]:
        """The overall means as cells, with intervals."""
        pairs = zip(self.mean, self.ends.mean, strict=True)
        return [Score(float(m), float(low), float(high), change) for m, (low, high) in pairs]


@dataclass(frozen=True)
class Run:
    """One evaluated ranking, plain and perhaps re-ranked.

    Attributes
    ----------
    name
        What to call it: its file, or its model.
    measures
        M names, "mAP" and "Acc@k".
    category, categories
        Q numbers, −1 = none, and their names.
    gallery
        Number of gallery rows, or of what these are ranked as.
    ranked
        What is ranked: "gallery row", "gallery photo" or "gallery product".
    notes
        Sentences about it that its scores must carry below them.
    sides
        Digests of the rows of "queries" and "gallery", ids and labels; empty where they are not known.
    """

    name: str
    measures: tuple[str, ...]
    category: NDArray[np.integer]
    categories: tuple[str, ...]
    gallery: int
    plain: Searches
    reranked: Searches | None = None
    notes: tuple[str, ...] = ()
    sides: Mapping[str, str] = field(default_factory=dict)
    ranked: str = "gallery row"

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the categories that queries have, `NO_CATEGORY` last if there are such queries."""
        used = np.unique(self.category)
        return tuple(self.categories[c] for c in used if c >= 0) + ((NO_CATEGORY,) if -1 in used else ())

    @cached_property
    def group(self) -> NDArray[np.int64]:
        """Q positions in `names`."""
        used = np.unique(self.category)
        used = np.concatenate([used[used >= 0], used[used < 0]])
        place = {c: i for i, c in enumerate(used.tolist())}
        return np.array([place[c] for c in self.category.tolist()], np.int64)

    @property
    def rankings(self) -> dict[str, Searches]:
        """By name: "plain", and "re-ranked" if there is one."""
        return {"plain": self.plain} | ({"re-ranked": self.reranked} if self.reranked else {})

    @property
    def kinds(self) -> dict[str, Searches]:
        """`rankings`, and with re-ranking their "difference", query by query: the intervals of its means are paired."""
        if self.reranked is None:
            return self.rankings
        pairs = [(getattr(self.reranked, n), getattr(self.plain, n)) for n in ("unconstrained", "in_category")]
        change = Searches(*(None if after is None or before is None else after - before for after, before in pairs))
        return self.rankings | {"difference": change}

    @cached_property
    def _known(self) -> dict[tuple[str, str], Means | None]:
        return {}

    def means(self, label: str, kind: str) -> Means | None:
        """Means of one of `kinds` under `AVERAGE` or `UNCONSTRAINED`, computed once; None if they are not known."""
        if (label, kind) not in self._known:
            searches = self.kinds[kind]
            values = searches.in_category if label == AVERAGE else searches.unconstrained
            group = self.group if label == AVERAGE else np.zeros(len(self.group), np.int64)
            groups = len(self.names) if label == AVERAGE else 1
            self._known[label, kind] = None if values is None else summarise(values, group, groups)
        return self._known[label, kind]


def short_names(paths: Sequence[str]) -> list[str]:
    """Names that tell runs apart: their paths without the folders and file names that all of them share.

    >>> short_names(["out/osnet/ranking.h5", "out/best/ranking.h5"])
    ['osnet', 'best']
    >>> short_names(["out/best/ranking.h5"]), short_names(["a.h5", "b/a.h5"])
    (['out/best/ranking.h5'], ['a.h5', 'b/a.h5'])
    """
    parts = [path.split("/") for path in paths]
    shortest = min(map(len, parts), default=0)
    if len(parts) < 2 or len(set(paths)) < len(paths):
        return list(paths)
    start = next((i for i in range(shortest) if len({p[i] for p in parts}) > 1), shortest - 1)
    most = shortest - start - 1
    end = next((i for i in range(most) if len({p[-1 - i] for p in parts}) > 1), most)
    return ["/".join(p[start : len(p) - end]) for p in parts]


def summarise(values: NDArray[np.float64], group: NDArray[np.int64], groups: int, seed: int = 0) -> Means:
    """Mean of every group, their unweighted mean, and intervals; rows with NaN do not count.

    One group gives the mean over queries. Groups without a scored query are NaN and left out of the mean.
    """
    counts = ~np.isnan(values).any(axis=1)
    values, group = values[counts], group[counts]
    scored = np.bincount(group, minlength=groups)
    means, overall = mean_over_groups(values, group, groups)
    return Means(means, overall, bootstrap(values, group, groups, seed=seed), scored)
