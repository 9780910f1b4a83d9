"""Positives: the gallery rows of a query's product.

In: two sides. Out: all pairs of query and positive, their distances by definition, in the order of each query's
ranking.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fashret.knn.distance import Metric, pair_distances
from fashret.knn.vectors import VectorSet


def positive_pairs(
    queries: VectorSet, gallery: VectorSet, same_matrix: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """``offsets`` (Q+1 int64) and ``places`` (P int64) in the gallery's selection of all positives, query by query.

    Those of query i are ``places[offsets[i]:offsets[i + 1]]``, ascending. Unlabelled queries have none; with
    ``same_matrix`` a row is not its own positive, nor is one of the same identity.
    """
    order = np.argsort(gallery.product, kind="stable")
    products = gallery.product[order]
    first = np.searchsorted(products, queries.product, side="left")
    sizes = np.searchsorted(products, queries.product, side="right") - first
    sizes[queries.product < 0] = 0
    query = np.repeat(np.arange(len(queries)), sizes)
    starts = np.cumsum(sizes) - sizes
    places = order[np.arange(len(query)) - starts[query] + first[query]]
    if same_matrix or gallery.identity is not None:
        other = gallery.itself[places] != queries.itself[query]
        query, places = query[other], places[other]
    sizes = np.bincount(query, minlength=len(queries))
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), places.astype(np.int64)


def ordered_positives(
    queries: VectorSet, gallery: VectorSet, metric: Metric, same_matrix: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """``offsets``, ``places`` and distances (P float64) of all positives; each query's by distance, ties by number.

    Of a group of gallery rows only the nearest is one.
    """
    offsets, places = positive_pairs(queries, gallery, same_matrix)
    query = np.repeat(np.arange(len(queries)), np.diff(offsets))
    distances = pair_distances(queries.vectors, queries.rows[query], gallery.vectors, gallery.rows[places], metric)
    order = np.lexsort((gallery.known_as[places], distances, query))
    if gallery.group is not None:
        of_group = np.stack([query[order], gallery.group[places[order]]], axis=1)
        order = order[np.sort(np.unique(of_group, axis=0, return_index=True)[1])]
        offsets = np.concatenate([[0], np.cumsum(np.bincount(query[order], minlength=len(queries)))]).astype(np.int64)
    return offsets, places[order], distances[order]
