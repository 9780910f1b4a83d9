"""COCO files of boxes, of any origin: ModaNet, Fashionpedia, anybody's.

In: one or several JSON files and the folder of the photos. Out: a `Listing` with one row per box, its category and no
product; and which boxes are crowds. Rows of a file with "val" in its name are for validation, with "test" for neither,
all others for training.

    images         [{"id": 1, "file_name": "1.jpg", "width": 400, "height": 600}, …]; ids may be texts, sizes missing
    annotations    [{"image_id": 1, "category_id": 1, "bbox": [x, y, width, height], "iscrowd": 0, …}, …]
    categories     [{"id": 1, "name": "bag"}, …]

Photos are found by their names wherever they are in the folder (`photo_places`). Where a bbox is missing, the box round
the polygons of `segmentation` is taken. Boxes are in pixels of the upright photo where width and height of the image
are the upright photo's (`boxes_by_size`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashret.datasets.annotations import four_numbers, listed, object_list, read_coco, shown, text
from fashret.datasets.photo_places import photo_places
from fashret.datasets.row_list import Corners, Row, RowList
from fashret.errors import FashretError
from fashret.files.columns import Domain, Role
from fashret.files.photos.box_frames import boxes_by_size
from fashret.files.photos.outlines import Outline, outline_of
from fashret.files.photos.sources import PhotoFolder
from fashret.files.tables.manifests import Listing

WITHOUT_BOX = "annotations without a box, left out"
AGAIN = "annotations that are there again, left out"
CROWDS = "crowds: boxes round many garments, not learned from"


@dataclass
class _Found:
    """What the files have so far."""

    rows: RowList
    crowd: list[bool] = field(default_factory=list)
    outlines: list[Outline | None] = field(default_factory=list)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)
    seen: set[Any] = field(default_factory=set)


def annotation_files(root: Path) -> list[Path]:
    """The JSON files of a dataset, in its root or in a folder of it.

    Raises
    ------
    FashretError
        If there is none.
    """
    found = sorted(root.glob("*.json")) or sorted(root.glob("*/*.json"))
    if not found:
        raise FashretError(f"{root}: holds no JSON file of annotations, nor do its folders; pass the one that does")
    return found


def read(files: Sequence[Path], root: Path, name: str) -> tuple[Listing, NDArray[np.bool_], list[Outline | None]]:
    """List the boxes of COCO files.

    Returns
    -------
    The listing; for each row whether its box is a crowd's; and its outline, where it has polygons.

    Raises
    ------
    FashretError
        If a file is missing, no COCO, or an annotation makes no sense: with the entry.
    """
    contents = {path: read_coco(path) for path in files}
    names = {path: _categories(content, path) for path, content in contents.items()}
    found = _Found(RowList(list(dict.fromkeys(each for of_file in names.values() for each in of_file.values()))))
    images = {path: _photos(content, path) for path, content in contents.items()}
    places = photo_places(root, (image["file_name"] for of_file in images.values() for image in of_file.values()))
    for path, content in contents.items():
        sources = {number: places[image["file_name"]] for number, image in images[path].items()}
        found.sizes |= {sources[number]: size for number, image in images[path].items() if (size := _size(image))}
        _add(found, content, names[path], sources, path)
    photos = PhotoFolder(root)
    before = found.rows.rows()
    rows = boxes_by_size(before, photos, found.sizes, name)
    turned = np.flatnonzero((rows.box != before.box).any(axis=1))  # these are in pixels of the upright photo
    for row in turned:
        if (outline := found.outlines[row]) is not None:
            found.outlines[row] = replace(outline, upright=True)
    notes = {**found.notes, CROWDS: sum(found.crowd)}
    notes = {what: count for what, count in notes.items() if count}
    listing = Listing(name, root, rows, photos, True, notes=notes, files=tuple(files))
    return listing, np.array(found.crowd, np.bool_), found.outlines


def _categories(content: dict[str, Any], path: Path) -> dict[str, str]:
    """category_id → name, in the order of the file; the id itself where there is no list of categories."""
    known: dict[str, str] = {}
    for i, entry in enumerate(object_list(content.get("categories") or [], f"{path}, categories")):
        where = f"{path}, categories, entry {i}"
        number, name = text(entry, "id", where), text(entry, "name", where)
        if known.setdefault(number, name) != name:
            raise FashretError(f"{where}: id {number} is {shown(known[number])} already")
    if known:
        return known
    for i, entry in enumerate(content["annotations"]):
        number = text(entry, "category_id", f"{path}, annotations, entry {i}")
        known.setdefault(number, number)
    return known


def _photos(content: dict[str, Any], path: Path) -> dict[str, dict[str, Any]]:
    """The images of a file by their id."""
    images: dict[str, dict[str, Any]] = {}
    for i, image in enumerate(content["images"]):
        where = f"{path}, images, entry {i}"
        number, name = text(image, "id", where), text(image, "file_name", where)
        before = images.setdefault(number, {**image, "file_name": name})["file_name"]
        if before != name:
            raise FashretError(f"{where}: id {number} is that of {shown(before)} already")
    return images


def _add(found: _Found, content: dict[str, Any], names: dict[str, str], sources: dict[str, str], path: Path) -> None:
    """Add the annotations of a file; `sources` has the photo of each image's id."""
    role = role_of(path)
    for i, entry in enumerate(content["annotations"]):
        where = f"{path}, annotations, entry {i}"
        number, category = text(entry, "image_id", where), text(entry, "category_id", where)
        if number not in sources:
            raise FashretError(f"{where}: image_id {number} is not among the images")
        if category not in names:
            raise FashretError(f"{where}: category_id {category} is not among the categories {listed(names)}")
        outline = outline_of(entry.get("segmentation"), where)
        box = _corners(entry, outline, where)
        if box is None:
            found.notes[WITHOUT_BOX] += 1
            continue
        key = sources[number], box, names[category]
        if key in found.seen:
            found.notes[AGAIN] += 1
            continue
        found.seen.add(key)
        found.rows.add(Row(sources[number], box, "", role, Domain.STREET, names[category]), where)
        found.crowd.append(bool(entry.get("iscrowd")))
        found.outlines.append(outline)


def _size(image: dict[str, Any]) -> tuple[int, int] | None:
    """Width and height that a file says of a photo."""
    width, height = image.get("width"), image.get("height")
    return (width, height) if type(width) is int and type(height) is int and min(width, height) > 0 else None


def role_of(path: Path) -> Role:
    """What the rows of a file are for, by its name.

    >>> role_of(Path("instances_val2020.json")).name, role_of(Path("modanet.json")).name
    ('VAL_QUERY', 'TRAIN')
    """
    words = re.findall(r"[a-z]+", path.stem.lower())
    if any(word.startswith("val") for word in words):
        return Role.VAL_QUERY
    return Role.QUERY if "test" in words else Role.TRAIN


def _corners(entry: dict[str, Any], outline: Outline | None, where: str) -> Corners | None:
    """x1 y1 x2 y2 of an annotation; None if it has neither a box nor polygons."""
    bbox = entry.get("bbox")
    if bbox in (None, "", []):
        return outline.box if outline else None
    x, y, width, height = four_numbers(bbox, f"{where}, bbox")
    return x, y, x + width, y + height
