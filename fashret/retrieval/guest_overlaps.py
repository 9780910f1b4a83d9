"""What a guest overlaps with: the Jaccard part of a query that is alone with the gallery.

In: a gallery's neighbourhoods, guests and their variants. Out: for each guest the gallery rows that may overlap
with it and the sums of minima of their weights with its own. A guest may also be the farthest row of any row, which
rescales that row's weights.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

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
from fashret.retrieval.reciprocal import SparseRows


@njit(nogil=True, cache=True)
def _set_of(world: World, variants: Variants, scratch: Scratch, row: int) -> tuple[bool, int, int]:
    """Whether a row is a variant, and from where to where its set is."""
    variant = scratch.variant[row]
    if variant >= 0:
        return True, variants.sets.offsets[variant], variants.sets.offsets[variant + 1]
    return False, world.sets.offsets[row], world.sets.offsets[row + 1]


@njit(nogil=True, cache=True)
def _note_averaging(world: World, scratch: Scratch, row: int, rows: Rows, count: int) -> int:
    """Add the rows that average over a row; the new count."""
    for place in range(world.averaged_by.offsets[row], world.averaged_by.offsets[row + 1]):
        count = note(scratch, world.averaged_by.columns[place], rows, count)
    return count


@njit(nogil=True, cache=True)
def _candidates(
    world: World, guests: Guests, guest: int, variants: Variants, scratch: Scratch, columns: Rows, rows: Rows
) -> int:
    """Write the gallery rows that may overlap with the guest, ascending; their number."""
    size = len(world.lists)
    support = 0
    for place in range(world.k2):
        member = guests.lists[guest, place]
        if member >= 0:
            variant, first, last = _set_of(world, variants, scratch, member)
            for entry in range(first, last):
                column = variants.sets.columns[entry] if variant else world.sets.columns[entry]
                support = note(scratch, column, columns, support)
    forget(scratch, columns, support)
    count = 0
    for column in columns[:support]:
        if column < size:
            for place in range(world.holders.offsets[column], world.holders.offsets[column + 1]):
                count = _note_averaging(world, scratch, world.holders.columns[place], rows, count)
    for row in variants.rows[variants.offsets[guest] : variants.offsets[guest + 1]]:
        if row < size:
            count = _note_averaging(world, scratch, row, rows, count)
    for row in guests.entered.columns[guests.entered.offsets[guest] : guests.entered.offsets[guest + 1]]:
        count = note(scratch, row, rows, count)
    forget(scratch, rows, count)
    rows[:count].sort()
    return count


@njit(nogil=True, cache=True)
def _met(
    world: World, guests: Guests, guest: int, variants: Variants, scratch: Scratch, candidates: Rows, rows: Rows
) -> int:
    """Write the gallery rows whose weights the comparison of the guest with the candidates takes; their number."""
    size, count = len(world.lists), 0
    for row in variants.rows[variants.offsets[guest] : variants.offsets[guest + 1]]:
        if row < size:
            count = note(scratch, row, rows, count)
    for place in range(world.k2):
        if guests.lists[guest, place] != size:
            count = note(scratch, guests.lists[guest, place], rows, count)
    for candidate in candidates:
        for place in range(world.k2):
            member = listed(world, guests, guest, scratch, candidate, place)
            if member != size:
                count = note(scratch, member, rows, count)
    forget(scratch, rows, count)
    return count


@njit(nogil=True, cache=True)
def _call_up(variants: Variants, guest: int, scratch: Scratch) -> None:
    for variant in range(variants.offsets[guest], variants.offsets[guest + 1]):
        scratch.variant[variants.rows[variant]] = variant


@njit(nogil=True, cache=True)
def _dismiss(variants: Variants, guest: int, scratch: Scratch) -> None:
    for variant in range(variants.offsets[guest], variants.offsets[guest + 1]):
        scratch.variant[variants.rows[variant]] = -1


@njit(nogil=True, cache=True)
def count_candidates(
    start: int, stop: int, world: World, guests: Guests, variants: Variants, candidates: Integers, met: Integers
) -> None:
    """Number of rows that may overlap with each guest, and of rows whose distance to it is needed."""
    size = len(world.lists) + 1
    scratch, columns = scratch_for(size), np.empty(size, np.int32)
    rows, members = np.empty(size, np.int32), np.empty(size, np.int32)
    for guest in range(start, stop):
        enter(world, guests, guest, scratch)
        _call_up(variants, guest, scratch)
        candidates[guest] = _candidates(world, guests, guest, variants, scratch, columns, rows)
        met[guest] = _met(world, guests, guest, variants, scratch, rows[: candidates[guest]], members)
        _dismiss(variants, guest, scratch)
        leave(guests, guest, scratch)


@njit(nogil=True, cache=True)
def fill_candidates(
    start: int,
    stop: int,
    world: World,
    guests: Guests,
    variants: Variants,
    candidates: SparseRows,
    met: SparseRows,
) -> None:
    """The rows that :func:`count_candidates` counted."""
    size = len(world.lists) + 1
    scratch, columns = scratch_for(size), np.empty(size, np.int32)
    for guest in range(start, stop):
        enter(world, guests, guest, scratch)
        _call_up(variants, guest, scratch)
        rows = candidates.columns[candidates.offsets[guest] : candidates.offsets[guest + 1]]
        _candidates(world, guests, guest, variants, scratch, columns, rows)
        members = met.columns[met.offsets[guest] : met.offsets[guest + 1]]
        _met(world, guests, guest, variants, scratch, rows, members)
        _dismiss(variants, guest, scratch)
        leave(guests, guest, scratch)


@njit(nogil=True, cache=True)
def _weigh(distances: NDArray[np.float64], scale: float, out: NDArray[np.float64]) -> None:
    """exp(−d/scale), scaled to sum 1."""
    scale = scale if scale > 0 else 1.0
    total = 0.0
    for entry in range(len(distances)):
        out[entry] = np.exp(-distances[entry] / scale)
        total += out[entry]
    for entry in range(len(distances)):
        out[entry] /= total


@njit(nogil=True, cache=True)
def _weigh_variants(world: World, guests: Guests, guest: int, variants: Variants, scratch: Scratch) -> None:
    for variant in range(variants.offsets[guest], variants.offsets[guest + 1]):
        row = variants.rows[variant]
        scale = guests.farthest[guest]
        if row < len(world.lists):
            scale = max(world.farthest[row], scratch.distance[row])
        values = variants.sets.values[variants.sets.offsets[variant] : variants.sets.offsets[variant + 1]]
        _weigh(values, scale, values)


@njit(nogil=True, cache=True)
def _average(
    world: World,
    guests: Guests,
    guest: int,
    variants: Variants,
    scratch: Scratch,
    row: int,
    sums: NDArray[np.float64],
    columns: Rows,
    rescaled: NDArray[np.float64],
) -> int:
    """Add up the weights of a row's k2 nearest in ``sums``, write their columns ascending, and divide; their number."""
    filled = averaged = 0
    for place in range(world.k2):
        member = listed(world, guests, guest, scratch, row, place)
        if member < 0:
            break
        averaged += 1
        variant, first, last = _set_of(world, variants, scratch, member)
        held, weights = world.sets.columns[first:last], world.weights[first:last]
        if variant:
            held, weights = variants.sets.columns[first:last], variants.sets.values[first:last]
        elif scratch.distance[member] > world.farthest[member]:  # the guest is its farthest row
            weights = rescaled[: last - first]
            _weigh(world.sets.values[first:last], scratch.distance[member], weights)
        for entry in range(len(held)):
            if sums[held[entry]] == 0.0:
                columns[filled] = held[entry]
                filled += 1
            sums[held[entry]] += weights[entry]
    columns[:filled].sort()
    for column in columns[:filled]:
        sums[column] /= averaged
    return filled


