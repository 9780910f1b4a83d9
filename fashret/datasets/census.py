"""Counts over rows: what a dataset offers to training and search, and what is lost with missing photos.

In: `Rows`, and which of them can be used. Out: counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashret.files.rows import Domain, Role, Rows


@dataclass(frozen=True)
class SearchCensus:
    """One search: queries against their gallery."""

    queries: int  # listed
    queries_lost: int  # of these, whose photo is missing
    queries_with_positive: int  # present, with at least one positive in the present gallery
    queries_without_positive: int  # present, without
    queries_never_positive: int  # of those without, that had none in the listed gallery either
    query_products: int
    gallery: int
    gallery_lost: int
    gallery_products: int
    positives: int  # listed pairs of a query and a gallery row of its product, not counting itself
    positives_lost: int  # of these, whose gallery row is missing while the query is present


def search_census(rows: Rows, present: NDArray[np.bool_], query: Role, gallery: Role) -> SearchCensus:
    """Count queries, gallery and positives, as listed and as present.

    Parameters
    ----------
    present
        N bool: the row's photo is there.
    query, gallery
        The two roles that are searched against each other.
    """
    number, product = product_numbers(rows)
    labelled = product >= 0
    is_query = (rows.role & int(query)).astype(bool)
    is_gallery = (rows.role & int(gallery)).astype(bool)
    itself = (is_query & is_gallery).astype(np.int64)
    listed = np.bincount(product[is_gallery & labelled], minlength=number)
    there = np.bincount(product[is_gallery & labelled & present], minlength=number)
    every = np.where(labelled, listed[product], 0) - itself * labelled
    alive = np.where(labelled, there[product], 0) - itself * (labelled & present)
    usable = is_query & present
    return SearchCensus(
        queries=_count(is_query),
        queries_lost=_count(is_query & ~present),
        queries_with_positive=_count(usable & (alive > 0)),
        queries_without_positive=_count(usable & (alive <= 0)),
        queries_never_positive=_count(usable & (every <= 0)),
        query_products=len(np.unique(product[is_query & labelled])),
        gallery=_count(is_gallery),
        gallery_lost=_count(is_gallery & ~present),
        gallery_products=_count(listed),
        positives=int(every[is_query].sum()),
        positives_lost=int((every - alive)[usable].sum()),
    )


def product_numbers(rows: Rows) -> tuple[int, NDArray[np.int64]]:
    """Number the products: (how many, N int64 with −1 for unlabelled)."""
    numbers: dict[str, int] = {}
    column = [numbers.setdefault(p, len(numbers)) if p else -1 for p in rows.product]
    return max(1, len(numbers)), np.array(column, np.int64).reshape(-1)


def domain_counts(rows: Rows) -> dict[str, int]:
    """Rows of each domain."""
    return {domain.name.lower(): _count(rows.domain == domain) for domain in Domain}


def role_counts(rows: Rows) -> dict[str, int]:
    """Rows of each role."""
    return {role.name.lower(): _count(rows.role & int(role)) for role in Role if role.name}


def _count(mask: NDArray[np.generic]) -> int:
    return int(np.count_nonzero(mask))
