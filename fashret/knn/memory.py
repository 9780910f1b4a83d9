"""How large blocks may be: a memory budget in bytes instead of a number of blocks.

In: the sets to be compared, a budget, what a filter needs. Out: block sizes that keep within the budget, or an error
that says what would do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from fashret.errors import FashretError
from fashret.knn.vectors import VectorSet

SPARE = 4 << 20  # bytes for threads and small arrays
LEAST = 32  # rows and columns of the smallest tile
PAIR_BYTES = 8  # of a pair of a tile: its product, and its share of the candidates where all pairs are


class FilterNeeds(Protocol):
    """What a filter says of its memory."""

    @property
    def largest(self) -> int:
        """Rows of a tile where memory allows, and half its columns (all of them if it is square)."""

    def row_bytes(self, width: int) -> int:
        """Memory for a row of a block, beside its vector as stored."""

    def has_room(self, rows: int, width: int) -> bool:
        """Whether the blocks of so many rows can be held on the device at once."""


@dataclass(frozen=True)
class BlockSizes:
    """Rows and columns of a tile, rows held at a time, and the memory for it all: bytes, fixed and per row held."""

    rows: int
    columns: int
    held: int
    fixed_bytes: int
    held_bytes: int

    @property
    def memory(self) -> int:
        """Bytes in all."""
        return self.fixed_bytes + self.held * self.held_bytes


def search_sizes(queries: VectorSet, gallery: VectorSet, k: int, results: int, needs: FilterNeeds) -> list[BlockSizes]:
    """Sizes for a search that keeps k neighbours of each query, largest first; ``results``: bytes that these take."""
    row, column = _row_bytes(queries, needs) + 16 * k, _row_bytes(gallery, needs)
    tiles = [(min(size, len(queries)), min(2 * size, len(gallery))) for size in _sizes(needs.largest)]
    return [
        BlockSizes(rows, columns, rows, results + SPARE + columns * column + PAIR_BYTES * rows * columns, row)
        for rows, columns in tiles
    ]


def square_sizes(sets: Sequence[VectorSet], results: int, needs: FilterNeeds) -> list[BlockSizes]:
    """Sizes for all rows with all, largest first: two blocks are held, and their products either way up."""
    total, row = sum(len(vectors) for vectors in sets), max(_row_bytes(vectors, needs) for vectors in sets)
    tiles = [max(1, min(size, total)) for size in _sizes(needs.largest)]
    return [BlockSizes(rows, rows, 2 * rows, results + SPARE + (PAIR_BYTES + 4) * rows * rows, row) for rows in tiles]


def largest_within(memory: int, sizes: Sequence[BlockSizes]) -> BlockSizes:
    """The first sizes that keep within a budget, bytes, with as many rows held as it allows.

    Raises
    ------
    FashretError
        If even the last do not; says what would do.
    """
    for fitting in sizes:
        if fitting.memory <= memory:
            return replace(fitting, held=(memory - fitting.fixed_bytes) // fitting.held_bytes)
    least = sizes[-1].memory
    raise FashretError(
        f"a memory budget of {memory:,} bytes is too small for this; the least is {least:,} bytes: "
        f"give --memory {-(-least // 10**6)}MB or more"
    )


def _row_bytes(vectors: VectorSet, needs: FilterNeeds) -> int:
    """A row of a block: its vector, if it has to be copied, its columns, and what the filter needs."""
    return (0 if vectors.is_mapped else 4 * vectors.width) + 100 + needs.row_bytes(vectors.width)


def _sizes(size: int) -> Iterator[int]:
    while size >= LEAST:
        yield size
        size //= 2
