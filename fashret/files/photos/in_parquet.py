"""Photos stored in Parquet tables.

In: tables below a root. Out: row by row, the bytes of the column `image`, or of the file that it names.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashret.errors import FashretError
from fashret.files.photos.names import spellings_of, without_root
from fashret.files.photos.sources import (
    MissingPhotoError,
    PhotoError,
    PhotoFolder,
    file_bytes,
    photo_path,
    relative_source,
)
from fashret.files.tables.parquet import attempt, check_room, open_table, parquet_names, row_count, values_of

GROUPS_KEPT = 2  # row groups in memory; rows are read nearly in order
BATCH = 64  # photos in memory while cells are checked


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


def holds_photos(path: Path) -> bool:
    """Whether the column `image` holds photos, or structs with their paths, instead of the paths themselves."""
    from pyarrow import types

    if "image" not in parquet_names(path):
        return False
    kind = _image_type(path)
    if not types.is_struct(kind) and "bytes" not in _photo_columns(kind):
        return False
    check_photo_column(path)
    return not types.is_null(kind)


def _image_type(path: Path) -> Any:
    return attempt(path, lambda: open_table(path).schema_arrow.field("image").type)


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

    Parameters
    ----------
    beside
        Folder that paths in tables start from; by default that of the table.
    """

    def __init__(self, root: Path, beside: Path | None = None) -> None:
        self.root = root
        self.beside = beside
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
                tables[table] = _rows_with_photo(photo_path(self.root, table), self.beside)
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
            return _beside(self.beside or photo_path(self.root, table).parent, cell)
        if cell is None or cell == b"":
            raise MissingPhotoError("the table holds no photo here")
        if not isinstance(cell, bytes):
            raise PhotoError(f"the table holds no photo here but a value of the type {type(cell).__name__}")
        return cell

    def _cell(self, table: str, row: int) -> Any:
        if table not in self.files:
            self.files[table] = open_table(photo_path(self.root, table), ["image"])
        metadata = self.files[table].metadata
        sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        ends = np.cumsum(sizes)
        group = int(np.searchsorted(ends, row, side="right"))
        if (table, group) not in self.groups:
            try:
                check_room(self.root / table, metadata, ["image"], group)
                column = attempt(self.root / table, lambda: self.files[table].read_row_group(group, columns=["image"]))
                self.groups[table, group] = attempt(self.root / table, lambda: values_of(column["image"]))
            except FashretError as error:
                raise PhotoError(str(error)) from None
            while len(self.groups) > GROUPS_KEPT:
                self.groups.popitem(last=False)
        return self.groups[table, group][row - int(ends[group] - sizes[group])]


def _beside(folder: Path, name: str) -> bytes:
    """Read a photo that the table names instead of containing it."""
    try:
        path = photo_path(folder, without_root(spellings_of(folder), name))
    except FashretError as error:
        raise PhotoError(str(error)) from None
    return file_bytes(path)


def _rows_with_photo(path: Path, beside: Path | None = None) -> NDArray[np.bool_]:
    """Which rows of a table have a photo."""
    file, columns = open_table(path), _photo_columns(_image_type(path))
    found = np.zeros(row_count(path), bool)
    if "bytes" in columns and len(found):
        groups = range(file.metadata.num_row_groups)
        found = attempt(path, lambda: np.concatenate([_filled(file, group, columns["bytes"]) for group in groups]))
    if "path" in columns and not found.all():
        column = attempt(path, lambda: file.read(columns=[columns["path"]]))["image"].to_pylist()
        folder = beside or path.parent
        starts = spellings_of(folder)
        found |= PhotoFolder(folder).present(_name_in_folder(cell, starts) for cell in column)
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


def _name_in_folder(cell: Any, starts: Iterable[str]) -> str:
    """The photo's path that a cell holds; "", of which there is no file, if none that `relative_source` takes."""
    try:
        return relative_source(without_root(starts, _inside(cell, "path") or ""))
    except FashretError:
        return ""
