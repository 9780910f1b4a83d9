"""Further columns: whatever else a table says of its rows (title, price, brand, stock …), typed and nullable.

In: columns in memory, or a group of an open HDF5 file. Out: the group `columns/` of crops.h5 and embeddings.h5, one
dataset per column in the order of the table, with the attribute `type`; or the values again, block by block.

    type      dataset      null
    text      N utf-8      empty
    integer   N int64      −2^63
    number    N float64    NaN, or infinite
    boolean   N int8, 0/1  −1
    date      N utf-8      empty; ISO 8601: 2026-11-29, or 2026-11-29T08:30:00 in UTC, with a Z where it was said
    empty     N utf-8      all rows: nobody knows yet what it holds

A name is any UTF-8 text without slash and zero byte, but for the single dot. A dataset of other software without `type`
is what its numbers or texts are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fashret.errors import FashretError
from fashret.files import stored

GROUP = "columns"
LONGEST_NAME = 200  # characters
NO_INTEGER = int(np.iinfo(np.int64).min)
TEXT = h5py.string_dtype("utf-8")

UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # a zero byte, and halves of characters


@dataclass(frozen=True)
class Kind:
    """How columns of one type are stored."""

    stored: Any  # type of HDF5
    null: Any
    letters: str = "O"  # of numpy's types that a dataset of other software may have; "O" = text


KINDS = {
    "text": Kind(TEXT, ""),
    "integer": Kind(np.dtype("int64"), NO_INTEGER, "iu"),
    "number": Kind(np.dtype("float64"), math.nan, "fiu"),
    "boolean": Kind(np.dtype("int8"), -1, "biu"),
    "date": Kind(TEXT, ""),
    "empty": Kind(TEXT, ""),
}
GUESSED = {"O": "text", "i": "integer", "u": "integer", "f": "number", "b": "boolean"}  # letter of numpy's type → type


@dataclass(frozen=True)
class FurtherColumn:
    """N values of one type in memory, as they are stored: texts as an object array of str."""

    kind: str
    values: NDArray[Any]

    @classmethod
    def of_nulls(cls, kind: str, count: int) -> FurtherColumn:
        """A column in which no row has a value."""
        about = KINDS[kind]
        return cls(kind, np.full(count, about.null, object if about.stored is TEXT else about.stored))

    def __len__(self) -> int:
        return len(self.values)

    def take(self, index: NDArray[Any] | slice) -> FurtherColumn:
        """Values of some rows by position, mask or slice."""
        return FurtherColumn(self.kind, self.values[index])

    @property
    def is_null(self) -> NDArray[np.bool_]:
        """Which rows have no value."""
        null = KINDS[self.kind].null
        return ~np.isfinite(self.values) if self.kind == "number" else np.asarray(self.values == null, np.bool_)

    def plain(self) -> list[Any]:
        """Values of Python (str, int, float, bool), None for null.

        >>> FurtherColumn("boolean", np.array([1, -1, 0], np.int8)).plain()
        [True, None, False]
        """
        values = self.values.astype(bool) if self.kind == "boolean" else self.values
        return [None if null else value for value, null in zip(values.tolist(), self.is_null.tolist(), strict=True)]

    def become(self, kind: str) -> FurtherColumn:
        """The same values in a wider type, as `wider` gives it.

        >>> FurtherColumn("number", np.array([19.0, 2.5, math.nan])).become("text").values.tolist()
        ['19', '2.5', '']
        """
        if kind == self.kind:
            return self
        made = FurtherColumn.of_nulls(kind, len(self))
        there = ~self.is_null
        values = self.take(there).plain()
        made.values[there] = list(map(in_words, values)) if kind == "text" else values
        return made


def in_words(value: Any) -> str:
    """A value of a column as text: null is empty, whole numbers have no decimals.

    >>> [in_words(value) for value in (True, 3, 19.0, 0.1, "a", None)]
    ['true', '3', '19', '0.1', 'a', '']
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return "" if value is None else str(value)


def wider(one: str, other: str) -> str:
    """The narrowest type that holds values of both.

    >>> wider("integer", "number"), wider("empty", "date"), wider("boolean", "integer")
    ('number', 'date', 'text')
    """
    if one == other or "empty" in (one, other):
        return other if one == "empty" else one
    return "number" if {one, other} == {"integer", "number"} else "text"


def name_fault(name: str) -> str:
    """Why a column cannot have a name; empty if it can.

    >>> name_fault("price (€)"), name_fault("a/b")
    ('', 'has a slash')
    """
    if "/" in name:
        return "has a slash"
    if name in ("", ".") or UNSTORABLE.search(name):
        return "is no name"
    return f"has more than {LONGEST_NAME} characters" if len(name) > LONGEST_NAME else ""


