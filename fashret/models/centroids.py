"""One vector per product instead of one per image.

In: rows and their embeddings before normalisation. Out: for each product one row and the mean of its gallery images'
embeddings. A score against centroids uses the gallery's labels, so tables show it beside the score by image.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from fashret.errors import FashretError
from fashret.files.columns import Role, Rows

GALLERY = Role.GALLERY | Role.VAL_GALLERY


def product_centroids(pieces: Iterable[tuple[Rows, NDArray[np.float32]]]) -> tuple[Rows, NDArray[np.float32]]:
    """Mean embedding of each product's gallery images (Wieczorek et al., arXiv 2104.13643, section 3.3).

    Parameters
    ----------
    pieces
        Rows and their B×D vectors, one after the other. Rows without a product or without a gallery role are passed.

    Returns
    -------
    P rows in the order in which the products came, each with the columns of the product's first image and the gallery
    roles of all; P×D float32 means, summed in float64.

    Raises
    ------
    FashretError
        If no row is left.
    """
    number: dict[str, int] = {}
    firsts: list[Rows] = []
    sums: list[NDArray[np.float64]] = []
    counts: list[int] = []
    roles: list[int] = []
    for rows, vectors in pieces:
        for i in np.flatnonzero((rows.role & int(GALLERY) != 0) & (rows.product != "")):
            place = number.setdefault(rows.product[i], len(number))
            if place == len(firsts):
                firsts.append(rows.take(slice(i, i + 1)))
                sums.append(np.zeros(vectors.shape[1]))
                counts.append(0)
                roles.append(0)
            sums[place] += vectors[i]
            counts[place] += 1
            roles[place] |= int(rows.role[i]) & int(GALLERY)
    if not firsts:
        raise FashretError("centroids: no row has a product and a gallery role")
    names = ("source", "box", "product", "domain", "category")
    columns = {name: np.concatenate([getattr(row, name) for row in firsts]) for name in names}
    kept = Rows(**columns, role=np.array(roles, np.uint8), categories=firsts[0].categories)  # type: ignore[arg-type]
    return kept, (np.stack(sums) / np.array(counts)[:, None]).astype(np.float32)
