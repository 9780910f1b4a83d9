"""Parquet tables (the extra `parquet`), and photos that lie inside of one.

In: a path. Out: columns as Python values; or, row by row, the bytes of the column `image`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashret.errors import FashretError
from fashret.files.photo_folders import MissingPhotoError, PhotoError, photo_path

GROUPS_KEPT = 2  # row groups in memory; rows are asked for nearly in order


def parquet_names(path: Path) -> list[str]:
    """Names of a table's columns."""
    return list(_open(path).schema_arrow.names)


def read_columns(path: Path, names: Sequence[str]) -> dict[str, list[Any]]:
    """Some columns of a table, as lists of Python values.

    Raises
    ------
    FashretError
        If it cannot be read, or pyarrow is not installed.
    """
    table = _attempt(path, lambda: _open(path).read(columns=list(names)))
    return {name: table[name].to_pylist() for name in names}


def row_count(path: Path) -> int:
    """Number of rows, from the file's footer."""
    return int(_open(path).metadata.num_rows)


def _open(path: Path) -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise FashretError(f"{path}: reading Parquet needs pyarrow: pip install 'fashret[parquet]'") from None
    return _attempt(path, lambda: parquet.ParquetFile(path))


def _attempt(path: Path, action: Any) -> Any:
    from pyarrow import ArrowException

    try:
        return action()
    except (ArrowException, OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FashretError(f"{path}: is not a sound Parquet table ({reason})") from None


class ParquetPhotos:
    """Photos in the column `image` of Parquet tables, as bytes, or in a struct with `bytes` or `path`.

    A source is `<table relative to the root>#<row>`. Safe to use from several threads.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lock = Lock()
        self.files: dict[str, Any] = {}
        self.groups: OrderedDict[tuple[str, int], list[Any]] = OrderedDict()

    def present(self, sources: Iterable[str]) -> NDArray[np.bool_]:
        """All of them: a table that can be opened has its rows."""
        return np.ones(len(list(sources)), bool)

    def read(self, source: str) -> bytes:
        """The encoded photo of one row. Raises PhotoError."""
        table, _, row = source.rpartition("#")
        with self.lock:
            cell = self._cell(table, int(row))
        if isinstance(cell, dict):
            cell = cell.get("bytes") or cell.get("path")
        if isinstance(cell, str):
            return _beside(photo_path(self.root, table).parent, cell)
        if not cell:
            raise MissingPhotoError("the table holds no photo here")
        return bytes(cell)

    def _cell(self, table: str, row: int) -> Any:
        if table not in self.files:
            self.files[table] = _open(photo_path(self.root, table))
        metadata = self.files[table].metadata
        sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        ends = np.cumsum(sizes)
        group = int(np.searchsorted(ends, row, side="right"))
        if (table, group) not in self.groups:
            try:
                column = _attempt(self.root / table, lambda: self.files[table].read_row_group(group, columns=["image"]))
            except FashretError as error:
                raise PhotoError(str(error)) from None
            self.groups[table, group] = column["image"].to_pylist()
            while len(self.groups) > GROUPS_KEPT:
                self.groups.popitem(last=False)
        return self.groups[table, group][row - int(ends[group] - sizes[group])]


def _beside(folder: Path, name: str) -> bytes:
    """A photo that the table names instead of holding it."""
    try:
        path = photo_path(folder, name)
    except FashretError as error:
        raise PhotoError(str(error)) from None
    if not path.is_file():
        raise MissingPhotoError("no such photo")
    return path.read_bytes()
