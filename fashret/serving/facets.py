"""What a catalogue can be filtered by: for each column its values with how many products have them, or its range.

In: an open catalogue's rows. Out: `Facet`s, of columns whose values are few or are numbers or dates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashret.files.embeddings import Embeddings
from fashret.files.further_columns import FurtherColumn, in_utc

MOST_VALUES = 40  # of a facet
LONGEST_VALUE = 60  # characters
RARE = 0.5  # a column of which more than this share of the products has a value of its own is no facet


@dataclass(frozen=True)
class Facet:
    """One column to filter by."""

    column: str
    kind: str  # text, integer, number, boolean or date
    values: tuple[tuple[Any, int], ...] = ()  # each value and its products, most first
    least: Any = None  # of a range
    most: Any = None


def facets(file: Embeddings, rows: NDArray[np.int64]) -> list[Facet]:
    """The facets of some rows: category first, then further columns in their order."""
    product = _codes(file.product[rows], rows)
    found = []
    category = np.array([*file.categories, ""], object)[file.category[rows]]
    if len(rows) and (facet := _values("category", "text", category, product)):
        found.append(facet)
    for name, kind in file.further_kinds.items():
        column = file.further_column(name, rows)
        there = np.flatnonzero(~column.is_null)
        if not len(there) or kind == "empty":
            continue
        facet = _facet(name, column.take(there), product[there])
        if facet is not None:
            found.append(facet)
    return found


def _codes(product: NDArray[np.object_], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number per product; an unlabelled row is one of its own."""
    names: dict[Any, int] = {}
    return np.array(
        [names.setdefault(p or row, len(names)) for p, row in zip(product, rows.tolist(), strict=True)], int
    )


def _facet(name: str, column: FurtherColumn, product: NDArray[np.int64]) -> Facet | None:
    if column.kind in ("text", "boolean"):
        values = column.values.astype(bool).astype(object) if column.kind == "boolean" else column.values
        return _values(name, column.kind, values, product)
    if column.kind == "date":
        days = sorted({in_utc(value)[:10] for value in column.values})
        return Facet(name, "date", (), days[0], days[-1]) if len(days) > 1 else None
    least, most = column.values.min().item(), column.values.max().item()
    return Facet(name, column.kind, (), least, most) if least < most else None


def _values(name: str, kind: str, values: NDArray[np.object_], product: NDArray[np.int64]) -> Facet | None:
    pairs = set(zip(values.tolist(), product.tolist(), strict=True))
    counts: dict[Any, int] = {}
    for value, _ in pairs:
        if value != "":
            counts[value] = counts.get(value, 0) + 1
    products = len(np.unique(product))
    few = len(counts) <= MOST_VALUES and (len(counts) <= 5 or len(counts) <= RARE * products)
    if len(counts) < 2 or not few or any(len(str(value)) > LONGEST_VALUE for value in counts):
        return None
    return Facet(name, kind, tuple(sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))))
