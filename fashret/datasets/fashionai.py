"""FashionAI's key points (Zou et al., 2018): one garment per photo, whose box is the one round its points.

In: the tables with the columns image_id, image_category and one per key point ("x_y_visible"; −1_−1_−1 = it has none).
Out: a `Listing` for detectors. A box round key points is a little smaller than the garment, which is said.
"""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

from fashret.console import log
from fashret.datasets.annotations import shown
from fashret.datasets.flags import CropFlags
from fashret.datasets.row_list import Corners, Row, RowList
from fashret.errors import FashretError
from fashret.files.columns import Domain, Role
from fashret.files.photos.sources import PhotoFolder
from fashret.files.tables.manifests import Listing

FIRST = ["image_id", "image_category"]
FEW = "photos with fewer than two key points, left out"


def read(root: Path, options: CropFlags) -> Listing:
    """List FashionAI's photos with key points.

    Raises
    ------
    FashretError
        If there is no such table, or a cell makes no sense.
    """
    tables = {
        path: lines for path in sorted(root.rglob("*.csv")) if (lines := _lines(path))[:1] and _is_table(lines[0])
    }
    if not tables:
        raise FashretError(f"{root}: holds no table with the columns image_id, image_category and key points")
    names = sorted({line[1] for lines in tables.values() for line in lines[1:] if len(line) > 1})
    rows, notes = RowList(names), {FEW: 0}
    for path, lines in tables.items():
        for number, line in enumerate(lines[1:], start=2):
            where = f"{path}, line {number}"
            if len(line) != len(lines[0]):
                raise FashretError(f"{where}: has {len(line)} cells, the header has {len(lines[0])}")
            box = _box(line[2:], where)
            if box is None:
                notes[FEW] += 1
                continue
            source = _source(root, path, line[0])
            rows.add(Row(source, box, "", Role.TRAIN, Domain.STREET, line[1]), where)
    log.info("fashionai: boxes are those round the key points, a little smaller than the garments")
    return Listing("fashionai", root, rows.rows(), PhotoFolder(root), True, notes=notes, files=tuple(tables))


def _lines(path: Path) -> list[list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return [[cell.strip() for cell in line] for line in csv.reader(stream) if line]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FashretError(f"{path}: cannot be read as a table ({error})") from None


def _is_table(header: list[str]) -> bool:
    return header[:2] == FIRST and len(header) > 2


def _box(points: list[str], where: str) -> Corners | None:
    """The box round the points that are there; None where there are fewer than two."""
    found = []
    for cell in points:
        if not (match := re.fullmatch(r"(-?\d{1,6})_(-?\d{1,6})_(-1|0|1)", cell)):
            raise FashretError(f"{where}: key point {shown(cell)}; expected x_y_visible")
        if match[3] != "-1":
            found.append((float(match[1]), float(match[2])))
    if len(found) < 2:
        return None
    across, down = zip(*found, strict=True)
    return min(across), min(down), max(across), max(down)


def _source(root: Path, table: Path, name: str) -> str:
    """The photo's path from the root: the table's names begin at its own folder or at the one above."""
    folders = () if os.path.isabs(name) else (table.parent, table.parent.parent)  # an absolute one is refused as it is
    for folder in folders:
        if folder.is_relative_to(root) and os.path.isfile(folder / name):
            return (folder / name).relative_to(root).as_posix()
    return name
