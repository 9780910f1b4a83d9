"""One vector per product instead of one per image.

In: rows and their embeddings before normalisation. Out: for each product one row and the mean of its gallery images'
embeddings. A score against centroids uses the gallery's labels, so tables show it beside the score by image.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashret.errors import FashretError
from fashret.files.columns import OF_ROWS, Role, Rows
from fashret.files.further_columns import FurtherColumn

GALLERY = Role.GALLERY | Role.VAL_GALLERY


def product_centroids(pieces: Iterable[tuple[Rows, NDArray[np.float32]]]) -> tuple[Rows, NDArray[np.float32]]:
    """Mean embedding of each product's gallery images (Wieczorek et al., arXiv 2104.13643, section 3.3).

    Parameters
    ----------
    pieces
        Rows and their B×D vectors, one after the other. Rows without a product or without a gallery role are passed.

    Returns
    -------
    P rows in the order in which the products came, each with the columns of the product's first image, the gallery
    roles of all, and the further columns on which all agree (null where they do not); P×D float32 means, summed in
    float64.

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
    agreed = Agreed()
    for rows, vectors in pieces:
        chosen = np.flatnonzero((rows.role & int(GALLERY) != 0) & (rows.product != ""))
        places, new = [], []
        for i in chosen:
            place = number.setdefault(rows.product[i], len(number))
            if place == len(sums):
                new.append(i)
                sums.append(np.zeros(vectors.shape[1]))
                counts.append(0)
                roles.append(0)
            sums[place] += vectors[i]
            counts[place] += 1
            roles[place] |= int(rows.role[i]) & int(GALLERY)
            places.append(place)
        firsts.append(rows.take(np.array(new, np.int64)))
        agreed.add(rows.take(chosen).further, places)
    if not number:
        raise FashretError("centroids: no row has a product and a gallery role")
    columns = {name: np.concatenate([getattr(row, name) for row in firsts]) for name in OF_ROWS if name != "role"}
    kept = Rows(
        **columns,  # type: ignore[arg-type]
        role=np.array(roles, np.uint8),
        categories=firsts[0].categories,
        further=agreed.columns(),
    )
    return kept, (np.stack(sums) / np.array(counts)[:, None]).astype(np.float32)


class Agreed:
    """Values of further columns on which all rows of a product agree; null counts as a value."""

    def __init__(self) -> None:
        self.kinds: dict[str, str] = {}
        self.values: dict[str, list[Any]] = {}  # of each product the value of its first row, None where others differ

    def add(self, columns: Mapping[str, FurtherColumn], places: Sequence[int]) -> None:
        """Some rows and the number of the product of each; new products come in order."""
        for name, column in columns.items():
            self.kinds[name] = column.kind
            known = self.values.setdefault(name, [])
            for place, value in zip(places, column.plain(), strict=True):
                if place == len(known):
                    known.append(value)
                elif known[place] != value:
                    known[place] = None

    def columns(self) -> dict[str, FurtherColumn]:
        """One value per product."""
        found = {name: FurtherColumn.of_nulls(kind, len(self.values[name])) for name, kind in self.kinds.items()}
        for name, column in found.items():
            for place, value in enumerate(self.values[name]):
                if value is not None:
                    column.values[place] = value
        return found
