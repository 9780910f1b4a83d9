"""How large blocks may be: a memory budget in bytes instead of a number of blocks.

In: the sets to be compared, a budget, what a filter needs. Out: block sizes that keep within the budget, or an error
that says what would do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from fashret.errors import FashretError
from fashret.knn.vectors import VectorSet

SPARE = 4 << 20  # bytes for threads and small arrays
LEAST = 32  # rows and columns of the smallest tile
PAIR_BYTES = 8  # of a pair of a tile: its product, and its share of the candidates


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
class SearchPlan:
    """Block sizes of a search: queries held at a time, rows and columns of a tile."""

    held: int
    tile_rows: int
    tile_columns: int


@dataclass(frozen=True)
class SquarePlan:
    """Rows of a block where all rows are compared with all, and whether all blocks are held at once."""

    size: int
    hold: bool


def plan_search(
    queries: VectorSet, gallery: VectorSet, k: int, memory: int, results: int, needs: FilterNeeds
) -> SearchPlan:
    """The largest block sizes that keep within the budget.

    Parameters
    ----------
    k
        Number of neighbours kept for each query.
    memory, results
        The budget and what the results take of it, bytes.

    Raises
    ------
    FashretError
        If the budget is too small for the smallest blocks; says what would do.
    """
    for size in _sizes(needs.largest):
        rows, columns = min(size, len(queries)), min(2 * size, len(gallery))
        free = memory - results - _tile_bytes(rows, columns, gallery, needs)
        held = min(len(queries), free // _query_bytes(queries, k, needs))
        if held >= rows:
            return SearchPlan(max(1, held), rows, columns)
    raise _too_small(memory, least_for_search(queries, gallery, k, results, needs))


def least_for_search(queries: VectorSet, gallery: VectorSet, k: int, results: int, needs: FilterNeeds) -> int:
    """The smallest budget that :func:`plan_search` takes, bytes."""
    rows, columns = min(_smallest(needs), len(queries)), min(2 * _smallest(needs), len(gallery))
    return results + _tile_bytes(rows, columns, gallery, needs) + rows * _query_bytes(queries, k, needs)


def plan_square(sets: Sequence[VectorSet], memory: int, results: int, needs: FilterNeeds) -> SquarePlan:
    """The largest blocks, two at a time with their tile either way up, or all if they can be, within the budget."""
    total, width = sum(len(vectors) for vectors in sets), sets[0].width
    for size in _sizes(needs.largest):
        rows = max(1, min(size, total))
        if results + _square_bytes(sets, rows, 2 * rows, needs) <= memory:
            all_fit = results + _square_bytes(sets, rows, total, needs) <= memory and needs.has_room(total, width)
            return SquarePlan(rows, all_fit)
    raise _too_small(memory, least_for_square(sets, results, needs))


def least_for_square(sets: Sequence[VectorSet], results: int, needs: FilterNeeds) -> int:
    """The smallest budget that :func:`plan_square` takes, bytes."""
    rows = max(1, min(_smallest(needs), sum(len(vectors) for vectors in sets)))
    return results + _square_bytes(sets, rows, 2 * rows, needs)


def _query_bytes(queries: VectorSet, k: int, needs: FilterNeeds) -> int:
    """A query that is held, with its neighbours."""
    return _row_bytes(queries, needs) + 16 * k


def _tile_bytes(rows: int, columns: int, gallery: VectorSet, needs: FilterNeeds) -> int:
    """A tile and its block of the gallery."""
    return SPARE + columns * _row_bytes(gallery, needs) + PAIR_BYTES * rows * columns


def _square_bytes(sets: Sequence[VectorSet], rows: int, held: int, needs: FilterNeeds) -> int:
    """A tile either way up, and the rows that are held."""
    return SPARE + 2 * PAIR_BYTES * rows * rows + held * max(_row_bytes(vectors, needs) for vectors in sets)


def _row_bytes(vectors: VectorSet, needs: FilterNeeds) -> int:
    """A row of a block: its vector, if it has to be copied, its columns, and what the filter needs."""
    return (0 if vectors.is_mapped else 4 * vectors.width) + 100 + needs.row_bytes(vectors.width)


def _sizes(size: int) -> Iterator[int]:
    while size >= LEAST:
        yield size
        size //= 2


def _smallest(needs: FilterNeeds) -> int:
    *_, smallest = _sizes(needs.largest)
    return smallest


def _too_small(memory: int, least: int) -> FashretError:
    return FashretError(
        f"a memory budget of {memory:,} bytes is too small for this; the least is {least:,} bytes: "
        f"give --memory {-(-least // 10**6)}MB or more"
    )
