"""Bootstrap 95 % intervals over queries.

In: one value per query (AP, or 1 and 0 for hit and miss), and the group of each query. Out: the interval of every
group's mean, of the mean over groups, and of their differences between two runs.

Queries are drawn with replacement inside their group (stratified where there are several); the interval is that of the
percentiles of their means (Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, chapters 6 and 13). Gallery
and model stay the same: the intervals show how much a score depends on which *queries* were sampled, no more.
The same seed draws the same queries, so the interval of a difference of two runs is paired when it is taken of the
queries' differences.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
LEVEL = 0.95
BLOCK = 4_000_000  # queries drawn at a time, for memory: 8 bytes each, and as many for each value


@dataclass(frozen=True)
class Intervals:
    """Ends of the intervals of M values; float64, shares as the values were.

    `groups` G×M×2 of every group's mean (NaN for a group without queries), `mean` M×2 of the unweighted mean of the
    groups that have queries.
    """

    groups: NDArray[np.float64]
    mean: NDArray[np.float64]


def bootstrap(
    values: NDArray[np.float64], group: NDArray[np.integer], groups: int, resamples: int = RESAMPLES, seed: int = 0
) -> Intervals:
    """Intervals of the mean in each group and of the unweighted mean over groups.

    Parameters
    ----------
    values
        Q×M, one row per query; no NaN: leave out the queries that have no score.
    group
        Q, from 0 to `groups` − 1.

    Returns
    -------
    Intervals
        Degenerate (both ends the value) where a group has one query: nothing can be drawn differently.
    """
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(groups + 1))
    rng = np.random.default_rng(seed)
    ends = np.full((groups, values.shape[1], 2), np.nan)
    total, filled = np.zeros((resamples, values.shape[1])), 0
    for g in range(groups):
        members = order[starts[g] : starts[g + 1]]
        if not len(members):
            continue
        means = resampled_means(values[members], resamples, rng)
        ends[g] = percentiles(means)
        total += means
        filled += 1
    overall = percentiles(total / filled) if filled else np.full((values.shape[1], 2), np.nan)
    return Intervals(ends, overall)


def percentiles(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """M×2 ends of the central `LEVEL` of B×M resampled means."""
    tail = 100 * (1 - LEVEL) / 2
    return np.percentile(means, [tail, 100 - tail], axis=0).T


def resampled_means(values: NDArray[np.float64], resamples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Means of `resamples` samples of the rows of Q×M, as large and with replacement; B×M.

    How often each row was drawn, times the values, is one matrix product per block.
    """
    queries = len(values)
    blocks = []
    for drawn in _draws(queries, resamples, rng):
        size = len(drawn)
        offsets = np.arange(size)[:, None] * queries
        counts = np.bincount((drawn + offsets).ravel(), minlength=size * queries).reshape(size, queries)
        blocks.append(counts @ values / queries)
    return np.concatenate(blocks)


def _draws(queries: int, resamples: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """b×Q rows drawn, in blocks that add up to `resamples`; the block size does not change what is drawn."""
    step = max(1, BLOCK // queries)
    for start in range(0, resamples, step):
        yield rng.integers(queries, size=(min(step, resamples - start), queries))
