"""Parquet tables (the extra `parquet`), and photos stored in one.

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
from fashret.files.photo_sources import (
    MissingPhotoError,
    PhotoError,
    PhotoFolder,
    file_bytes,
    photo_path,
    relative_source,
)

GROUPS_KEPT = 2  # row groups in memory; rows are read nearly in order
BATCH = 64  # photos in memory while cells are checked


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


def check_photo_column(path: Path) -> None:
    """Check by its type that the column `image` can hold photos.

    Raises
    ------
    FashretError
        If it is of another type, or the table cannot be read.
    """
    kind = _image_type(path)
    if not _photo_columns(kind):
        wanted = "expected bytes, text (a path), or a struct with bytes or path"
        raise FashretError(f"{path}: the column image is of the type {str(kind)[:60]}; {wanted}")


def _image_type(path: Path) -> Any:
    return _attempt(path, lambda: _open(path).schema_arrow.field("image").type)


def _photo_columns(kind: Any) -> dict[str, str]:
    """What a column `image` of this type holds, "bytes", "path" or both, and the column of the file that has it."""
    from pyarrow import types

    if not types.is_struct(kind):
        return {what: "image" for what in _held(kind)[:1]}
    fields = {field.name: field.type for field in kind if field.name in ("bytes", "path")}
    return {what: f"image.{what}" for what in fields if all(name in _held(fields[name]) for name in fields)}


def _held(kind: Any) -> tuple[str, ...]:
    """What values of a type are, "bytes" or "path"; the type of an empty column can be either."""
    from pyarrow import types

    kind = kind.value_type if types.is_dictionary(kind) else kind
    if types.is_null(kind):
        return "bytes", "path"
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return ("path",)
    binary = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary, types.is_binary_view)
    return ("bytes",) if any(is_kind(kind) for is_kind in binary) else ()


class ParquetPhotos:
    """Photos in the column `image` of Parquet tables, as bytes, or in a struct with `bytes` or `path`.

    A source is `<table relative to the root>#<row>`. Safe to use from several threads.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lock = Lock()
        self.files: dict[str, Any] = {}
        self.groups: OrderedDict[tuple[str, int], list[Any]] = OrderedDict()
        self.inside: dict[str, bool] = {}  # whether all photos of a table are in it

    def present(self, sources: Iterable[str]) -> NDArray[np.bool_]:
        """Which rows have a photo: in the table, as its footer says, or in a file that exists."""
        tables: dict[str, NDArray[np.bool_]] = {}
        found = []
        for source in sources:
            table, _, row = source.rpartition("#")
            if table not in tables:
                tables[table] = _rows_with_photo(photo_path(self.root, table))
            found.append(tables[table][int(row)])
        return np.array(found, bool)

    def file_of(self, source: str) -> Path:
        """The table that holds a photo. Raises PhotoError where photos are files beside it."""
        table = source.rpartition("#")[0]
        path = photo_path(self.root, table)
        if table not in self.inside:
            self.inside[table] = "path" not in _photo_columns(_image_type(path))
        if not self.inside[table]:
            raise PhotoError("is named by the table, not in it")
        return path

    def read(self, source: str) -> bytes:
        """The encoded photo of one row. Raises PhotoError."""
        table, _, row = source.rpartition("#")
        with self.lock:
            cell = self._cell(table, int(row))
        if isinstance(cell, dict):
            cell = cell.get("bytes") or cell.get("path")
        if isinstance(cell, str):
            return _beside(photo_path(self.root, table).parent, cell)
        if cell is None or cell == b"":
            raise MissingPhotoError("the table holds no photo here")
        if not isinstance(cell, bytes):
            raise PhotoError(f"the table holds no photo here but a value of the type {type(cell).__name__}")
        return cell

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
    """Read a photo that the table names instead of containing it."""
    try:
        path = photo_path(folder, name)
    except FashretError as error:
        raise PhotoError(str(error)) from None
    return file_bytes(path)


def _rows_with_photo(path: Path) -> NDArray[np.bool_]:
    """Which rows of a table have a photo."""
    file, columns = _open(path), _photo_columns(_image_type(path))
    found = np.zeros(row_count(path), bool)
    if "bytes" in columns and len(found):
        groups = range(file.metadata.num_row_groups)
        found = _attempt(path, lambda: np.concatenate([_filled(file, group, columns["bytes"]) for group in groups]))
    if "path" in columns and not found.all():
        column = _attempt(path, lambda: file.read(columns=[columns["path"]]))["image"].to_pylist()
        found |= PhotoFolder(path.parent).present(map(_name_in_folder, column))
    return found


def _filled(file: Any, group: int, column: str) -> NDArray[np.bool_]:
    """Which rows of a row group have bytes: all or none if the footer says so; otherwise the cells are read."""
    about = file.metadata.row_group(group)
    chunks = (about.column(i) for i in range(about.num_columns))
    statistics = next(chunk.statistics for chunk in chunks if chunk.path_in_schema == column)
    empty = statistics.null_count if statistics is not None and statistics.has_null_count else None
    if empty in (0, about.num_rows):
        return np.full(about.num_rows, empty == 0)
    batches = file.iter_batches(BATCH, row_groups=[group], columns=[column])
    return np.array([bool(_inside(cell, "bytes")) for batch in batches for cell in batch["image"].to_pylist()])


def _inside(cell: Any, name: str) -> Any:
    return cell[name] if isinstance(cell, dict) else cell


def _name_in_folder(cell: Any) -> str:
    """The photo's path that a cell holds; "", of which there is no file, if none that `relative_source` takes."""
    try:
        return relative_source(_inside(cell, "path") or "")
    except FashretError:
        return ""
