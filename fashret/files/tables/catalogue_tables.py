"""Anybody's catalogue as a table: CSV, or Parquet with the extra `parquet`.

In: a file with the columns `image` and `product`, and optionally `domain`, `category`, `role`, `split` and a box. Out:
its `Listing`.

    image     path of the photo relative to the root (default: the folder of the table), or an absolute one inside it;
              in Parquet also the photo itself, as bytes or in a struct with `bytes` or `path`
    product   the identity; empty = unlabelled: never a query's positive
    domain    street or shop
    category  any name; empty = none
    role      any of train, query, gallery, val_query, val_gallery, joined by "+"; what the stages go by
    split     train, val or test, from which the role follows where there is no column `role`
    x1 … y2   box in pixels of the photo as stored, half-open; all four empty = the whole photo. Other names that it
              may have are in `fashret.files.tables.box_columns`

and any other columns, which travel with the rows (`fashret.files.tables.column_types`).

Without `role`: split train → train; test, or no split: street → query, shop → gallery; val likewise; with no domain
either: query and gallery. An unlabelled row is a query only if `role` says so, and never train or val_query. An
optional column without a filled cell counts as absent.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fashret.console import counted, log
from fashret.errors import FashretError
from fashret.files.columns import Domain, Role, Rows, text_array
from fashret.files.file_kinds import TABLE_ENDINGS
from fashret.files.further_columns import FurtherColumn
from fashret.files.hdf5 import storable
from fashret.files.photos.in_parquet import ParquetPhotos, holds_photos
from fashret.files.photos.sources import PhotoFolder
from fashret.files.tables.box_columns import FORMS, NAMES, OBJECT, SIZES, Where, box_columns, read_boxes
from fashret.files.tables.cells import cell_text, identities, is_blank, shown_cell
from fashret.files.tables.column_types import csv_columns, further_names, parquet_columns
from fashret.files.tables.manifests import Listing, categories_of, drop_repeats
from fashret.files.tables.parquet import check_text_columns, parquet_names, read_columns, row_count
from fashret.files.tables.photo_column import photo_paths

NEEDED = {"image": "path of the photo", "product": "name of the product; cells may be empty"}
IDENTITIES = {"product", "category"}  # columns of names, which may be numbers
KEYWORDS = {"domain", "role", "split"}  # columns of words that fashret knows
OPTIONAL = ("domain", "category", "role", "split", *NAMES)
KNOWN = {*NEEDED, *OPTIONAL, "crop_id", "vector"}  # the last two are those of an export, and made anew
UTF16 = (b"\xff\xfe", b"\xfe\xff")  # how spreadsheets begin "Unicode text"
TOLERATED = 0.01  # share of lines of a CSV that may not be UTF-8
SUFFIXES = TABLE_ENDINGS
DOMAINS = {
    "street": Domain.STREET,
    "user": Domain.STREET,
    "consumer": Domain.STREET,
    "shop": Domain.SHOP,
}
SPLITS = ("train", "val", "validation", "test", "")
ROLES = {role.name.lower(): role for role in Role if role.name}

Columns = dict[str, list[Any]]  # name → values, one per row; text, and None for an empty cell of Parquet
Read = tuple[Columns, Where, dict[str, FurtherColumn]]


def read_table(path: Path, root: Path | None = None, needed: Collection[str] = NEEDED) -> Listing:
    """List the rows of a CSV or Parquet table.

    Parameters
    ----------
    needed
        Columns that it must have. Where product is not among them, rows without one are unlabelled and lose no role.

    Raises
    ------
    FashretError
        If it cannot be read, lacks a column, or a cell makes no sense: with the line and what was expected.
    """
    if not path.exists():
        raise FashretError(f"{path}: no such file")
    is_parquet = path.suffix.lower() == ".parquet"
    columns, where, further = _read_parquet(path, needed) if is_parquet else _read_csv(path, needed)
    columns.setdefault("product", [""] * len(columns["image"]))
    columns = _without_blank(columns)
    columns["image"] = photo_paths(columns["image"], root or path.parent, where)
    form = box_columns(path, columns)
    for name in IDENTITIES.intersection(columns):
        columns[name] = identities(path, name, list(map(cell_text, columns[name])))
    for name in KEYWORDS.intersection(columns):
        columns[name] = ["" if is_blank(cell) else cell_text(cell) for cell in columns[name]]
    rows, repeats = drop_repeats(replace(_rows(columns, form, where, labelled="product" in needed), further=further))
    if not len(rows):
        raise FashretError(f"{path}: has no rows")
    if is_parquet and holds_photos(path):
        return Listing(path.stem, path.parent, rows, ParquetPhotos(path.parent, root), repeats=repeats, files=(path,))
    root = root or path.parent
    return Listing(path.stem, root, rows, PhotoFolder(root), repeats=repeats, files=(path,))


def _without_blank(columns: Columns) -> Columns:
    """The columns that hold something; those of a box as long as one of them does."""
    filled = {name for name, cells in columns.items() if not all(map(is_blank, cells))}
    boxes = [form for form in FORMS if columns.keys() >= set(form) and filled.intersection(form) - SIZES]
    kept = filled.union(NEEDED, *boxes)
    return {name: cells for name, cells in columns.items() if name in kept}


def _listed(names: Iterable[str], most: int = 12) -> str:
    """Names of columns in a message of one line, however wild the header is."""
    names = ["".join(c if c.isprintable() else "?" for c in name[:40]) for name in names]
    return (", ".join(names[:most]) or "none") + (f" and {len(names) - most} more" if len(names) > most else "")


def _read_csv(path: Path, needed: Collection[str]) -> Read:
    text = _utf8_text(path)
    lines: list[int] = []
    columns: Columns = {}
    for number, cells in _csv_rows(path, text):
        if not columns:
            header, names = cells, [cell.strip().lower() for cell in cells]
            _check_header(path, names, needed)
            wanted = [(name, place) for place, name in enumerate(names) if name]
            columns = {name: [] for name, _ in wanted}
            continue
        if len(cells) != len(names):
            raise FashretError(f"{path}, line {number}: has {counted(len(cells), 'cell')}, the header has {len(names)}")
        lines.append(number)
        for name, place in wanted:
            columns[name].append(cells[place].strip())
    if not columns:
        raise FashretError(f"{path}: is empty; expected a header with the columns {' and '.join(NEEDED)}")
    further = csv_columns(path, {name: columns[name.lower()] for name in further_names(path, header, KNOWN)})
    return columns, lambda row: f"{path}, line {lines[row]}", further


def _utf8_text(path: Path) -> str:
    """The text of a table; a few lines that are not UTF-8 are left empty, and named."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FashretError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        return data.decode("utf-16" if data[:2] in UTF16 else "utf-8-sig")
    except UnicodeDecodeError:
        lines = data.split(b"\n")
    wrong = [i for i, line in enumerate(lines) if not _is_utf8(line)]
    first = f"{path}, line {wrong[0] + 1}: is not UTF-8 text"
    if wrong[0] == 0 or len(wrong) > TOLERATED * len(lines):
        raise FashretError(f"{first}; save the table as UTF-8")
    log.warning("%s, and is left out, as are %s more; save the table as UTF-8", first, len(wrong) - 1)
    for i in wrong:
        lines[i] = b""
    return b"\n".join(lines).decode("utf-8-sig")


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
        return True
    except UnicodeDecodeError:
        return False


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every row that is not blank; the header says what separates cells."""
    header = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count), strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise FashretError(f"{path}, line {reader.line_num}: is not CSV ({error})") from None


def _check_header(path: Path, names: list[str], needed: Collection[str]) -> None:
    """Refuse a column that is missing, or there twice; columns without a name, which are not read, may be."""
    missing = [f"{name} ({NEEDED[name]})" for name in needed if name not in names]
    if missing:
        raise FashretError(f"{path}: lacks the column {' and '.join(missing)}; it has {_listed(filter(None, names))}")
    double = [name for name, count in Counter(names).items() if count > 1 and name]
    if double:
        raise FashretError(f"{path}: duplicate column {_listed(sorted(double))}")


def _read_parquet(path: Path, needed: Collection[str]) -> Read:
    names = parquet_names(path)
    known = {name.strip().lower(): name for name in names}
    _check_header(path, [name.strip().lower() for name in names], needed)
    wanted = {name: known[name] for name in (*NEEDED, *OPTIONAL) if name in known}
    inside = holds_photos(path)
    if inside:
        del wanted["image"]
    check_text_columns(path, [stored for name, stored in wanted.items() if name != OBJECT])
    columns = read_columns(path, list(wanted.values()))
    found = {name: columns[stored] for name, stored in wanted.items()}
    if inside:
        found["image"] = [f"{path.name}#{row}" for row in range(row_count(path))]
    further = parquet_columns(path, further_names(path, names, KNOWN))
    return found, lambda row: f"{path}, row {row}", further


def _rows(columns: Columns, form: tuple[str, ...], where: Where, labelled: bool) -> Rows:
    count = len(columns["image"])
    blank = [""] * count
    domain_given = "domain" in columns
    product: list[str] = []
    domain: list[Domain] = []
    role: list[Role] = []
    for i in range(count):
        product.append(_product(columns["product"][i], i, where))
        domain.append(_domain(columns["domain"][i], i, where) if domain_given else Domain.SHOP)
        side = domain[i] if domain_given else None
        role.append(
            _role(columns["role"][i], i, where)
            if "role" in columns
            else _role_of_split(columns.get("split", blank)[i], side, i, where)
        )
        if labelled and not product[i]:
            role[i] &= Role.GALLERY | Role.VAL_GALLERY | (Role.QUERY if "role" in columns else Role(0))
    category, categories = categories_of(columns.get("category", blank))
    return Rows(
        source=text_array(columns["image"]),
        box=read_boxes(columns, form, where) if form else np.full((count, 4), np.nan, np.float32),
        product=text_array(product),
        role=np.array(role, np.uint8),
        domain=np.array(domain, np.uint8),
        category=category,
        categories=categories,
    )


def _product(text: str, row: int, where: Where) -> str:
    if not storable(text):
        raise FashretError(f"{where(row)}: product {shown_cell(text)}; expected UTF-8 text without zero bytes")
    return text


def _domain(text: str, row: int, where: Where) -> Domain:
    try:
        return DOMAINS[text.lower()]
    except KeyError:
        if not text:
            raise FashretError(
                f"{where(row)}: the column domain is empty; write street or shop, or leave the whole column empty"
            ) from None
        raise FashretError(f"{where(row)}: domain {shown_cell(text)}; expected street or shop") from None


def _role(text: str, row: int, where: Where) -> Role:
    """Roles as names joined by "+" (or by blanks, commas, |), or as the number that files hold."""
    if text.isdecimal() and len(text) < 9 and int(text) <= sum(Role):
        return Role(int(text))
    role = Role(0)
    for name in text.lower().replace("|", "+").replace(",", "+").replace(" ", "+").split("+"):
        if name and name not in ROLES:
            raise FashretError(
                f"{where(row)}: role {shown_cell(text)}; expected any of {', '.join(ROLES)}, joined by +"
            )
        role |= ROLES[name] if name else Role(0)
    return role


def _role_of_split(split: str, domain: Domain | None, row: int, where: Where) -> Role:
    split = split.lower()
    if split not in SPLITS:
        raise FashretError(f"{where(row)}: split {shown_cell(split)}; expected train, val or test")
    if split == "train":
        return Role.TRAIN
    query, gallery = (Role.VAL_QUERY, Role.VAL_GALLERY) if split.startswith("val") else (Role.QUERY, Role.GALLERY)
    return query | gallery if domain is None else query if domain == Domain.STREET else gallery
