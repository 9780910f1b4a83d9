"""Rows: one per (photo, box, product). What every dataset reader gives, and the columns of crops.h5 and embeddings.h5.

In: columns, from a manifest or from an HDF5 file. Out: `Rows`, the columns in memory, or `RowFile`, the same
columns of an open file, each read when it is first asked for.

Columns (N rows)
    crop_id   utf-8, unique over the file: a function of source, box and product
    source    utf-8, path of the photo relative to the root, with forward slashes
    box       N×4 float32, x1 y1 x2 y2 in pixels of the photo as stored, 0-based, half-open; NaN = the whole photo
    product   utf-8, the identity, unique over the file; empty = unlabelled: never a query's positive
    role      uint8, bits of `Role`: what the stages go by
    domain    uint8, `Domain`: a description
    category  int16, index into the attribute `categories`; −1 = none
    columns/NAME  whatever else is known of the rows (`fashret.files.further_columns`)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from fashret.errors import FashretError
from fashret.files import hdf5, stored
from fashret.files.column_checks import LARGEST, ROW_COLUMNS, check_columns, check_lengths, fitted, named
from fashret.files.digests import Content
from fashret.files.further_columns import FurtherColumn, append_further, further_kinds, read_further, read_further_rows


class Role(IntFlag):
    """What a row is used for; a row may have several roles, or none."""

    TRAIN = 1
    QUERY = 2
    GALLERY = 4
    VAL_QUERY = 8
    VAL_GALLERY = 16


class Domain(IntEnum):
    """Where a photo comes from."""

    STREET = 0
    SHOP = 1


TEXT = h5py.string_dtype("utf-8")
COLUMNS = {  # name → type and shape of one row
    "crop_id": (TEXT, ()),
    "source": (TEXT, ()),
    "box": (np.dtype("float32"), (4,)),
    "product": (TEXT, ()),
    "role": (np.dtype("uint8"), ()),
    "domain": (np.dtype("uint8"), ()),
    "category": (np.dtype("int16"), ()),
}


OF_ROWS = tuple(name for name in COLUMNS if name != "crop_id")  # what rows have in memory


@dataclass(frozen=True)
class Rows:
    """Columns of N rows in memory; see the module's docstring for their meaning.

    Raises
    ------
    FashretError
        If the columns differ in length.
    """

    source: NDArray[np.object_]
    box: NDArray[np.float32]
    product: NDArray[np.object_]
    role: NDArray[np.uint8]
    domain: NDArray[np.uint8]
    category: NDArray[np.int16]
    categories: tuple[str, ...] = ()
    further: dict[str, FurtherColumn] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {name: len(getattr(self, name)) for name in OF_ROWS}
        lengths |= {name: len(column) for name, column in self.further.items()}
        if len(set(lengths.values())) > 1:
            raise FashretError(f"columns differ in length: {lengths}")

    def __len__(self) -> int:
        return len(self.source)

    @property
    def crop_id(self) -> NDArray[np.object_]:
        """One name per row, the same for the same (source, box, product) in every file."""
        boxes = self.box.tolist()  # as Python's numbers, which format ten times faster than numpy's
        return text_array(map(crop_name, self.source, boxes, self.product))

    def take(self, index: NDArray[Any] | slice) -> Rows:
        """Select rows by position, mask or slice."""
        columns = {name: getattr(self, name)[index] for name in OF_ROWS}
        further = {name: column.take(index) for name, column in self.further.items()}
        return Rows(**columns, categories=self.categories, further=further)

    def with_role(self, role: Role) -> NDArray[np.int64]:
        """Ascending positions of the rows that have any of the given roles."""
        return np.flatnonzero(self.role & int(role))


def crop_name(source: str, box: Sequence[float], product: str) -> str:
    """Name of one (photo, box, product), without looking at any other row.

    >>> crop_name("a/b.jpg", [1, 2, 30, 40.5], "bags/286")
    'a/b.jpg#1,2,30,40.5#bags/286'
    >>> crop_name("b#1.jpg", [float("nan")] * 4, "")
    'b%231.jpg##'
    """
    x1, y1, x2, y2 = box
    whole = x1 != x1 or y1 != y1 or x2 != x2 or y2 != y2  # only NaN differs from itself
    corners = "" if whole else f"{x1:.10g},{y1:.10g},{x2:.10g},{y2:.10g}"
    return f"{_escaped(source)}#{corners}#{_escaped(product)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("#", "%23") if "%" in text or "#" in text else text


def text_array(texts: Any) -> NDArray[np.object_]:
    """Make a one-dimensional object array of str from any iterable of them."""
    texts = list(texts)
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array


def blocks(rows: Rows | RowFile, chosen: NDArray[np.int64], size: int = 4096) -> Iterator[Rows]:
    """Chosen rows (ascending positions) in blocks; at most `size` rows of a file are in memory at once."""
    for start in range(0, len(rows), size):
        first, last = np.searchsorted(chosen, (start, start + size))
        if first < last:
            stop = min(start + size, len(rows))
            block = rows.block(start, stop) if isinstance(rows, RowFile) else rows.take(slice(start, stop))
            yield block if last - first == stop - start else block.take(chosen[first:last] - start)


def create_columns(file: h5py.File, categories: tuple[str, ...], chunk: int = 4096) -> None:
    """Create the seven columns, empty and extensible."""
    for name, (kind, shape) in COLUMNS.items():
        file.create_dataset(name, (0, *shape), kind, maxshape=(None, *shape), chunks=(chunk, *shape))
    hdf5.write_json(file, "categories", list(categories))


def append_columns(file: h5py.File, rows: Rows) -> None:
    """Append rows to those that are there."""
    start = len(file["role"])
    for name in COLUMNS:
        dataset = file[name]
        dataset.resize(start + len(rows), axis=0)
        if len(rows):
            dataset[start:] = getattr(rows, name)
    append_further(file, rows.further, start, start + len(rows))


class RowFile:
    """An open HDF5 file with the columns of `Rows`; each column is read when it is first asked for.

    It can be sent to another process, which opens the file again.
    """

    kind = ""  # the attribute `format` that the file must have
    version = 1  # the newest `format_version` that can be read
    needed: tuple[str, ...] = ()  # datasets besides the columns

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.file = hdf5.open_file(self.path, self.kind, self.version, (*COLUMNS, *self.needed))
        with hdf5.closed_on_error(self.file):
            self.content = Content(self.path)  # the whole file's bytes
            check_columns(self.file, ROW_COLUMNS)
            self.check_needed()
            check_lengths(self.file, (*COLUMNS, *self.needed))
            self.further_kinds = further_kinds(self.file, len(self))  # name → type, in the order of the table

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[type[Self], tuple[Path]]:
        return type(self), (self.path,)

    def __len__(self) -> int:
        return len(self._dataset("role"))

    def check_needed(self) -> None:
        """Check the datasets of one kind of file, besides the columns."""

    def check_values(self) -> None:
        """Read what has to be one of a few numbers, once, without keeping it."""
        for name in LARGEST:
            self.column(name)

    def close(self) -> None:
        """Close the file; columns that were read stay usable."""
        self.file.close()

    @cached_property
    def crop_id(self) -> NDArray[np.object_]:
        """One name per row, unique over the file."""
        return self.column("crop_id")

    @cached_property
    def source(self) -> NDArray[np.object_]:
        """Path of each row's photo, relative to the root."""
        return self.column("source")

    @cached_property
    def product(self) -> NDArray[np.object_]:
        """Identity of each row's product; empty = unlabelled."""
        return self.column("product")

    @cached_property
    def box(self) -> NDArray[np.float32]:
        """N×4, x1 y1 x2 y2 in pixels of the photo as stored; NaN = the whole photo."""
        return self.column("box")

    @cached_property
    def role(self) -> NDArray[np.uint8]:
        """Bits of `Role` of each row."""
        return self.column("role")

    @cached_property
    def domain(self) -> NDArray[np.uint8]:
        """`Domain` of each row."""
        return self.column("domain")

    @cached_property
    def category(self) -> NDArray[np.int16]:
        """Index into `categories`; −1 where there is none."""
        return self.column("category")

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """Names that `category` counts through."""
        return tuple(hdf5.read_texts(self.file, "categories") or ())

    @property
    def dataset(self) -> str:
        """Name of the dataset that these rows describe; empty if unknown."""
        return hdf5.setting(self.file, "dataset", "")

    @property
    def rows(self) -> Rows:
        """All columns in memory."""
        columns = {name: getattr(self, name) for name in OF_ROWS}
        return Rows(**columns, categories=self.categories, further=self.further(0, len(self)))

    def with_role(self, role: Role) -> NDArray[np.int64]:
        """Ascending positions of the rows that have any of the given roles."""
        return np.flatnonzero(self.role & int(role))

    def block(self, start: int, stop: int) -> Rows:
        """Columns of the rows start ≤ i < stop, read without keeping them."""
        columns = {name: self.column(name, start, stop) for name in OF_ROWS}
        return Rows(**columns, categories=self.categories, further=self.further(start, stop))

    def further(self, start: int, stop: int) -> dict[str, FurtherColumn]:
        """Further columns of the rows start ≤ i < stop, read without keeping them."""
        return {n: read_further(self.file, n, kind, start, stop) for n, kind in self.further_kinds.items()}

    def further_column(self, name: str, rows: NDArray[np.int64]) -> FurtherColumn:
        """Some rows of one further column, in any order, read without keeping them."""
        return read_further_rows(self.file, name, self.further_kinds[name], rows)

    def further_values(self, rows: Sequence[int] | NDArray[np.int64]) -> list[dict[str, Any]]:
        """What the further columns say of each of some rows: name → value, None for null."""
        each = {name: self.further_column(name, np.asarray(rows, np.int64)).plain() for name in self.further_kinds}
        return [{name: values[i] for name, values in each.items()} for i in range(len(rows))]

    def _dataset(self, name: str) -> h5py.Dataset:
        return self.file[name]

    def column(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Rows start ≤ i < stop of a column as `COLUMNS` says, whichever types and N×1 the file has them in."""
        kind, row = COLUMNS[name]
        values = stored.read_slice(self.file, name, start, len(self) if stop is None else stop)
        values = values.reshape(len(values), *row)
        if name in LARGEST:
            values = fitted(values, kind, LARGEST[name], f"{self.path}: {name}", start)
        elif kind is not TEXT:
            values = np.asarray(values, kind)
        return named(values, self.categories, f"{self.path}: category", start) if name == "category" else values
