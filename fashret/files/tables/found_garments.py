"""Garments that a detector found, as a manifest that `crop` and `embed` take: CSV, Parquet, or COCO's JSON.

In: photos with what was found in them, one by one. Out: a file of one row per garment.

    image       photo, relative to the root of the manifest that it came from
    product, domain, role   as `fashret.files.tables.catalogue_tables`
    category    what it was found to be; empty = it can be several
    x1 … y2     box in pixels of the photo as stored
    score       0 to 1
    detector    name of the detector, several joined by "+"
    and the columns that came in

COCO's JSON has the photos without garments too. There, bbox is [x, y, width, height] in pixels of the photo as stored,
whose width and height are given; category_id 0 is "none".
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from fashret.errors import FashretError
from fashret.files.atomic import whole_file
from fashret.files.columns import Domain, Role
from fashret.files.further_columns import in_words
from fashret.files.tables.box_columns import CORNERS

COLUMNS = ("image", "product", "domain", "role", "category", *CORNERS, "score", "detector")
NUMBERS = {*CORNERS, "score"}
CSV, PARQUET, COCO = ".csv", ".parquet", ".json"
BLOCK = 4096  # rows of Parquet in memory
NONE = "none"  # COCO's name for no category


@dataclass(frozen=True)
class Garment:
    """One garment of a photo."""

    box: tuple[float, float, float, float]  # x1 y1 x2 y2 in pixels as stored
    category: str
    score: float
    product: str
    domain: Domain
    role: Role
    more: Mapping[str, Any] = field(default_factory=dict)  # columns that came in


@dataclass(frozen=True)
class FoundPhoto:
    """A photo and its garments, best first."""

    source: str
    size: tuple[int, int]  # as stored
    garments: tuple[Garment, ...]


@dataclass(frozen=True)
class About:
    """What a file says of all its rows."""

    detector: str
    more: Mapping[str, str]  # columns that came in → their types, as files have them, or "day" of dates
    record: Mapping[str, Any]  # detectors and options, which Parquet and COCO keep


Photos = Callable[[], Iterable[FoundPhoto]]  # gives them all; may be called again


def check_ending(path: Path) -> None:
    """Refuse, before any work, a name that ends in none of the forms."""
    if path.suffix.lower() not in (CSV, PARQUET, COCO):
        raise FashretError(f"{path}: name the output .csv, .parquet or .coco.json")
    if path.suffix.lower() == PARQUET:
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise FashretError(f"{path}: writing Parquet needs pyarrow: pip install 'fashret[parquet]'") from None


def write_found(path: Path, photos: Photos, about: About) -> None:
    """Write what was found, whole or not at all, in the form that the name ends in."""
    write = {CSV: _write_csv, PARQUET: _write_parquet, COCO: _write_coco}[path.suffix.lower()]
    with whole_file(path) as part:
        write(part, photos, about)


def _row(photo: FoundPhoto, garment: Garment, about: About) -> dict[str, Any]:
    """One garment by the names of the columns."""
    return {
        "image": photo.source,
        "product": garment.product,
        "domain": garment.domain.name.lower(),
        "role": role_text(garment.role),
        "category": garment.category,
        **dict(zip(CORNERS, garment.box, strict=True)),
        "score": garment.score,
        "detector": about.detector,
        **{name: garment.more.get(name) for name in about.more},
    }


def role_text(role: Role) -> str:
    """Roles as tables have them.

    >>> role_text(Role.TRAIN | Role.GALLERY)
    'train+gallery'
    """
    return "+".join(each.name.lower() for each in Role if each in role and each.name)


def _write_csv(path: Path, photos: Photos, about: About) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow((*COLUMNS, *about.more))
        for photo in photos():
            writer.writerows(_cells(_row(photo, garment, about)) for garment in photo.garments)


def _cells(row: Mapping[str, Any]) -> list[str]:
    """Cells of CSV: boxes and scores in as few digits as they need, nothing for what is not known."""
    return [f"{value:.7g}" if name in NUMBERS else in_words(value) for name, value in row.items()]


def _write_parquet(path: Path, photos: Photos, about: About) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    own = {name: pa.float32() if name in NUMBERS else pa.string() for name in COLUMNS}
    types = {
        "integer": pa.int64(),
        "number": pa.float64(),
        "boolean": pa.bool_(),
        "empty": pa.null(),
        "day": pa.date32(),
    }
    own |= {name: types.get(kind, pa.string()) for name, kind in about.more.items()}
    days = [name for name, kind in about.more.items() if kind == "day"]
    schema = pa.schema(
        list(own.items()), metadata={"fashret": json.dumps(about.record, ensure_ascii=False, default=str)}
    )
    with parquet.ParquetWriter(path, schema) as writer:
        for block in _blocks(_row(photo, garment, about) for photo in photos() for garment in photo.garments):
            for row in block:
                row |= {name: date.fromisoformat(row[name]) for name in days if row[name]}
            writer.write_table(pa.Table.from_pylist(block, schema))


def _blocks(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    block: list[dict[str, Any]] = []
    for row in rows:
        block.append(row)
        if len(block) == BLOCK:
            yield block
            block = []
    if block:
        yield block


def _write_coco(path: Path, photos: Photos, about: About) -> None:
    names = sorted({garment.category for photo in photos() for garment in photo.garments} - {"", NONE})
    number = {"": 0, NONE: 0} | {name: i for i, name in enumerate(names, start=1)}
    categories = [{"id": 0, "name": NONE}, *({"id": number[name], "name": name} for name in names)]
    images = (
        {"id": i, "file_name": photo.source, "width": photo.size[0], "height": photo.size[1]}
        for i, photo in enumerate(photos(), start=1)
    )
    pairs = ((i, photo, garment) for i, photo in enumerate(photos(), start=1) for garment in photo.garments)
    annotations = (
        _annotation(i, image, number[garment.category], _row(photo, garment, about))
        for i, (image, photo, garment) in enumerate(pairs, start=1)
    )
    with path.open("w", encoding="utf-8") as stream:
        stream.write(f'{{"info": {_json(dict(about.record))},\n"categories": {_json(categories)},\n"images": [')
        _write_list(stream.write, images)
        stream.write('],\n"annotations": [')
        _write_list(stream.write, annotations)
        stream.write("]}\n")


def _annotation(number: int, image: int, category: int, row: dict[str, Any]) -> dict[str, Any]:
    x1, y1, x2, y2 = (row.pop(name) for name in CORNERS)
    plain = {name: value for name, value in row.items() if name not in ("image", "category") and value is not None}
    box = [round(side, 2) for side in (x1, y1, x2 - x1, y2 - y1)]
    about = {"id": number, "image_id": image, "category_id": category, "bbox": box, "area": round(box[2] * box[3], 2)}
    return {**about, "iscrowd": 0, **plain}


def _write_list(write: Callable[[str], Any], values: Iterable[Any]) -> None:
    for i, value in enumerate(values):
        write(("," if i else "") + "\n" + _json(value))


def _json(value: Sequence[Any] | Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
