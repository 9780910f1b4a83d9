"""Blocks of stored rows, and how large they may be.

In: a selection of rows of a stored matrix and a memory budget. Out: :class:`Block` after block, checked, as the
definition of the distance needs them; block sizes that keep within the budget.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fashret.errors import FashretError
from fashret.retrieval.approximation import Coarse, Form, Int8Twice, TwiceForm
from fashret.retrieval.bounds import SHORT, Stored
from fashret.retrieval.distances import frozen, squares_of_rows
from fashret.retrieval.threads import over_rows

LONGEST = 1e36  # square of the greatest length that float32 terms can hold (euclidean)
NAMED_ROWS = 5  # bad rows named in a message
SPARE = 4 << 20  # bytes for threads and small arrays

FINER_ROWS = 1024  # rows seen again at a time in finer arithmetic
LEAST = 32  # rows and columns of the smallest tile


@dataclass(frozen=True)
class Side:
    """Queries or gallery: a selection of rows of one stored matrix.

    ``vectors``: M×D float32 or float16, an array or ``numpy.memmap`` (the whole file). ``rows``: n int64, the
    selected rows, strictly ascending. ``product``, ``category``: n int64 codes shared by both sides; −1:
    unlabelled, in no category. ``name``: how messages call it, e.g. the file's name.
    """

    vectors: NDArray
    rows: NDArray[np.int64]
    product: NDArray[np.int64]
    category: NDArray[np.int64]
    name: str = "vectors"

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def width(self) -> int:
        """D, the length of a vector."""
        return int(self.vectors.shape[1])

    def take(self, index: NDArray) -> Side:
        """A part of the selection; ``index`` ascending."""
        return Side(self.vectors, self.rows[index], self.product[index], self.category[index], self.name)


@dataclass(frozen=True)
class Block:
    """Adjoining rows of a selection, ``start`` … ``stop`` in its count, and their forms by arithmetic."""

    start: int
    stop: int
    stored: Stored
    cosine: bool
    forms: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.stop - self.start

    def form(self, arithmetic: Coarse) -> Form:
        """The whole block made ready for products, once."""
        if arithmetic.name not in self.forms:
            self.forms[arithmetic.name] = arithmetic.form(self.stored, self.cosine)
        return self.forms[arithmetic.name]

    def finer_form(self, finer: Int8Twice, coarse: Coarse) -> TwiceForm:
        """The whole block made ready for finer products, once."""
        if finer.name not in self.forms:
            self.forms[finer.name] = finer.form(self.stored, self.cosine, self.form(coarse))
        return self.forms[finer.name]


def load_block(side: Side, start: int, stop: int, cosine: bool, first_number: int | None = None) -> Block:
    """Rows ``start`` … ``stop`` of the selection.

    In ties they count by their row in the stored matrix; with ``first_number`` by their place in the selection,
    from that on.

    Raises
    ------
    FashretError
        If a vector has NaN or infinite values, or (cosine) no length; names the rows.
    """
    rows = side.rows[start:stop]
    vectors = frozen(side.vectors[rows[0] : rows[-1] + 1] if _adjoin(rows) else side.vectors[rows])
    squares = np.empty(len(rows))
    over_rows(squares_of_rows, len(rows), vectors, squares)
    _check(side.name, rows, squares, cosine)
    numbers, first = rows, start
    if first_number is not None:
        first = first_number + start
        numbers = np.arange(first, first + len(rows))
    stored = Stored(vectors, squares, numbers, side.product[start:stop], side.category[start:stop])
    return Block(first, first + len(rows), stored, cosine)


def load_blocks(side: Side, size: int, cosine: bool) -> Iterator[Block]:
    """The whole selection in blocks of ``size``."""
    for start in range(0, len(side), size):
        yield load_block(side, start, min(start + size, len(side)), cosine)


def load_all(sides: Sequence[Side], size: int, cosine: bool, first: int = 0) -> Iterator[Block]:
    """The rows of all sides, numbered through, in blocks of ``size``, from row ``first`` on."""
    number = 0
    for side in sides:
        for start in range(max(0, first - number), len(side), size):
            yield load_block(side, start, min(start + size, len(side)), cosine, number)
        number += len(side)


def _check(name: str, rows: NDArray[np.int64], squares: NDArray[np.float64], cosine: bool) -> None:
    faults = {
        "hold NaN or infinite values": ~np.isfinite(squares),
        "have length 0, so that they have no cosine": (squares < SHORT) & cosine,
        "are longer than 1e18": (squares > LONGEST) & (not cosine) & np.isfinite(squares),
    }
    for fault, bad in faults.items():
        if bad.any():
            named = ", ".join(str(row) for row in rows[bad][:NAMED_ROWS])
            more = f" and {bad.sum() - NAMED_ROWS} more nearby" if bad.sum() > NAMED_ROWS else ""
            raise FashretError(
                f"{name}: vectors of rows {named}{more} {fault}; embed these rows again or leave them out"
            )


class TileSizes(Protocol):
    """What makes tiles, and what it needs."""

    @property
    def largest(self) -> int:
        """Rows of a tile where memory allows, and half its columns (all of them if it is square)."""

    def row_bytes(self, width: int) -> int:
        """Memory for a row of a block, besides its vector as stored."""

    def has_room(self, rows: int, width: int) -> bool:
        """Whether the blocks of so many rows can be held on the device at once."""


@dataclass(frozen=True)
class Plan:
    """Block sizes: queries held at a time, rows and columns of a tile."""

    held: int
    tile_rows: int
    tile_columns: int


@dataclass(frozen=True)
class SquarePlan:
    """Rows of a block when all rows are compared with all, and whether all blocks are held at once."""

    size: int
    hold: bool


def plan(queries: Side, gallery: Side, k: int, memory: int, results: int, tiles: TileSizes) -> Plan:
    """The largest block sizes that keep within the budget.

    Parameters
    ----------
    k
        Number of neighbours kept for each query.
    memory, results
        The budget and what the results take of it, bytes.
    tiles
        What makes the tiles.

    Raises
    ------
    FashretError
        If the budget is too small for the smallest blocks; says what would do.
    """
    a_query = _query_bytes(queries, k, tiles)
    for size in _tile_sizes(tiles.largest):
        rows, columns = min(size, len(queries)), min(2 * size, len(gallery))
        held = min(len(queries), (memory - results - _searched_bytes(queries, gallery, size, tiles)) // a_query)
        if held >= rows:
            return Plan(max(1, held), rows, columns)
    raise _too_small(memory, least_for_plan(queries, gallery, k, results, tiles))


def least_for_plan(queries: Side, gallery: Side, k: int, results: int, tiles: TileSizes) -> int:
    """The smallest budget that :func:`plan` takes, bytes."""
    size = _smallest(tiles.largest)
    held = min(size, len(queries)) * _query_bytes(queries, k, tiles)
    return results + _searched_bytes(queries, gallery, size, tiles) + held


def _query_bytes(queries: Side, k: int, tiles: TileSizes) -> int:
    """A query that is held, with its neighbours."""
    return _row_bytes(queries, tiles) + 16 * k


def _searched_bytes(queries: Side, gallery: Side, size: int, tiles: TileSizes) -> int:
    """A block of the gallery and a tile of it, of a size."""
    rows, columns = min(size, len(queries)), min(2 * size, len(gallery))
    return SPARE + columns * _row_bytes(gallery, tiles) + _tile_bytes(rows, columns, queries.width)


def square_plan(sides: Sequence[Side], memory: int, results: int, tiles: TileSizes) -> SquarePlan:
    """The largest blocks, two at a time with their tile either way up, or all if they can be, within the budget."""
    total, width = sum(len(side) for side in sides), sides[0].width
    for size in _tile_sizes(tiles.largest):
        rows = max(1, min(size, total))
        if results + _square_bytes(sides, rows, 2 * rows, tiles) <= memory:
            all_fit = results + _square_bytes(sides, rows, total, tiles) <= memory and tiles.has_room(total, width)
            return SquarePlan(rows, all_fit)
    raise _too_small(memory, least_for_square_plan(sides, results, tiles))


def least_for_square_plan(sides: Sequence[Side], results: int, tiles: TileSizes) -> int:
    """The smallest budget that :func:`square_plan` takes, bytes."""
    rows = max(1, min(_smallest(tiles.largest), sum(len(side) for side in sides)))
    return results + _square_bytes(sides, rows, 2 * rows, tiles)


def _square_bytes(sides: Sequence[Side], rows: int, held: int, tiles: TileSizes) -> int:
    """Tiles of so many rows, and the rows that are held."""
    a_row = max(_row_bytes(side, tiles) for side in sides)
    return SPARE + 2 * _tile_bytes(rows, rows, sides[0].width) + held * a_row


def _tile_sizes(size: int) -> Iterator[int]:
    while size >= LEAST:
        yield size
        size //= 2


def _smallest(size: int) -> int:
    *_, smallest = _tile_sizes(size)
    return smallest


def _too_small(memory: int, least: int) -> FashretError:
    return FashretError(
        f"a memory budget of {memory:,} bytes is too small for this; the least is {least:,} bytes: "
        f"give --memory {-(-least // 10**6)}MB or more"
    )


def _row_bytes(side: Side, tiles: TileSizes) -> int:
    """A row of a block: its vector, if it has to be copied, its columns, and what tiles need of it."""
    mapped = side.vectors.dtype == np.float32 and side.vectors.flags.c_contiguous and _adjoin(side.rows)
    return (0 if mapped else 4 * side.width) + 100 + tiles.row_bytes(side.width)


def _adjoin(rows: NDArray[np.int64]) -> bool:
    return bool(len(rows)) and bool(rows[-1] - rows[0] + 1 == len(rows))


def _tile_bytes(rows: int, columns: int, width: int) -> int:
    """A tile's products, and the three of a finer tile for the rows left undecided, with these rows' vectors."""
    return 4 * rows * columns + min(rows, FINER_ROWS) * (12 * columns + 2 * width)
