"""Parquet tables (the extra `parquet`).

In: a path. Out: columns as Python values. What claims more than fits into memory is refused before it is unpacked.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fashret.console import counted
from fashret.errors import FashretError

MOST_CELLS = 100_000_000  # rows × columns that are read of a table
MOST_BYTES = 4 << 30  # that the columns claim when they are unpacked: of a table, or of the photos of a row group


def parquet_names(path: Path) -> list[str]:
    """Names of a table's columns."""
    return list(open_table(path).schema_arrow.names)


def read_columns(path: Path, names: Sequence[str]) -> dict[str, list[Any]]:
    """Some columns of a table, as lists of Python values; equal ones of a dictionary are one object.

    Raises
    ------
    FashretError
        If it cannot be read, claims more than fits into memory, or pyarrow is not installed.
    """
    file = open_table(path)
    check_room(path, file.metadata, names)
    table = attempt(path, lambda: open_table(path, names).read(columns=list(names)))
    return {name: attempt(path, lambda name=name: values_of(table[name])) for name in names}


def read_stored(path: Path, name: str) -> Any:
    """One column of a table as pyarrow has it.

    Raises
    ------
    FashretError
        As `read_columns`.
    """
    file = open_table(path)
    check_room(path, file.metadata, [name])
    return attempt(path, lambda: file.read(columns=[name])[name])


def check_text_columns(path: Path, names: Sequence[str]) -> None:
    """Refuse columns whose cells are lists or objects: a row has one value.

    Raises
    ------
    FashretError
        With the column and its type.
    """
    from pyarrow import types

    schema = open_table(path).schema_arrow
    for name in names:
        kind = schema.field(name).type
        if types.is_nested(kind):
            raise FashretError(
                f"{path}: cells of the column {name} are of the type {str(kind)[:60]}, which cannot be read; "
                "give one text or number per row"
            )


def check_room(path: Path, metadata: Any, names: Sequence[str], group: int | None = None) -> None:
    """Refuse columns, of a whole table or of one row group, that would fill the memory, by what the footer claims."""
    groups = range(metadata.num_row_groups) if group is None else [group]
    rows = metadata.num_rows if group is None else metadata.row_group(group).num_rows
    if rows * max(1, len(names)) > MOST_CELLS:
        raise FashretError(
            f"{path}: claims {counted(rows, 'row')} of {counted(len(names), 'column')}, "
            f"more than {MOST_CELLS:,} cells; split the table"
        )
    unpacked = 0
    for number in groups:
        about = metadata.row_group(number)
        chunks = [about.column(i) for i in range(about.num_columns)]
        unpacked += sum(c.total_uncompressed_size for c in chunks if c.path_in_schema.partition(".")[0] in names)
    if unpacked > MOST_BYTES:
        raise FashretError(
            f"{path}: {', '.join(names)[:60]} claim {unpacked:,} bytes when unpacked, more than {MOST_BYTES:,}; "
            "split the table, or write it in smaller row groups"
        )


def values_of(column: Any) -> list[Any]:
    """A column as Python values, for which each entry of a dictionary is made once."""
    from pyarrow import types

    found: list[Any] = []
    for chunk in column.chunks:
        if types.is_dictionary(chunk.type):
            entries = chunk.dictionary.to_pylist()
            found += [None if index is None else entries[index] for index in chunk.indices.to_pylist()]
        elif types.is_struct(chunk.type) and chunk.type.num_fields:
            names = [field.name for field in chunk.type]
            columns = [values_of(_chunked(chunk.field(name))) for name in names]
            there = chunk.is_valid().to_pylist()
            rows = zip(there, *columns, strict=True)
            found += [dict(zip(names, values, strict=True)) if valid else None for valid, *values in rows]
        else:
            found += chunk.to_pylist()
    return found


def _chunked(array: Any) -> Any:
    from pyarrow import chunked_array

    return chunked_array([array])


def row_count(path: Path) -> int:
    """Number of rows, from the file's footer."""
    return int(open_table(path).metadata.num_rows)


def open_table(path: Path, names: Sequence[str] = ()) -> Any:
    """Open a table; texts and bytes of the named columns stay dictionaries where they are stored as such."""
    try:
        from pyarrow import parquet
    except ImportError:
        raise FashretError(f"{path}: reading Parquet needs pyarrow: pip install 'fashret[parquet]'") from None

    def opened() -> Any:
        file = parquet.ParquetFile(path)
        schema = file.schema
        columns = (schema.column(i) for i in range(len(schema))) if names else ()
        kept = [c.path for c in columns if c.path.partition(".")[0] in names and c.physical_type == "BYTE_ARRAY"]
        kept = [name for name in kept if name.count(".") < 2]
        return parquet.ParquetFile(path, read_dictionary=kept) if kept else file

    return attempt(path, opened)


def attempt(path: Path, action: Any) -> Any:
    """Do something with a table; what pyarrow cannot do is one line."""
    from pyarrow import ArrowException

    try:
        return action()
    except (ArrowException, OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise FashretError(f"{path}: is not a sound Parquet table ({reason})") from None
