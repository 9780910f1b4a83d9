"""Compiled sifting: one look at a tile of two different blocks for both of them, as rows and as columns.

In: a tile, and for all rows of both blocks the scores that matter: those that the nearest must reach, and those below
which the farthest lies. Out: for either block and either question, the pairs that the bounds leave undecided, row by
row. Nearly all pairs matter to neither, so that one look costs less than turning the tile round and looking again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fashret.retrieval.bounds import WIDENING, Terms, Tile
from fashret.retrieval.listed import scores_at
from fashret.retrieval.selection import (
    Found,
    Nearest,
    at_least,
    keep_farthest,
    keep_found_farthest,
    keep_found_nearest,
    keep_nearest,
)
from fashret.retrieval.threads import over_rows

MOST = 1 / 16  # share of a tile's pairs above which they are not worth listing
NEAREST, FARTHEST = 1, 2  # bits of a hit: what the pair matters to, the block of rows
OF_COLUMNS = 2  # by so many bits to the left: the block of columns

States = Sequence[tuple[Callable[..., None], Any]]


class Limits(NamedTuple):
    """What matters to each row of a block, n float32 each."""

    near: NDArray[np.float32]  # scores that the nearest must reach
    far: NDArray[np.float32]  # scores that the farthest must not exceed


class Hits(NamedTuple):
    """Pairs that matter, by row: H int32 each."""

    rows: NDArray[np.int32]
    columns: NDArray[np.int32]
    bits: NDArray[np.int32]


@njit(nogil=True, cache=True, error_model="numpy")
def _flag_row(tile: Tile, t: int, limits: Limits, column_limits: Limits, flags: NDArray[np.int32]) -> None:
    """Bits of each pair of the tile's row ``t``: bounds as in :func:`fashret.retrieval.bounds.bound_scores`."""
    low, high = np.float32(1.0 + WIDENING), np.float32(1.0 - WIDENING)
    row: Terms = tile.row_terms
    column: Terms = tile.column_terms
    scale, half_low, half_high, loose = row.scale[t], row.half[t] * low, row.half[t] * high, row.loose[t]
    own_scale, square, slack, reach = row.column_scale[t], row.square[t], row.slack[t], row.reach[t]
    near, far = limits.near[t], limits.far[t]
    products = tile.products[t]
    for j in range(products.shape[0]):
        product = np.float32(products[j])
        middle = product * (scale * column.column_scale[j])
        spread = column.slack[j] + loose * column.reach[j]
        is_near = (middle - half_high * column.square[j]) + spread >= near
        is_far = (middle - half_low * column.square[j]) - spread <= far
        middle = product * (column.scale[j] * own_scale)
        spread = slack + column.loose[j] * reach
        near_column = (middle - column.half[j] * high * square) + spread >= column_limits.near[j]
        far_column = (middle - column.half[j] * low * square) - spread <= column_limits.far[j]
        flags[j] = np.int32(is_near) | np.int32(is_far) << 1 | np.int32(near_column) << 2 | np.int32(far_column) << 3


@njit(nogil=True, cache=True, error_model="numpy")
def _sift(start: int, stop: int, tile: Tile, limits: Limits, column_limits: Limits) -> Hits | None:
    """Hits in the tile's rows ``start`` … ``stop``; nothing if there are too many."""
    size = tile.products.shape[1]
    flags, found = np.empty(size, np.int32), np.empty(size, np.int64)
    room = size + np.int64(MOST * size * (stop - start))
    rows, columns, bits = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.int32)
    count = 0
    for t in range(start, stop):
        _flag_row(tile, t, limits, column_limits, flags)
        more = at_least(flags, 1, found)
        if count + more > room:
            return None
        for place in range(more):
            rows[count], columns[count], bits[count] = t, found[place], flags[found[place]]
            count += 1
    return Hits(rows[:count].copy(), columns[:count].copy(), bits[:count].copy())


@njit(nogil=True, cache=True, error_model="numpy")
def _grouped(keys: NDArray, values: NDArray, bits: NDArray, bit: int, size: int) -> tuple[NDArray, NDArray]:
    """The values of the hits with a bit, by key (0 … ``size``): offsets size + 1 and values, int64."""
    offsets = np.zeros(size + 1, np.int64)
    for hit in range(keys.shape[0]):
        offsets[keys[hit] + 1] += (bits[hit] & bit) != 0
    offsets = np.cumsum(offsets)
    place, out = offsets[:-1].copy(), np.empty(offsets[-1], np.int64)
    for hit in range(keys.shape[0]):
        if bits[hit] & bit:
            out[place[keys[hit]]] = values[hit]
            place[keys[hit]] += 1
    return offsets, out


def sift(tile: Tile, states: States, column_states: States) -> tuple[States | None, States | None]:
    """What the tile's rows, and its columns, have to look at: states as the selections of found pairs take them.

    Parameters
    ----------
    tile
        Of two blocks without a common row, all rows of the one with all rows of the other.
    states, column_states
        Selections and their states for the two blocks.

    Returns
    -------
    For the rows and for the columns; nothing for a block that must look at all pairs: it does not know k neighbours
    yet, or too much is undecided.
    """
    turned = turn(tile)
    limits, column_limits = _limits(tile, states), _limits(turned, column_states)
    if limits is None and column_limits is None:
        return None, None
    nothing = [_never(len(tile.products)), _never(len(turned.products))]
    parts = over_rows(_sift, len(tile.products), tile, limits or nothing[0], column_limits or nothing[1])
    if any(part is None for part in parts):
        return None, None
    hits = Hits(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    mine = None if limits is None else _found(hits, states, len(tile.products))
    turned_hits = Hits(hits.columns, hits.rows, hits.bits >> OF_COLUMNS)
    return mine, None if column_limits is None else _found(turned_hits, column_states, len(turned.products))


def turn(tile: Tile) -> Tile:
    """The tile with rows and columns exchanged; its products are a view."""
    products, which = tile.products.T, np.arange(tile.products.shape[1])
    return Tile(products, which, tile.columns, tile.rows, tile.column_terms, tile.row_terms, tile.cosine)


def _limits(tile: Tile, states: States) -> Limits | None:
    """What matters to the rows of a tile; nothing if some know too little yet."""
    limits, every = _never(len(tile.products)), np.arange(len(tile.products))
    for kernel, state in states:
        if kernel is keep_nearest:
            nearest: Nearest = state
            limits = limits._replace(near=scores_at(tile, every, nearest.distances[:, 0], False))
        else:
            limits = limits._replace(far=scores_at(tile, every, state, True))
    return None if np.isneginf(limits.near).any() else limits


def _never(rows: int) -> Limits:
    return Limits(np.full(rows, np.inf, np.float32), np.full(rows, -np.inf, np.float32))


def _found(hits: Hits, states: States, size: int) -> States:
    """The hits of each question, for the selection that answers it."""
    found = []
    for kernel, state in states:
        bit, taking = {keep_nearest: (NEAREST, keep_found_nearest), keep_farthest: (FARTHEST, keep_found_farthest)}[
            kernel
        ]
        offsets, columns = _grouped(hits.rows, hits.columns, hits.bits, bit, size)
        found.append((taking, Found(offsets, columns, state)))
    return found
