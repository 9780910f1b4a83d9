"""Vectors of a search: selections of rows of stored matrices, read block by block.

In: a :class:`VectorSet`, a selection of rows of a stored matrix. Out: :class:`Block` after block, checked, as the
definition of a distance needs them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fashret.errors import FashretError
from fashret.knn.distance import frozen, squared_norms

NO_LENGTH = 1e-36  # sum of squares below which a vector has no cosine
LONGEST = 1e36  # largest sum of squares that the float32 bounds can hold (euclidean)
NAMED_ROWS = 5  # bad rows named in a message


@dataclass(frozen=True)
class VectorSet:
    """Queries or gallery: a selection of rows of one stored matrix.

    ``vectors``: M×D float32 or float16, an array or ``numpy.memmap`` (the whole file). ``rows``: n int64, the selected
    rows, strictly ascending but in groups. ``product``, ``category``: n int64 codes that queries and gallery share; −1:
    unlabelled, in no category. ``name``: what messages call it, e.g. the file's name. ``numbers``: n int64, ascending,
    by which a row is known in the gallery's matrix, if not by its own row. ``identity``: n int64, codes that queries
    and gallery share; rows of the same code are the same and never find each other. None: rows of one matrix know
    themselves by their numbers, and those of two matrices are all different. ``group``: n int64 codes; rows of the same
    code adjoin and are found as one, the nearest of them. None: each row stands for itself.
    """

    vectors: NDArray
    rows: NDArray[np.int64]
    product: NDArray[np.int64]
    category: NDArray[np.int64]
    name: str = "vectors"
    numbers: NDArray[np.int64] | None = None
    identity: NDArray[np.int64] | None = None
    group: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, vectors: Any, product: Any = None, category: Any = None, name: str = "vectors") -> VectorSet:
        """All rows of a matrix; without ``product`` unlabelled, without ``category`` in no category.

        Raises
        ------
        FashretError
            If the vectors are not a matrix of numbers, or the codes are not one whole number per row.

        >>> rows = VectorSet.of([[1, 0], [0, 1]], product=[7, -1])
        >>> rows.vectors.dtype, rows.rows, rows.product, rows.category
        (dtype('float32'), array([0, 1]), array([ 7, -1]), array([-1, -1]))
        """
        try:
            matrix = np.asarray(vectors)
        except ValueError:
            raise FashretError(f"{name}: should be a matrix of numbers, and its rows differ in length") from None
        if matrix.ndim != 2 or matrix.dtype.kind not in "fiu":
            raise FashretError(f"{name}: should be a matrix of numbers, one row per vector, and are {_kind(matrix)}")
        if matrix.dtype not in (np.float32, np.float16):
            matrix = matrix.astype(np.float32)
        codes = []
        for column, given in {"product": product, "category": category}.items():
            code = np.full(len(matrix), -1) if given is None else np.asarray(given)
            if code.shape != matrix.shape[:1] or (len(code) and code.dtype.kind not in "iu"):
                raise FashretError(
                    f"{name}: {column} should be one whole number per row ({len(matrix):,}) and is {_kind(code)}"
                )
            codes.append(code.astype(np.int64))
        return cls(matrix, np.arange(len(matrix)), codes[0], codes[1], name)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def width(self) -> int:
        """D, the length of a vector."""
        return int(self.vectors.shape[1])

    @property
    def is_mapped(self) -> bool:
        """Whether blocks are views of the stored matrix: contiguous float32 rows without gaps."""
        return self.vectors.dtype == np.float32 and self.vectors.flags.c_contiguous and without_gaps(self.rows)

    def take(self, index: NDArray) -> VectorSet:
        """A part of the selection; ``index`` ascending, or such that groups adjoin."""
        optional = self.numbers, self.identity, self.group
        numbers, identity, group = (None if codes is None else codes[index] for codes in optional)
        product, category = self.product[index], self.category[index]
        return VectorSet(self.vectors, self.rows[index], product, category, self.name, numbers, identity, group)

    def in_groups(self, group: NDArray[np.int64]) -> VectorSet:
        """The same rows, of which those of one group adjoin and are found as one; ``group``: n codes.

        >>> rows = VectorSet.of([[1, 0], [0, 1], [1, 1]]).in_groups(np.array([5, 2, 5]))
        >>> rows.rows, rows.group
        (array([1, 0, 2]), array([2, 5, 5]))
        """
        return replace(self, group=group).take(np.argsort(group, kind="stable"))

    @property
    def known_as(self) -> NDArray[np.int64]:
        """The numbers of its rows in the gallery's matrix."""
        return self.rows if self.numbers is None else self.numbers

    @property
    def itself(self) -> NDArray[np.int64]:
        """What tells a row from all others: the same for rows that never find each other."""
        return self.known_as if self.identity is None else self.identity


