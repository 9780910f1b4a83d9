"""`fashret crop … --check`: everything that can be known before a long run, pixels aside.

In: what `fashret crop` is given. Out: counts beside those that the manifest expects, and whether the data can be used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashret.console import counted
from fashret.datasets import readers
from fashret.datasets.census import (
    Comparison,
    SearchCensus,
    compare,
    counts,
    doubtful_boxes,
    search_census,
    shared_photos,
)
from fashret.files.columns import Role
from fashret.files.row_errors import limit_passed
from fashret.files.tables.manifests import Listing, counts_of
from fashret.options import CropOptions


@dataclass(frozen=True)
class CheckSummary:
    """What a dataset holds."""

    dataset: str
    counts: dict[str, dict[str, int]]  # category ("" = all) → what → count
    comparisons: tuple[Comparison, ...]
    photos_lost: int
    search: SearchCensus
    validation: SearchCensus
    shared_photos: int  # both in train and in test
    doubtful_boxes: dict[str, int]
    repeats: int
    notes: dict[str, int]
    problems: tuple[str, ...]  # why it cannot be used; none = it can

    @property
    def exit_code(self) -> int:
        """0 if the data can be used."""
        return 1 if self.problems else 0

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "usable": not self.problems}


def run(manifest: str, options: CropOptions) -> CheckSummary:
    """Read everything but the pixels and count.

    Raises
    ------
    FashretError
        If the annotations cannot be read.
    """
    listing = readers.load(manifest, options)
    rows = listing.rows
    there = listing.photos.present(rows.source)
    table = counts(rows)
    search = search_census(rows, there, Role.QUERY, Role.GALLERY)
    doubtful = doubtful_boxes(rows)
    return CheckSummary(
        dataset=listing.name,
        counts=table,
        comparisons=compare(table, listing.expected, listing.options),
        photos_lost=len(set(rows.source[~there])),
        search=search,
        validation=search_census(rows, there, Role.VAL_QUERY, Role.VAL_GALLERY),
        shared_photos=shared_photos(rows),
        doubtful_boxes=doubtful,
        repeats=listing.repeats,
        notes={**listing.notes, **{f"left out: {kind}": n for kind, n in counts_of(listing.left_out).items()}},
        problems=tuple(_problems(listing, there, search, doubtful["no area"], options)),
    )


def _problems(
    listing: Listing, there: NDArray[np.bool_], search: SearchCensus, empty_boxes: int, options: CropOptions
) -> Iterator[str]:
    """What would stop `fashret crop`, or leave nothing to train or search."""
    if not there.any():
        yield f"none of its photos is below {listing.root}"
        return
    lost = [] if listing.public else listing.rows.source[~there].tolist()
    wrong = lost + [f"box {i}" for i in range(empty_boxes)]
    if passed := limit_passed(wrong, len(there), options.max_errors):
        found = f"{counted(len(lost), 'photo')} missing and {counted(empty_boxes, 'box', 'boxes')} without area"
        yield f"{found} of {counted(len(there), 'row')}, {passed}"
    if search.queries and not search.queries_with_positive:
        yield f"no query has a positive in the gallery ({counted(search.queries, 'query', 'queries')})"
