"""Rows that the reader of a dataset collects one by one.

In: each row and where it was found. Out: the columns of a listing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fashret.errors import FashretError
from fashret.files.columns import Domain, Role, Rows, text_array
from fashret.files.hdf5 import storable
from fashret.files.photos.sources import relative_source

Corners = tuple[float, float, float, float]
WHOLE: Corners = (math.nan, math.nan, math.nan, math.nan)  # the box of a whole photo


class Row(NamedTuple):
    """One garment in one photo, as an annotation has it."""

    source: str
    box: Corners
    product: str
    role: Role
    domain: Domain
    category: str = ""


class RowList:
    """Rows under construction; `rows()` gives them as columns.

    Parameters
    ----------
    categories
        All category names, in the order of their numbers.
    """

    def __init__(self, categories: Sequence[str] = ()) -> None:
        self.categories = tuple(categories)
        self.number = {name: i for i, name in enumerate(self.categories)} | {"": -1}
        self.source: list[str] = []
        self.box: list[Corners] = []
        self.product: list[str] = []
        self.role: list[int] = []
        self.domain: list[int] = []
        self.category: list[int] = []

    def add(self, row: Row, where: str) -> None:
        """Add a row, found at `where`, if its photo is inside the root and its names can be stored."""
        try:
            self.source.append(relative_source(row.source))
        except FashretError as error:
            raise FashretError(f"{where}: {error}") from None
        if not storable(row.product):
            raise FashretError(f"{where}: product {row.product!r}; expected UTF-8 text without zero bytes")
        self.box.append(row.box)
        self.product.append(row.product)
        self.role.append(int(row.role))
        self.domain.append(int(row.domain))
        self.category.append(self.number[row.category])

    def rows(self) -> Rows:
        """The rows that were added, in their order."""
        return Rows(
            source=text_array(self.source),
            box=np.array(self.box, np.float32).reshape(-1, 4),
            product=text_array(self.product),
            role=np.array(self.role, np.uint8),
            domain=np.array(self.domain, np.uint8),
            category=np.array(self.category, np.int16),
            categories=self.categories,
        )
