"""LookBench (2026): Parquet tables of queries and of galleries, photos inside; one subset is one search.

In: `<version>/<subset>/{query,gallery}.parquet` below the root, and the distractors `<version>/noise/*.parquet` where
they are. Out: its `Listing`, with `main_attribute`, `task` and `difficulty` as further columns.

The identity is item_ID, shared by the subset's query, gallery and noise. The dataset's own scores ask for less (the
category, or category and attributes); they need these columns.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from fashret.console import log
from fashret.datasets.annotations import listed
from fashret.datasets.flags import CropFlags
from fashret.datasets.row_list import WHOLE, Row, RowList
from fashret.errors import FashretError
from fashret.files.columns import Domain, Role
from fashret.files.hdf5 import storable
from fashret.files.photos.in_parquet import ParquetPhotos, check_photo_column
from fashret.files.tables.column_types import column_of
from fashret.files.tables.manifests import Listing
from fashret.files.tables.parquet import parquet_names, read_columns, row_count

IDENTITY = "item_ID"
LABELS = ("main_attribute", "task", "difficulty")
KNOWN = ("image", "category", IDENTITY, *LABELS)
NEEDED = ("image", IDENTITY)
STREET = "streetlook"  # subsets whose queries are worn in the street


def read(root: Path, options: CropFlags) -> Listing:
    """List one subset of LookBench.

    Raises
    ------
    FashretError
        If there is no subset, or several and none is chosen, or a column is missing.
    """
    folder = _subset(root, options.subset)
    street = Domain.STREET if STREET in folder.name else Domain.SHOP
    tables = [(folder / "query.parquet", Role.QUERY, street), (folder / "gallery.parquet", Role.GALLERY, Domain.SHOP)]
    noise = sorted((folder.parent / "noise").glob("*.parquet"))
    tables += [(path, Role.GALLERY, Domain.SHOP) for path in noise]
    columns = [_columns(path) for path, _, _ in tables]
    collected = RowList(sorted({name for of_table in columns for name in of_table["category"]} - {""}))
    for (path, role, domain), of_table in zip(tables, columns, strict=True):
        source = path.relative_to(root).as_posix()
        for i, item in enumerate(of_table[IDENTITY]):
            where = f"{path}, row {i}"
            if not item and role == Role.QUERY:
                raise FashretError(f"{where}: has no {IDENTITY}; a query needs one")
            collected.add(Row(f"{source}#{i}", WHOLE, item, role, domain, of_table["category"][i]), where)
    further = {name: column_of([value for of_table in columns for value in of_table[name]]) for name in LABELS}
    rows = replace(collected.rows(), further=further)
    notes = {"distractors of the noise tables": sum(row_count(path) for path in noise)}
    return Listing(
        f"lookbench/{folder.name}", root, rows, ParquetPhotos(root), True, 0, notes,
        files=tuple(path for path, _, _ in tables), options={"subset": folder.name},
    )  # fmt: skip


def _subset(root: Path, name: str) -> Path:
    """The folder of the chosen subset; the only one where none is chosen."""
    found = sorted({path.parent for path in root.glob("**/query.parquet")})
    chosen = [folder for folder in found if not name or folder.name == name]
    if len(chosen) == 1:
        return chosen[0]
    there = listed(str(folder.relative_to(root)) for folder in found) or "none"
    if not chosen:
        raise FashretError(f"{root}: no subset {name or 'with a query.parquet'}; found {there}")
    raise FashretError(f"{root}: several subsets ({there}); choose one with --subset NAME, below one version")


def _columns(path: Path) -> dict[str, list[str]]:
    """The known columns of a table as text, but for the photos; what is not known is named."""
    if not path.is_file():
        there = listed(p.name for p in sorted(path.parent.glob("*.parquet"))) or "no Parquet file"
        raise FashretError(f"{path}: no such file; found {there}")
    names = parquet_names(path)
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise FashretError(f"{path}: lacks the column {' and '.join(missing)}; it has {', '.join(names)}")
    check_photo_column(path)
    unknown = [name for name in names if name not in KNOWN]
    if unknown:
        log.info("%s: the columns %s are not known and left out", path, listed(unknown))
    wanted = [name for name in KNOWN if name in names and name != "image"]
    columns = {name: [_text(value) for value in values] for name, values in read_columns(path, wanted).items()}
    blank = [""] * row_count(path)
    for name, texts in columns.items():
        for i, value in enumerate(texts):
            if not storable(value):
                raise FashretError(f"{path}, row {i}: {name} {value!r}; expected UTF-8 text without zero bytes")
    return {name: columns.get(name, blank) for name in KNOWN if name != "image"}


def _text(value: Any) -> str:
    """A cell as text: lists are joined, nothing is empty, 12.0 is 12 (numbers beside empty cells become floats)."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return str(value).strip()
