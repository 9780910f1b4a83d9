"""Bounds of the distances of a tile's pairs, from approximate products, and what settles a pair.

In: a :class:`Tile`, i.e. the approximate products of a block of rows with a block of columns, the terms of rigorous
bounds on their error, and the stored vectors of both blocks. Out: bounds of *scores*.

The score of a pair falls with its distance: cosine 1 − d, euclidean (n_q − d)/(2σ_q) = (q·g − n_g/2)/σ_q, where σ
is a vector's length, or 1 where that is below 10⁻¹⁸. From the product p of row i and column j, the score lies
within

    p·scale_i·scale_j − half_i·square_j·(1 ± 2⁻²⁰) ± (slack_j + loose_i·reach_j)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fashret.retrieval.distances import defined_distance, distance_of
from fashret.retrieval.instructions import ABREAST, lane_sums, prefetch

WIDENING = 2.0**-20  # relative; more than all float32 roundings of a score
SHORT = 1e-36  # square of the length below which σ is 1 (euclidean)


class Stored(NamedTuple):
    """A block of rows as the definition needs them."""

    vectors: NDArray[np.float32]  # n×D, read-only
    squares: NDArray[np.float64]  # n, sums of squares by definition
    numbers: NDArray[np.int64]  # n, ascending; break ties, and tell a row from itself
    product: NDArray[np.int64]  # n
    category: NDArray[np.int64]  # n


class Terms(NamedTuple):
    """A block's part in the bounds: the first three as rows of a tile, the others as columns; n float32 each."""

    scale: NDArray[np.float32]
    half: NDArray[np.float32]
    loose: NDArray[np.float32]
    column_scale: NDArray[np.float32]
    square: NDArray[np.float32]
    slack: NDArray[np.float32]
    reach: NDArray[np.float32]


class Tile(NamedTuple):
    """Approximate products of some rows with all columns of a block, and what is needed to settle a pair."""

    products: NDArray  # t×n float32 or int32
    which: NDArray[np.int64]  # t, the tile's rows in the block of rows
    rows: Stored
    columns: Stored
    row_terms: Terms  # of the tile's rows
    column_terms: Terms
    cosine: bool


@njit(nogil=True, cache=True, error_model="numpy")
def length_of(cosine: bool, square: float) -> float:
    """σ of a vector with this sum of squares."""
    return np.sqrt(square) if cosine or square > SHORT else 1.0


@njit(nogil=True, cache=True, error_model="numpy")
def rounding_of(tile: Tile, i: int) -> float:
    """More than the float64 rounding of a score of row ``i`` computed from a defined distance."""
    unit = 1.0 if tile.cosine else length_of(False, tile.rows.squares[i])
    return (tile.rows.vectors.shape[1] + 16) * 2.0**-51 * unit


@njit(nogil=True, cache=True, error_model="numpy")
def _score(tile: Tile, i: int, distance: float) -> float:
    square = tile.rows.squares[i]
    return 1.0 - distance if tile.cosine else (square - distance) / (2.0 * length_of(False, square))


@njit(nogil=True, cache=True, error_model="numpy")
def score_below(tile: Tile, i: int, distance: float) -> np.float32:
    """A float32 no greater than the score of any pair of row ``i`` at ``distance`` or nearer."""
    score = _score(tile, i, distance)
    return np.float32(score - abs(score) * WIDENING - rounding_of(tile, i))


@njit(nogil=True, cache=True, error_model="numpy")
def score_above(tile: Tile, i: int, distance: float) -> np.float32:
    """A float32 no less than the score of any pair of row ``i`` at ``distance`` or farther."""
    score = _score(tile, i, distance)
    return np.float32(score + abs(score) * WIDENING + rounding_of(tile, i))


@njit(nogil=True, cache=True, error_model="numpy")
def bound_scores(tile: Tile, t: int, lower: NDArray, upper: NDArray) -> None:
    """Fill ``lower`` and ``upper`` (float32, one a column) with bounds of the scores of the tile's row ``t``."""
    rows, columns = tile.row_terms, tile.column_terms
    scale, half, loose = rows.scale[t], rows.half[t], rows.loose[t]
    half_low, half_high = half * np.float32(1.0 - WIDENING), half * np.float32(1.0 + WIDENING)
    products = tile.products[t]
    for j in range(products.shape[0]):
        middle = np.float32(products[j]) * (scale * columns.column_scale[j])
        spread = columns.slack[j] + loose * columns.reach[j]
        lower[j] = (middle - half_high * columns.square[j]) - spread
        upper[j] = (middle - half_low * columns.square[j]) + spread


