"""Boxes for the rows of a manifest, before their crops are cut: found by detectors where there is none, or instead.

In: a listing, what was found in its photos. Out: the listing with boxes, and with further columns:

    box_from    given, detected, or whole: nothing was found, or the photo could not be read
    box_score   score of a detected box
    given_x1 …  the box that was replaced, in pixels of the photo as stored

A row gets the box of the best score among those that can be of its category; else the best of all; else its whole
photo. Of a shop photo several boxes can be kept: rows of one product, those of its category first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fashret.files.columns import Domain, Rows
from fashret.files.further_columns import FurtherColumn
from fashret.files.tables.box_columns import CORNERS
from fashret.files.tables.manifests import Listing, drop_repeats

if TYPE_CHECKING:
    from fashret.detecting.photos import Seen
    from fashret.detection.labels import Kind

GIVEN, DETECTED, WHOLE = "given", "detected", "whole"


def rows_to_detect(rows: Rows, which: str) -> NDArray[np.bool_]:
    """Rows whose box is to be found: those without one ("missing"), of shop or street photos, or all."""
    if which == "missing":
        return np.asarray(np.isnan(rows.box).any(axis=1))
    if which == "all":
        return np.ones(len(rows), np.bool_)
    return np.asarray(rows.domain == (Domain.SHOP if which == "shop" else Domain.STREET))


def with_boxes(
    listing: Listing,
    wanted: NDArray[np.bool_],
    seen: Callable[[str], Seen | None],
    kinds: Sequence[Kind],
    per_photo: int = 1,
) -> Listing:
    """The listing with boxes for the rows that want one.

    Parameters
    ----------
    seen
        What was found in a photo, best first; None if it could not be read.
    kinds
        What the labels count through.
    per_photo
        Boxes of a shop photo that are kept, each as a row of its own.
    """
    rows, names = listing.rows, [*listing.rows.categories, ""]
    index: list[int] = []  # row of the listing, of each row to be
    box: list[NDArray[np.float32]] = []
    score: list[float] = []
    for row in range(len(rows)):
        there = seen(str(rows.source[row])) if wanted[row] else None
        most = per_photo if rows.domain[row] == Domain.SHOP else 1
        order = _order(there, names[rows.category[row]], kinds)[:most] if there else []
        index += [row] * max(1, len(order))
        box += [there.boxes[i] for i in order] if there and order else [rows.box[row]]
        score += [float(there.scores[i]) for i in order] if there and order else [math.nan]
    return _replaced(listing, np.array(index, np.int64), np.array(box, np.float32).reshape(-1, 4), np.array(score))


def _replaced(
    listing: Listing, index: NDArray[np.int64], box: NDArray[np.float32], score: NDArray[np.float64]
) -> Listing:
    """Rows of a listing, some of them several times, with other boxes where there is a score."""
    rows, found = listing.rows.take(index), ~np.isnan(score)
    before = rows.box.astype(np.float64).round(2)  # 43.27, not 43.27000045776367
    before[~found] = math.nan
    origin = np.where(found, DETECTED, np.where(np.isnan(box).any(axis=1), WHOLE, GIVEN)).astype(object)
    further = {"box_from": FurtherColumn("text", origin), "box_score": FurtherColumn("number", score.round(4))}
    if np.isfinite(before).any():
        further |= {f"given_{name}": FurtherColumn("number", before[:, i]) for i, name in enumerate(CORNERS)}
    rows = replace(rows, box=box, further={**rows.further, **further})
    new, repeats = drop_repeats(rows)
    return replace(listing, rows=new, repeats=listing.repeats + repeats)


def _order(seen: Seen, category: str, kinds: Sequence[Kind]) -> list[int]:
    """Positions of the boxes, those that can be of the category first, each by falling score."""
    own = [not category or kinds[label].can_be(category) for label in seen.labels.tolist()]
    return sorted(range(len(own)), key=lambda i: not own[i])


def counts_of_boxes(rows: Rows) -> dict[str, int]:
    """How many rows have which box, where it is known."""
    origin = rows.further["box_from"].values.tolist() if "box_from" in rows.further else []
    return {name: origin.count(name) for name in (GIVEN, DETECTED, WHOLE) if name in origin}
