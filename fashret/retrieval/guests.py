"""A query alone with the gallery: how its presence changes the neighbour lists.

In: the neighbourhoods of a gallery among itself (:class:`World`), and queries that are not in it (:class:`Guests`).
Out: any entry of any list as it is while one of the guests is there. In this numbering the guest is row G.

Few lists change: a guest enters those of the rows that it is near to and pushes out their last entry. All that
follows from it is worked out for these few (:mod:`fashret.retrieval.variants`,
:mod:`fashret.retrieval.guest_overlaps`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fashret.retrieval.reciprocal import SparseRows

Integers = NDArray[np.int64]
Rows = NDArray[np.int32]


class World(NamedTuple):
    """A gallery of G rows without guests.

    ``lists``, ``list_distances``: G×K neighbours, the row itself first, −1 after the last. ``sets``: expanded sets,
    with the distances of the members as values; ``weights``: V, of the same length. ``farthest``: G. ``holders``:
    for each column the rows whose set has it. ``averaged_by``: for each row those that have it among their k2
    nearest. ``whole``, ``half``, ``k2``: lengths of the lists that make reciprocal sets, half-sized sets, and
    averages.
    """

    lists: Rows
    list_distances: NDArray[np.float64]
    sets: SparseRows
    weights: NDArray[np.float64]
    farthest: NDArray[np.float64]
    holders: SparseRows
    averaged_by: SparseRows
    whole: int
    half: int
    k2: int


class Guests(NamedTuple):
    """B queries, each alone with the gallery.

    ``lists``: B×K, the neighbours of each, itself (G) first. ``place``: B, gallery rows before this one come before
    the guest where distances are equal. ``farthest``: B. ``entered``: for each guest the gallery rows that may have
    it in their list (columns) and their distance (values).
    """

    lists: Rows
    place: Integers
    farthest: NDArray[np.float64]
    entered: SparseRows


class Variants(NamedTuple):
    """Rows encoded anew for one guest; guest b's are ``offsets[b]:offsets[b + 1]``.

    ``rows``: the row of each, G for the guest. ``sets``: their expanded sets; values: distances, later weights.
    """

    offsets: Integers
    rows: Rows
    sets: SparseRows


class Scratch(NamedTuple):
    """A thread's notes on one guest: an entry for each of the G + 1 rows, −1 or 0 again when the guest leaves."""

    entry: Rows  # where the guest is in the row's list
    variant: Rows  # the row's place among the variants
    seen: Rows  # rows that a walk has met
    distance: NDArray[np.float64]  # of the guest to the row
    guest_weight: NDArray[np.float64]  # the guest's averaged weights
    weight: NDArray[np.float64]  # those of the row it is compared with


@njit(nogil=True, cache=True)
def scratch_for(size: int) -> Scratch:
    return Scratch(
        np.full(size, -1, np.int32),
        np.full(size, -1, np.int32),
        np.full(size, -1, np.int32),
        np.zeros(size),
        np.zeros(size),
        np.zeros(size),
    )


@njit(nogil=True, cache=True)
def enter(world: World, guests: Guests, guest: int, scratch: Scratch) -> None:
    """Note where the guest is in the lists that it enters."""
    for place in range(guests.entered.offsets[guest], guests.entered.offsets[guest + 1]):
        row, distance = guests.entered.columns[place], guests.entered.values[place]
        entry = 1  # the row itself stays first
        while entry < world.lists.shape[1] and world.lists[row, entry] >= 0:
            there = world.list_distances[row, entry]
            if there > distance or (there == distance and world.lists[row, entry] >= guests.place[guest]):
                break
            entry += 1
        if entry < world.lists.shape[1]:
            scratch.entry[row] = entry


@njit(nogil=True, cache=True)
def leave(guests: Guests, guest: int, scratch: Scratch) -> None:
    for place in range(guests.entered.offsets[guest], guests.entered.offsets[guest + 1]):
        scratch.entry[guests.entered.columns[place]] = -1


@njit(nogil=True, cache=True)
def listed(world: World, guests: Guests, guest: int, scratch: Scratch, row: int, place: int) -> int:
    """The entry of a row's list in the presence of the guest."""
    if row == len(world.lists):
        return guests.lists[guest, place]
    entry = scratch.entry[row]
    if entry < 0 or place < entry:
        return world.lists[row, place]
    return len(world.lists) if place == entry else world.lists[row, place - 1]


@njit(nogil=True, cache=True)
def note(scratch: Scratch, row: int, rows: Rows, count: int) -> int:
    """Add a row to ``rows`` unless it is there; the new count."""
    if row < 0 or scratch.seen[row] >= 0:
        return count
    scratch.seen[row] = 0
    rows[count] = row
    return count + 1


@njit(nogil=True, cache=True)
def forget(scratch: Scratch, rows: Rows, count: int) -> None:
    for place in range(count):
        scratch.seen[rows[place]] = -1
