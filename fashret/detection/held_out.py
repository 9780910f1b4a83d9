"""Photos that a detector is validated on, where the data names none.

In: photos with boxes, their rows. Out: the photos to train on and those held out. Photos of one product are on one
side, and so are those that are joined by several products: a look of a blouse and a skirt, and each of them alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from fashret.console import log
from fashret.detection.boxed_photos import BoxedPhotos
from fashret.files.columns import Rows


def held_out(photos: BoxedPhotos, rows: Rows, share: float, seed: int) -> tuple[BoxedPhotos, BoxedPhotos]:
    """Photos to train on and to validate on.

    Parameters
    ----------
    rows
        What `photos.row` counts through.
    share
        Of the groups of photos that go together, but one at least; 0 = none. The largest group is always trained on.
    """
    group = groups_of(photos, rows)
    sizes = np.bincount(group)
    others = np.delete(np.arange(len(sizes)), np.argmax(sizes)) if len(sizes) else sizes
    if share > 0 and len(photos) and not len(others):
        log.info("all photos are joined by products that they share; none can be held out to validate on")
    count = min(max(1, round(share * len(sizes))) if share > 0 else 0, len(others))
    chosen = np.random.default_rng(seed).choice(others, count, replace=False)
    held = np.isin(group, chosen)
    return photos.take(np.flatnonzero(~held)), photos.take(np.flatnonzero(held))


def groups_of(photos: BoxedPhotos, rows: Rows) -> NDArray[np.int64]:
    """For each photo the number of its group: photos that share a product are in one, and so are all joined by them."""
    names, product = np.unique(rows.product[photos.row].astype(str), return_inverse=True)
    photo = np.repeat(np.arange(len(photos)), np.diff(photos.first))
    known = names[product] != "" if len(names) else np.zeros(0, np.bool_)
    edges = photo[known], len(photos) + product[known]
    nodes = len(photos) + len(names)
    graph = sparse.coo_array((np.ones(len(edges[0]), np.bool_), edges), (nodes, nodes))
    _, label = connected_components(graph, directed=False)
    return np.unique(label[: len(photos)], return_inverse=True)[1].astype(np.int64)
