"""Photos with boxes for detectors, of whatever origin.

In: the listing of a reader. Out: `Boxes`, its rows and what is known about their boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fashret.console import log
from fashret.files.photos.outlines import Outline
from fashret.files.tables.manifests import Listing


@dataclass(frozen=True)
class Boxes:
    """Rows that have boxes, or some of which have."""

    listing: Listing
    crowd: NDArray[np.bool_]  # N: a box round many garments
    annotated: str = ""  # garments of a photo that have boxes: all, or one; empty = not known
    outlines: Sequence[Outline | None] = ()  # N, of those that are known; empty = of none

    def take(self, index: NDArray[np.int64]) -> Boxes:
        """Some of the rows."""
        listing = replace(self.listing, rows=self.listing.rows.take(index))
        outlines = [self.outlines[i] for i in index.tolist()] if self.outlines else ()
        return Boxes(listing, self.crowd[index], self.annotated, outlines)


def boxes_of(
    listing: Listing,
    annotated: str = "",
    crowd: NDArray[np.bool_] | None = None,
    outlines: Sequence[Outline | None] = (),
) -> Boxes:
    """The boxes of a listing, whose notes are said."""
    for what, count in listing.notes.items():
        if count:
            log.info("%s: %s %s", listing.name, f"{count:,}", what)
    crowd = np.zeros(len(listing.rows), np.bool_) if crowd is None else crowd
    return Boxes(listing, crowd, annotated, outlines)