@njit(nogil=True, cache=True)
def sum_minima(
    start: int, stop: int, world: World, guests: Guests, variants: Variants, met: SparseRows, candidates: SparseRows
) -> None:
    """Sums of minima of each guest's weights and its candidates', into the candidates' values.

    The values of ``met`` are the distances to the guest; those of the variants' sets are distances and become
    weights.
    """
    size = len(world.lists) + 1
    scratch, columns, others = scratch_for(size), np.empty(size, np.int32), np.empty(size, np.int32)
    rescaled = np.empty(world.whole * (1 + world.half))
    for guest in range(start, stop):
        enter(world, guests, guest, scratch)
        _call_up(variants, guest, scratch)
        for place in range(met.offsets[guest], met.offsets[guest + 1]):
            scratch.distance[met.columns[place]] = met.values[place]
        _weigh_variants(world, guests, guest, variants, scratch)
        own = scratch.guest_weight
        mine = _average(world, guests, guest, variants, scratch, size - 1, own, columns, rescaled)
        for place in range(candidates.offsets[guest], candidates.offsets[guest + 1]):
            row, total = candidates.columns[place], 0.0
            count = _average(world, guests, guest, variants, scratch, row, scratch.weight, others, rescaled)
            for column in others[:count]:
                total += min(own[column], scratch.weight[column])
                scratch.weight[column] = 0.0
            candidates.values[place] = total
        own[columns[:mine]] = 0.0
        _dismiss(variants, guest, scratch)
        leave(guests, guest, scratch)
