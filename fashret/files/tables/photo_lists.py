"""Photos to search for: a folder, a table with the column `image` (and boxes), or a text file with a path per line.

In: one of these. Out: its `Listing`, whose rows need no products.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fashret.errors import FashretError
from fashret.files.columns import Domain, Rows, text_array
from fashret.files.file_kinds import TABLE_ENDINGS, check_ordinary
from fashret.files.photos.sources import PhotoFolder
from fashret.files.tables.catalogue_tables import read_table
from fashret.files.tables.catalogues import read_folder
from fashret.files.tables.manifests import Listing, drop_repeats
from fashret.files.tables.photo_column import photo_paths

LARGEST = 1 << 30  # bytes of a list


def read_photos(path: Path) -> Listing:
    """List photos; those of a list are relative to its folder.

    Raises
    ------
    FashretError
        If it is none of the three, names no photo, or names one outside of its folder.
    """
    if path.is_dir():
        return read_folder(path, every=True)
    if path.suffix.lower() in TABLE_ENDINGS:
        return read_table(path, needed=("image",))
    numbers, names = _lines(path)
    sources = photo_paths(names, path.parent, lambda row: f"{path}, line {numbers[row]}")
    rows, repeats = drop_repeats(_rows(sources))
    return Listing(path.stem, path.parent, rows, PhotoFolder(path.parent), repeats=repeats, files=(path,))


def _lines(path: Path) -> tuple[list[int], list[str]]:
    """The lines of a list that are not blank, and their numbers."""
    check_ordinary(path)
    advice = "give a folder of photos, a table with the column image, or a text file with one path per line"
    if path.stat().st_size > LARGEST:
        raise FashretError(f"{path}: has more than {LARGEST:,} bytes; {advice}")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise FashretError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise FashretError(f"{path}: is no UTF-8 text; {advice}")
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise FashretError(f"{path}: names no photo; {advice}")
    numbers, names = zip(*lines, strict=True)
    return list(numbers), list(names)


def _rows(sources: list[str]) -> Rows:
    """Whole photos of no product and no role."""
    count = len(sources)
    return Rows(
        source=text_array(sources),
        box=np.full((count, 4), np.nan, np.float32),
        product=text_array([""] * count),
        role=np.zeros(count, np.uint8),
        domain=np.full(count, int(Domain.STREET), np.uint8),
        category=np.full(count, -1, np.int16),
    )
