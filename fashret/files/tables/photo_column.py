"""The column of a table that names the photos.

In: its cells, and the root that paths start from. Out: paths relative to the root.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fashret.errors import FashretError
from fashret.files.photos.names import SHOWN, relative_source, spellings_of, without_root
from fashret.files.tables.box_columns import Where
from fashret.files.tables.cells import cell_text, is_blank, shown_cell
from fashret.options import is_address


def photo_paths(cells: Sequence[Any], root: Path, where: Where) -> list[str]:
    """The photos' paths from the root; absolute ones that lie in it are cut short.

    Raises
    ------
    FashretError
        If a cell is empty or an address, or names no photo inside the root: with what to do.
    """
    starts = spellings_of(root)
    paths = [without_root(starts, cell_text(cell)) for cell in cells]
    return [_checked(path, row, paths, root, where) for row, path in enumerate(paths)]


def _checked(path: str, row: int, paths: list[str], root: Path, where: Where) -> str:
    if is_blank(path):
        raise FashretError(f"{where(row)}: the column image is empty; name the row's photo, or leave out the row")
    if is_address(path):
        raise FashretError(f"{where(row)}: photo {shown_cell(path)}: is not fetched; download the photos first")
    if os.path.isabs(path):
        raise FashretError(f"{where(row)}: photo {shown_cell(path)}: is not inside the root {root}; {_advice(paths)}")
    try:
        return relative_source(path)
    except FashretError as error:
        raise FashretError(f"{where(row)}: {error}") from None


def _advice(paths: list[str]) -> str:
    """What to do about absolute paths: the folder that they are all in, where there is one."""
    if all(map(os.path.isabs, paths)):
        folder = os.path.commonpath(map(os.path.dirname, paths))
        if len(folder) <= SHOWN:
            return f"pass the folder that holds all photos: --root {folder}"
    return "give all paths relative to one folder, and pass it with --root"
