"""Scores of queries from the exact ranks of their positives.

In: offsets Q+1 and, for every positive, its rank (0 = first); query i's are `offsets[i]:offsets[i + 1]`. Out: one
value per query, NaN for a query that has no positive. The size of the gallery does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NEVER = np.iinfo(np.int64).max  # first rank of a query without positive


def only_ranked(offsets: NDArray[np.int64], ranks: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Leave out positives without a rank (−1: in another category than their query).

    >>> only_ranked(np.array([0, 2, 3]), np.array([4, -1, 0]))
    (array([0, 1, 2]), array([4, 0]))
    """
    kept = ranks >= 0
    before = np.concatenate([[0], np.cumsum(kept)])
    return before[offsets], ranks[kept]


def average_precision(offsets: NDArray[np.int64], ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Non-interpolated average precision of each query: the mean of the precisions at its positives' ranks.

    Parameters
    ----------
    offsets
        Q+1 int64.
    ranks
        P int64, 0 = first, in any order within a query.

    Returns
    -------
    Q float64 in (0, 1], NaN for a query without positives.

    >>> average_precision(np.array([0, 2, 2]), np.array([3, 0]))
    array([0.75,  nan])
    """
    counts = np.diff(offsets)
    query = np.repeat(np.arange(len(counts)), counts)
    ordered = ranks[np.lexsort((ranks, query))]
    place = np.arange(len(ranks)) - np.repeat(offsets[:-1], counts)  # how many positives of the query come before
    precision = (place + 1) / (ordered + 1)
    with np.errstate(invalid="ignore"):
        return np.bincount(query, precision, len(counts)) / counts


def first_ranks(offsets: NDArray[np.int64], ranks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rank of the first positive of each query, Q int64; `NEVER` for a query without positives.

    >>> first_ranks(np.array([0, 2, 3]), np.array([3, 1, 0]))
    array([1, 0])
    """
    counts = np.diff(offsets)
    first = np.full(len(counts), NEVER)
    np.minimum.at(first, np.repeat(np.arange(len(counts)), counts), ranks)
    return first


def hits_at(first: NDArray[np.int64], ks: Sequence[int]) -> NDArray[np.float64]:
    """Whether a positive is among the first k, for each k: Q×K float64 of 0 and 1, NaN for queries without positives.

    >>> hits_at(np.array([0, 7, NEVER]), (1, 10))
    array([[ 1.,  1.],
           [ 0.,  1.],
           [nan, nan]])
    """
    hits = (first[:, None] < np.asarray(ks)).astype(np.float64)
    hits[first == NEVER] = np.nan
    return hits


def mean_over_groups(
    values: NDArray[np.float64], group: NDArray[np.integer], groups: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean of every group (`groups`×M, NaN without members) and the unweighted mean M of the groups that have members.

    Parameters
    ----------
    values
        Q×M, one row per query; no NaN.
    group
        Q, from 0 to `groups` − 1.

    >>> mean_over_groups(np.array([[1.0], [0.0], [1.0]]), np.array([0, 0, 2]), 3)[1]
    array([0.75])
    """
    members = np.bincount(group, minlength=groups)
    sums = np.stack([np.bincount(group, column, groups) for column in values.T], axis=1)
    with np.errstate(invalid="ignore"):
        means = sums / members[:, None]
    return means, means[members > 0].mean(axis=0) if members.any() else np.full(values.shape[1], np.nan)


def first_product_ranks(
    products: NDArray[np.int64], own: NDArray[np.int64], first: NDArray[np.int64], length: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Rank of each query's product when the ranked images are collapsed to products.

    Parameters
    ----------
    products
        Q×k int64, product of each kept result, best first; −1 for an unlabelled image, which stands for itself.
    own
        Q int64, the queries' products.
    first
        Q int64, rank of the first positive among the images.
    length
        Q int64, how many of the k results there are.

    Returns
    -------
    Q int64: how many other products come before. Where the first positive is not among the kept results, the number of
    products that are: at least that many come before.

    >>> first_product_ranks(np.array([[5, 5, 7, 9]]), np.array([9]), np.array([3]), np.array([4]))
    array([2])
    """
    found = np.full(len(own), NEVER)
    for i in np.flatnonzero(first != NEVER):
        before = products[i, : min(int(first[i]), int(length[i]))]
        labelled = before[before >= 0]
        found[i] = len(np.unique(labelled)) + np.count_nonzero(before < 0)
    return found
