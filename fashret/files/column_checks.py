"""Are the datasets of a file of the shapes and types that its kind says?

In: an open file and what is expected of each dataset. Out: nothing, or one line with the first that is something else;
and numbers in the type that fashret works with, checked to fit in it. Other software may write a column of any type
that holds the same values (int64 for int16, text of fixed length), and as N×1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fashret.console import counted
from fashret.errors import FashretError
from fashret.files.stored import damage

KINDS = {"text": "", "whole numbers": "iu", "numbers": "fiu", "fractions": "f"}  # → letters of numpy's types


@dataclass(frozen=True)
class Column:
    """What a dataset is expected to be: N rows, each of a shape (None: any length) and of one of `KINDS`."""

    kind: str
    row: tuple[int | None, ...] = ()

    def fits(self, dataset: h5py.Dataset) -> bool:
        """Whether a dataset is that."""
        shape = dataset.shape[1:] if dataset.shape else (0, 0, 0)
        if not self.row and set(shape) <= {1}:
            shape = ()  # N×1
        same = len(shape) == len(self.row) and all(n in (None, m) for n, m in zip(self.row, shape, strict=True))
        is_text = h5py.check_string_dtype(dataset.dtype) is not None
        return same and (is_text if self.kind == "text" else dataset.dtype.kind in KINDS[self.kind])

    def __str__(self) -> str:
        lengths = [name if length is None else str(length) for name, length in zip("DEF", self.row, strict=False)]
        return f"{'×'.join(['N', *lengths])} {self.kind}"


ROW_COLUMNS = {  # of crops.h5 and embeddings.h5, as `fashret.files.columns` describes them
    **dict.fromkeys(("crop_id", "source", "product"), Column("text")),
    "box": Column("numbers", (4,)),
    **dict.fromkeys(("role", "domain", "category"), Column("whole numbers")),
}
LARGEST = {"role": 255, "domain": 1, "category": np.iinfo(np.int16).max}


def check_columns(file: h5py.File, expected: Mapping[str, Column]) -> None:
    """Refuse a file of which a dataset is something else than expected.

    Raises
    ------
    FashretError
        With its shape and type.
    """
    for name, column in expected.items():
        with damage(file, name):
            dataset = file[name]
            if not column.fits(dataset):
                is_text = h5py.check_string_dtype(dataset.dtype) is not None
                found = f"{'text' if is_text else dataset.dtype} of shape {dataset.shape}"
                raise FashretError(f"{file.filename}: {name} should be {column} and is {found}; write the file again")


def check_lengths(file: h5py.File, names: tuple[str, ...]) -> None:
    """Refuse columns of unequal length, or with more rows than the file has bytes.

    Raises
    ------
    FashretError
        With the lengths.
    """
    lengths = {name: len(file[name]) for name in names}
    if len(set(lengths.values())) > 1:
        raise FashretError(f"{file.filename}: its columns differ in length: {lengths}; write the file again")
    if max(lengths.values(), default=0) > (size := file.id.get_filesize()):
        raise FashretError(
            f"{file.filename}: claims {counted(max(lengths.values()), 'row')} in {size:,} bytes; "
            "make or copy the file again"
        )


def fitted(values: NDArray[Any], kind: np.dtype[Any], most: int, where: str, start: int = 0) -> NDArray[Any]:
    """Whole numbers of any type in another one, no larger than `most`; `start`: the row of the first.

    Raises
    ------
    FashretError
        If one does not fit: with its row.
    """
    least = np.iinfo(kind).min
    if values.size and (int(values.min()) < least or int(values.max()) > most):
        row = int(np.argmax((values < least) | (values > most)))
        raise FashretError(f"{where} {values[row]} of row {start + row} is not one of {least:,} to {most:,}")
    return values.astype(kind, copy=False)


def named(numbers: NDArray[np.int16], names: Sequence[str], where: str, start: int = 0) -> NDArray[np.int16]:
    """Indices into names, each of which must be there; all that are below zero become −1.

    Raises
    ------
    FashretError
        If there are fewer names: with the row.
    """
    nameless = numbers >= len(names)
    if nameless.any():
        row = int(np.argmax(nameless))
        raise FashretError(
            f"{where} {numbers[row]} of row {start + row} has no name among the {len(names):,} of the attribute "
            "categories; write all names (JSON or a list of texts), or −1 for no category"
        )
    return np.maximum(numbers, np.int16(-1))
