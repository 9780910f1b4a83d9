"""Rows that get another expanded set while a guest is there.

In: a gallery's neighbourhoods and guests (:mod:`fashret.retrieval.guests`). Out: for each guest its
:class:`Variants`: the rows whose set may change, and their sets. All other rows keep the sets that they have
without the guest.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fashret.retrieval.guests import (
    Guests,
    Integers,
    Rows,
    Scratch,
    Variants,
    World,
    enter,
    forget,
    leave,
    listed,
    note,
    scratch_for,
)
from fashret.retrieval.reciprocal import SparseRows, shared_rows


@njit(nogil=True, cache=True)
def _reciprocal(world: World, guests: Guests, guest: int, scratch: Scratch, row: int, width: int, out: Rows) -> int:
    """Write the row's reciprocal set in the presence of the guest, ascending; its size."""
    size = 0
    for place in range(width):
        other = listed(world, guests, guest, scratch, row, place)
        if other < 0:
            break
        for back in range(width):
            if listed(world, guests, guest, scratch, other, back) == row:
                out[size] = other
                size += 1
                break
    out[:size].sort()
    return size


@njit(nogil=True, cache=True)
def _expanded(
    world: World, guests: Guests, guest: int, scratch: Scratch, row: int, base: Rows, candidate: Rows, out: Rows
) -> int:
    """Write the row's expanded set in the presence of the guest, ascending; its size."""
    size = _reciprocal(world, guests, guest, scratch, row, world.whole, base)
    out[:size] = base[:size]
    filled = size
    for place in range(size):
        length = _reciprocal(world, guests, guest, scratch, base[place], world.half, candidate)
        if 3 * shared_rows(candidate[:length], base[:size]) > 2 * length:
            out[filled : filled + length] = candidate[:length]
            filled += length
    out[:filled].sort()
    size = 0
    for place in range(filled):
        if size == 0 or out[place] != out[size - 1]:
            out[size] = out[place]
            size += 1
    return size


@njit(nogil=True, cache=True)
def _affected(world: World, guests: Guests, guest: int, scratch: Scratch, rows: Rows) -> int:
    """Write the rows whose expanded set the guest may change, itself first; their number.

    A reciprocal set changes only if the row's list does, or the row falls out of another's list. The expanded set
    changes only if the reciprocal set of a member does, and who has a member is in the member's own list.
    """
    count = note(scratch, len(world.lists), rows, 0)
    for place in range(guests.entered.offsets[guest], guests.entered.offsets[guest + 1]):
        row = guests.entered.columns[place]
        if scratch.entry[row] < 0:
            continue
        for width in (world.whole, world.half):
            if scratch.entry[row] < width:
                count = note(scratch, row, rows, count)
                count = note(scratch, world.lists[row, width - 1], rows, count)
    for changed in range(count):
        for place in range(world.whole):
            other = listed(world, guests, guest, scratch, rows[changed], place)
            count = note(scratch, other, rows, count)
    forget(scratch, rows, count)
    return count


@njit(nogil=True, cache=True)
def count_variants(start: int, stop: int, world: World, guests: Guests, rows: Integers, members: Integers) -> None:
    """Number of variants of each guest, and of all their members."""
    scratch, found = scratch_for(len(world.lists) + 1), np.empty(len(world.lists) + 1, np.int32)
    base, candidate = np.empty(world.whole, np.int32), np.empty(world.half, np.int32)
    out = np.empty(world.whole * (1 + world.half), np.int32)
    for guest in range(start, stop):
        enter(world, guests, guest, scratch)
        rows[guest] = _affected(world, guests, guest, scratch, found)
        for place in range(rows[guest]):
            members[guest] += _expanded(world, guests, guest, scratch, found[place], base, candidate, out)
        leave(guests, guest, scratch)


@njit(nogil=True, cache=True)
def fill_variants(
    start: int, stop: int, world: World, guests: Guests, variants: Variants, first: Integers, sizes: Integers
) -> None:
    """Rows and sets of the variants; ``first``: where each guest's members begin; ``sizes``: of each set."""
    scratch, found = scratch_for(len(world.lists) + 1), np.empty(len(world.lists) + 1, np.int32)
    base, candidate = np.empty(world.whole, np.int32), np.empty(world.half, np.int32)
    out = np.empty(world.whole * (1 + world.half), np.int32)
    for guest in range(start, stop):
        enter(world, guests, guest, scratch)
        count, filled = _affected(world, guests, guest, scratch, found), first[guest]
        for place in range(count):
            size = _expanded(world, guests, guest, scratch, found[place], base, candidate, out)
            variants.rows[variants.offsets[guest] + place] = found[place]
            variants.sets.columns[filled : filled + size] = out[:size]
            sizes[variants.offsets[guest] + place] = size
            filled += size
        leave(guests, guest, scratch)


@njit(nogil=True, cache=True)
def known_distances(start: int, stop: int, world: World, rows: Rows, sets: SparseRows) -> None:
    """Distances of members that the row's set has without the guest too; NaN for the others."""
    for variant in range(start, stop):
        row, place, end = rows[variant], 0, 0
        if row < len(world.lists):
            place, end = world.sets.offsets[row], world.sets.offsets[row + 1]
        for entry in range(sets.offsets[variant], sets.offsets[variant + 1]):
            while place < end and world.sets.columns[place] < sets.columns[entry]:
                place += 1
            known = place < end and world.sets.columns[place] == sets.columns[entry]
            sets.values[entry] = world.sets.values[place] if known else np.nan