def most_of_itself(queries: VectorSet, gallery: VectorSet, same_matrix: bool) -> int:
    """How many gallery rows at most are the same as one query; 0: rows of two matrices, which are all different."""
    if gallery.identity is None:
        return int(same_matrix)
    shared = gallery.identity[np.isin(gallery.identity, queries.itself)]
    return max(int(same_matrix), int(np.unique(shared, return_counts=True)[1].max(initial=0)))


class BlockData(NamedTuple):
    """A block of n rows as the definition of a distance needs them."""

    vectors: NDArray[np.float32]  # n×D, read-only
    squares: NDArray[np.float64]  # n, sums of squares by definition
    numbers: NDArray[np.int64]  # n, ascending but in groups; they break ties
    product: NDArray[np.int64]  # n
    category: NDArray[np.int64]  # n
    identity: NDArray[np.int64]  # n, the same for rows that are the same
    group: NDArray[np.int64]  # n, the same for adjoining rows that are found as one


class BlockPair(NamedTuple):
    """Two blocks that are compared: each row of the one with each row ("column") of the other."""

    rows: BlockData
    columns: BlockData
    cosine: bool

    @property
    def turned(self) -> BlockPair:
        """The same with rows and columns exchanged."""
        return BlockPair(self.columns, self.rows, self.cosine)


@dataclass(frozen=True)
class Block:
    """Adjoining rows of a selection, ``start`` … ``stop`` in its count; ``forms``: rounded, by arithmetic."""

    start: int
    stop: int
    data: BlockData
    cosine: bool
    forms: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.stop - self.start

    def part(self, start: int, stop: int) -> Block:
        """Some of its rows, without a copy."""
        data = BlockData._make(column[start:stop] for column in self.data)
        return Block(self.start + start, self.start + start + len(data.numbers), data, self.cosine)


def load_block(vectors: VectorSet, start: int, stop: int, cosine: bool, before: int = 0) -> Block:
    """Rows ``start`` … ``stop`` of the selection; ``before``: rows that are counted before it.

    Raises
    ------
    FashretError
        If a vector has NaN or infinite values, or (cosine) no length; names the rows.
    """
    rows = vectors.rows[start:stop]
    stored = frozen(vectors.vectors[rows[0] : rows[-1] + 1] if without_gaps(rows) else vectors.vectors[rows])
    squares = squared_norms(stored)
    _check(vectors.name, rows, squares, cosine)
    group = vectors.known_as if vectors.group is None else vectors.group
    columns = vectors.known_as, vectors.product, vectors.category, vectors.itself, group
    data = BlockData(stored, squares, *(column[start:stop] for column in columns))
    return Block(before + start, before + stop, data, cosine)


def load_blocks(vectors: VectorSet, size: int, cosine: bool) -> Iterator[Block]:
    """The whole selection in blocks of ``size``."""
    for start in range(0, len(vectors), size):
        yield load_block(vectors, start, min(start + size, len(vectors)), cosine)


def load_all(sets: Sequence[VectorSet], size: int, cosine: bool, first: int = 0) -> Iterator[Block]:
    """The rows of all sets, counted through, in blocks of ``size``, from row ``first`` on."""
    before = 0
    for vectors in sets:
        for start in range(max(0, first - before), len(vectors), size):
            yield load_block(vectors, start, min(start + size, len(vectors)), cosine, before)
        before += len(vectors)


def without_gaps(rows: NDArray[np.int64]) -> bool:
    """Whether rows follow each other one by one."""
    return bool(len(rows)) and bool(rows[-1] - rows[0] + 1 == len(rows)) and bool((np.diff(rows) == 1).all())


def _kind(array: NDArray) -> str:
    """What an array is, for messages."""
    return f"{array.dtype} of shape {array.shape}"


def _check(name: str, rows: NDArray[np.int64], squares: NDArray[np.float64], cosine: bool) -> None:
    faults = {
        "hold NaN or infinite values": ~np.isfinite(squares),
        "have length 0, so that they have no cosine": (squares < NO_LENGTH) & cosine,
        "are longer than 1e18": (squares > LONGEST) & (not cosine) & np.isfinite(squares),
    }
    for fault, bad in faults.items():
        if bad.any():
            named = ", ".join(str(row) for row in rows[bad][:NAMED_ROWS])
            named += f" and {bad.sum() - NAMED_ROWS} more nearby" if bad.sum() > NAMED_ROWS else ""
            raise FashretError(f"{name}: vectors of rows {named} {fault}; embed these rows again or leave them out")