DATE = re.compile(r"\d{4}-\d\d-\d\d(?P<time>[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)


def iso_date(text: str) -> str | None:
    """A date or time of day in the form that columns hold, and that `in_utc` compares; None if it is none.

    >>> iso_date("2026-11-29"), iso_date("2026-11-29 08:30"), iso_date("2026-11-29T08:30:00+02:00")
    ('2026-11-29', '2026-11-29T08:30:00', '2026-11-29T06:30:00Z')
    >>> iso_date("2026-11-31"), iso_date("29.11.2026")
    (None, None)
    """
    found = DATE.fullmatch(text)
    if found is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment.isoformat().replace("+00:00", "Z") if found["time"] else text


def in_utc(date: str) -> str:
    """A date as columns hold it, in the form that sorts as text: a time without a zone is in UTC, as one with a Z is.

    >>> in_utc("2026-11-29T06:30:00Z"), in_utc("2026-11-29T06:30:00"), in_utc("2026-11-29")
    ('2026-11-29T06:30:00', '2026-11-29T06:30:00', '2026-11-29')
    """
    return date.removesuffix("Z")


def further_kinds(file: h5py.File, count: int) -> dict[str, str]:
    """The further columns of an open file of `count` rows and their types, in order; nothing of them is read.

    Raises
    ------
    FashretError
        If one is no dataset, or of another type, shape or length than its type says.
    """
    with stored.damage(file, GROUP):
        group = file.get(GROUP, {})
        if not isinstance(group, h5py.Group | dict):
            raise FashretError(f"{file.filename}: {GROUP} should be a group of columns; write the file again")
        return {name: _kind_of(file, name, count) for name in group}


def _kind_of(file: h5py.File, name: str, count: int) -> str:
    where = f"{file.filename}: {GROUP}/{name}"
    if fault := name_fault(name) if isinstance(name, str) else "is not UTF-8":  # h5py has bytes for such a one
        raise FashretError(f"{where}: its name {fault}; write the file again")
    dataset = file[GROUP].get(name)
    if not isinstance(dataset, h5py.Dataset):
        raise FashretError(f"{where} should be a dataset; write the file again")
    letter = "O" if h5py.check_string_dtype(dataset.dtype) is not None else dataset.dtype.kind
    kind = _told(dataset) or GUESSED.get(letter, "")
    found = f"{'text' if letter == 'O' else dataset.dtype} of shape {dataset.shape}"
    if kind not in KINDS:
        raise FashretError(f"{where} is {kind or found}; fashret knows {', '.join(KINDS)}; write the file again")
    shape = dataset.shape or ()
    if letter not in KINDS[kind].letters or shape[:1] != (count,) or not set(shape[1:]) <= {1}:
        raise FashretError(
            f"{where} should be {kind}, one value for each of {count:,} rows, and is {found}; write the file again"
        )
    return kind


def _told(dataset: h5py.Dataset) -> str:
    """The attribute `type` of a column; empty if it has none."""
    if "type" not in dataset.attrs:
        return ""
    shape, value = dataset.attrs.get_id("type").shape, None
    if shape in ((), (1,)):
        value = dataset.attrs["type"]
        value = value[0] if shape else value
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value[:40] if isinstance(value, str) else "of a type that is no text"


def read_further(file: h5py.File, name: str, kind: str, start: int, stop: int) -> FurtherColumn:
    """Rows start ≤ i < stop of a column whose type `further_kinds` gave.

    Raises
    ------
    FashretError
        If it cannot be read, or a value is not one of its type.
    """
    path = f"{GROUP}/{name}"
    values = stored.read_slice(file, path, start, stop).reshape(-1)
    if KINDS[kind].stored is TEXT:
        return FurtherColumn(kind, values)
    if kind == "number":
        values = np.asarray(values, np.float64)
        return FurtherColumn(kind, np.where(np.isfinite(values), values, np.nan))
    odd = values > (1 if kind == "boolean" else np.iinfo(np.int64).max)
    if odd.any():
        row = int(np.argmax(odd))
        raise FashretError(f"{file.filename}: {path} {values[row]} of row {start + row} is no {kind}")
    if kind == "boolean" and values.dtype.kind == "i":
        values = np.maximum(values, -1)
    return FurtherColumn(kind, values.astype(KINDS[kind].stored))


def read_further_rows(
    file: h5py.File, name: str, kind: str, rows: NDArray[np.int64], step: int = 4096
) -> FurtherColumn:
    """Some rows of a column, in any order; at most `step` neighbours are read at once."""
    asked, place = np.unique(rows, return_inverse=True)
    found = FurtherColumn.of_nulls(kind, len(asked))
    ends = np.flatnonzero(np.diff(asked // step)) + 1
    for part in np.split(np.arange(len(asked)), ends) if len(asked) else ():
        first, last = int(asked[part[0]]), int(asked[part[-1]])
        block = read_further(file, name, kind, first, last + 1)
        found.values[part] = block.values[asked[part] - first]
    return found.take(place)


def append_further(file: h5py.File, columns: Mapping[str, FurtherColumn], start: int, stop: int) -> None:
    """Write rows start ≤ i < stop behind those that are there; a column that these or those lack is null there.

    A column that is there has to be of the same type.
    """
    if GROUP not in file and not columns:
        return
    group = file[GROUP] if GROUP in file else file.create_group(GROUP, track_order=True)
    for name, column in columns.items():
        if name not in group:
            about = KINDS[column.kind]
            null = None if about.stored is TEXT else about.null
            made = group.create_dataset(name, (start,), about.stored, maxshape=(None,), chunks=(4096,), fillvalue=null)
            made.attrs["type"] = column.kind
    for name in group:
        group[name].resize(stop, axis=0)
        if name in columns and stop > start:
            if group[name].attrs["type"] != columns[name].kind:
                raise ValueError(f"{name}: {columns[name].kind} after {group[name].attrs['type']}")
            group[name][start:stop] = columns[name].values
