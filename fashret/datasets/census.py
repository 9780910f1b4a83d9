"""Counts over rows: what a dataset offers to training and search, and what is lost with missing photos.

In: `Rows`, and which of their photos are there. Out: counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashret.console import counted, log
from fashret.files.columns import Domain, Role, Rows
from fashret.files.tables.manifests import Expected, Listing

ROLES = {  # as counts are named
    "train": Role.TRAIN,
    "query": Role.QUERY,
    "gallery": Role.GALLERY,
    "validation query": Role.VAL_QUERY,
    "validation gallery": Role.VAL_GALLERY,
    "unused": Role(0),
}
FEW = 10_000
WARNINGS = 5  # counts that differ from the manifest's and are named
SMALLEST_SIDE = 8  # pixels; a box with a shorter side is doubtful


@dataclass(frozen=True)
class SearchCensus:
    """One search: queries against their gallery."""

    queries: int  # listed
    queries_lost: int  # of these, whose photo is missing
    queries_with_positive: int  # there, with at least one positive in the gallery that is there
    queries_without_positive: int  # there, without
    queries_never_positive: int  # of those without, that have none in the listed gallery either
    gallery: int
    gallery_lost: int
    positives: int  # listed pairs of a query and a gallery row of its product other than itself
    positives_lost: int  # of these, whose query or gallery row is missing


def search_census(rows: Rows, there: NDArray[np.bool_], query: Role, gallery: Role) -> SearchCensus:
    """Count queries, gallery and positives, as listed and as present.

    Parameters
    ----------
    there
        N bool: the row's photo is there.
    query, gallery
        The two roles that are searched against each other.
    """
    product = product_numbers(rows)
    labelled = product >= 0
    size = max(1, int(product.max(initial=0)) + 1)
    is_query = (rows.role & int(query)) > 0
    is_gallery = (rows.role & int(gallery)) > 0
    itself = (is_query & is_gallery).astype(np.int64)
    listed = np.bincount(product[is_gallery & labelled], minlength=size)[product] - itself
    alive = np.bincount(product[is_gallery & labelled & there], minlength=size)[product] - itself * there
    listed, alive = listed * labelled, alive * labelled  # an unlabelled row has no positive
    usable = is_query & there
    return SearchCensus(
        queries=_count(is_query),
        queries_lost=_count(is_query & ~there),
        queries_with_positive=_count(usable & (alive > 0)),
        queries_without_positive=_count(usable & (alive == 0)),
        queries_never_positive=_count(usable & (listed == 0)),
        gallery=_count(is_gallery),
        gallery_lost=_count(is_gallery & ~there),
        positives=int(listed[is_query].sum()),
        positives_lost=int(listed[is_query].sum() - alive[usable].sum()),
    )


def product_numbers(rows: Rows) -> NDArray[np.int64]:
    """Number the products in the order of their first rows: N int64, −1 for unlabelled."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(p, len(numbers)) if p else -1 for p in rows.product], np.int64).reshape(-1)


def counts(rows: Rows) -> dict[str, dict[str, int]]:
    """Counts of all rows (under "") and of each category: category → what → count, as manifests name them."""
    product, photo = product_numbers(rows), _photo_numbers(rows)
    table = {"": dict(_counts(rows.role, rows.domain, product, photo))}
    order = np.argsort(rows.category, kind="stable")
    ends = np.searchsorted(rows.category[order], np.arange(len(rows.categories) + 1))
    for i, category in enumerate(rows.categories):
        of = order[ends[i] : ends[i + 1]]
        table[category] = dict(_counts(rows.role[of], rows.domain[of], product[of], photo[of]))
    return table


def _counts(
    role: NDArray[np.uint8], domain: NDArray[np.uint8], product: NDArray[np.int64], photo: NDArray[np.int64]
) -> Iterator[tuple[str, int]]:
    labelled = product >= 0
    yield "rows", len(role)
    yield "photos", _distinct(photo)
    yield "products", _distinct(product[labelled])
    for side in Domain:
        yield f"{side.name.lower()} rows", _count(domain == side)
    for name, wanted in ROLES.items():
        has = (role & int(wanted)) > 0 if wanted else role == 0
        yield f"{name} rows", _count(has)
        yield f"{name} photos", _distinct(photo[has])
        yield f"{name} products", _distinct(product[labelled & has])
        for side in Domain:
            both = has & (domain == side)
            yield f"{name} {side.name.lower()} rows", _count(both)
            yield f"{name} {side.name.lower()} products", _distinct(product[labelled & both])


@dataclass(frozen=True)
class Comparison:
    """One count beside what the manifest expects."""

    category: str  # empty = all rows
    what: str
    found: int
    expected: int

    def __str__(self) -> str:
        of = f" of {self.category}" if self.category else ""
        return f"{self.what}{of}: {self.found:,}, expected {self.expected:,}"


def compare(
    table: dict[str, dict[str, int]], expected: Iterable[Expected], options: dict[str, Any]
) -> tuple[Comparison, ...]:
    """Put counts beside those that a manifest expects of data read with these options."""
    return tuple(
        Comparison(e.category, e.what, table.get(e.category, {}).get(e.what, 0), e.count)
        for e in expected
        if all(options.get(name) == value for name, value in e.options.items())
    )


def warn_of_counts(listing: Listing) -> None:
    """Say where the data differ from what their manifest expects, and what was seen in them."""
    for what, number in listing.notes.items():
        log.info("%s: %s: %s", listing.name, what, f"{number:,}")
    if listing.expected:
        compared = compare(counts(listing.rows), listing.expected, listing.options)
        wrong = [comparison for comparison in compared if comparison.found != comparison.expected]
        for comparison in wrong[:WARNINGS]:
            log.warning("%s: %s", listing.name, comparison)
        if len(wrong) > WARNINGS:
            log.warning(
                "%s: %s; --check shows them all",
                listing.name,
                counted(len(wrong) - WARNINGS, "more count differs", "more counts differ"),
            )


def _photo_numbers(rows: Rows) -> NDArray[np.int64]:
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(s, len(numbers)) for s in rows.source], np.int64).reshape(-1)


def shared_photos(rows: Rows) -> int:
    """Number of photos that are in a row of train alone and in a row of queries or gallery too.

    A shop photo that is train and gallery by its dataset's own definition is one row, and not counted.
    """
    train = {rows.source[i] for i in np.flatnonzero(rows.role == int(Role.TRAIN))}
    tested = {rows.source[i] for i in rows.with_role(Role.QUERY | Role.GALLERY)}
    return len(train & tested)


def doubtful_boxes(rows: Rows) -> dict[str, int]:
    """Boxes that are wrong or doubtful: reason → how many. Only cropping tells whether a box leaves its photo."""
    box = rows.box[~np.isnan(rows.box).any(axis=1)]
    width, height = box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]
    empty = (width <= 0) | (height <= 0)
    return {
        "no area": _count(empty),
        "begins outside of the photo": _count((box[:, :2] < 0).any(axis=1) & ~empty),
        f"a side under {SMALLEST_SIDE} pixels": _count((np.minimum(width, height) < SMALLEST_SIDE) & ~empty),
    }


def _count(mask: NDArray[np.generic]) -> int:
    return int(np.count_nonzero(mask))


def _distinct(numbers: NDArray[np.int64]) -> int:
    if len(numbers) < FEW:  # sorting few is cheaper than a place for each number up to the largest
        return len(np.unique(numbers))
    return _count(np.bincount(numbers))