@njit(nogil=True, cache=True, error_model="numpy")
def bound_above(tile: Tile, t: int, upper: NDArray) -> None:
    """Fill ``upper`` as :func:`bound_scores` does."""
    rows, columns = tile.row_terms, tile.column_terms
    scale, half, loose = rows.scale[t], rows.half[t] * np.float32(1.0 - WIDENING), rows.loose[t]
    products = tile.products[t]
    for j in range(products.shape[0]):
        middle = np.float32(products[j]) * (scale * columns.column_scale[j])
        spread = columns.slack[j] + loose * columns.reach[j]
        upper[j] = (middle - half * columns.square[j]) + spread


@njit(nogil=True, cache=True, error_model="numpy")
def bound_below(tile: Tile, t: int, fallen: NDArray) -> None:
    """Fill ``fallen`` with the negative of the lower bounds of :func:`bound_scores`."""
    rows, columns = tile.row_terms, tile.column_terms
    scale, half, loose = rows.scale[t], rows.half[t] * np.float32(1.0 + WIDENING), rows.loose[t]
    products = tile.products[t]
    for j in range(products.shape[0]):
        middle = np.float32(products[j]) * (scale * columns.column_scale[j])
        spread = columns.slack[j] + loose * columns.reach[j]
        fallen[j] = spread - (middle - half * columns.square[j])


@njit(nogil=True, cache=True, error_model="numpy")
def upper_bound(tile: Tile, t: int, j: int) -> np.float32:
    """Upper bound of the score of one pair, as in :func:`bound_scores`."""
    rows, columns = tile.row_terms, tile.column_terms
    middle = np.float32(tile.products[t, j]) * (rows.scale[t] * columns.column_scale[j])
    spread = columns.slack[j] + rows.loose[t] * columns.reach[j]
    return (middle - rows.half[t] * np.float32(1.0 - WIDENING) * columns.square[j]) + spread


@njit(nogil=True, cache=True, error_model="numpy")
def lower_bound(tile: Tile, t: int, j: int) -> np.float32:
    """Lower bound of the score of one pair, as in :func:`bound_scores`."""
    rows, columns = tile.row_terms, tile.column_terms
    middle = np.float32(tile.products[t, j]) * (rows.scale[t] * columns.column_scale[j])
    spread = columns.slack[j] + rows.loose[t] * columns.reach[j]
    return (middle - rows.half[t] * np.float32(1.0 + WIDENING) * columns.square[j]) - spread


@njit(nogil=True, cache=True, error_model="numpy")
def settle_pair(tile: Tile, i: int, j: int) -> float:
    """Distance of row ``i`` and column ``j``, by definition."""
    rows, columns = tile.rows, tile.columns
    return defined_distance(tile.cosine, rows.vectors, i, columns.vectors, j, rows.squares[i], columns.squares[j])


@njit(nogil=True, cache=True, error_model="numpy")
def settle_pairs(tile: Tile, i: int, found: NDArray) -> NDArray[np.float64]:
    """Distances of row ``i`` and the columns ``found``, by definition.

    Most of the time goes into waiting for vectors, so some are sent for while those before them are summed.
    """
    rows, columns = tile.rows, tile.columns
    distances, whole = np.empty(found.shape[0]), found.shape[0] // ABREAST * ABREAST
    for place in range(min(ABREAST, found.shape[0])):
        prefetch(columns.vectors, found[place])
    for place in range(0, whole, ABREAST):
        for ahead in range(place + ABREAST, min(place + 2 * ABREAST, found.shape[0])):
            prefetch(columns.vectors, found[ahead])
        four = (found[place], found[place + 1], found[place + 2], found[place + 3])
        dots = lane_sums(rows.vectors, i, columns.vectors, four)
        for one in range(ABREAST):
            square = columns.squares[four[one]]
            distances[place + one] = distance_of(tile.cosine, dots[one], rows.squares[i], square)
    for place in range(whole, found.shape[0]):
        distances[place] = settle_pair(tile, i, found[place])
    return distances
