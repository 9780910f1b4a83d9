"""DeepFashion2 (Ge et al., CVPR 2019): several garments per photo, each with its box.

In: `{train,validation}/annos/000001.json` and `{train,validation}/image/000001.jpg`. Out: its `Listing`, one
row per item.

    {"source": "user", "pair_id": 1, "item1": {"category_id": 1, "category_name": "short sleeve top", "style": 1,
     "bounding_box": [x1, y1, x2, y2], …}, "item2": …}, keys in any order

Items of one pair_id and one style above 0 are one product ("validation/17/2": the parts are kept apart). Style 0 has no
pair: in the validation gallery such items are distractors without a product, elsewhere they are left out.
The annotations of the test photos are not published, so validation serves as the test: user → query, shop → gallery.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fashret.console import progress
from fashret.datasets.annotations import existing_folder, four_numbers, read_json, shown, text, whole_number
from fashret.datasets.flags import CropFlags
from fashret.datasets.row_list import Row, RowList
from fashret.errors import FashretError
from fashret.files.columns import Domain, Role
from fashret.files.photos.outlines import Outline, outline_of
from fashret.files.photos.sources import PhotoFolder
from fashret.files.tables.manifests import Listing, drop_repeats

PARTS = ("train", "validation")
CATEGORIES = (
    "short sleeve top", "long sleeve top", "short sleeve outwear", "long sleeve outwear", "vest", "sling", "shorts",
    "trousers", "skirt", "short sleeve dress", "long sleeve dress", "vest dress", "sling dress",
)  # fmt: skip
DOMAINS = {"user": Domain.STREET, "shop": Domain.SHOP}
LEFT_OUT = "items of style 0 outside of the gallery, left out"


def read(root: Path, options: CropFlags, outlines: list[Outline | None] | None = None) -> Listing:
    """List DeepFashion2.

    Parameters
    ----------
    outlines
        A list that gets the outline of each row. Then items without a pair are listed everywhere, as detectors need
        them, and none is dropped as a repeat.

    Raises
    ------
    FashretError
        If an annotation folder is missing or an annotation makes no sense.
    """
    for part in PARTS:
        existing_folder(root, (f"{part}/annos",), f"the annotations of {part}")
    collected = RowList(CATEGORIES)
    notes = {LEFT_OUT: 0}
    for part in PARTS:
        names = sorted(name for name in os.listdir(root / part / "annos") if name.endswith(".json"))
        if not names:
            raise FashretError(f"{root / part / 'annos'}: holds no annotations like 000001.json")
        with progress(len(names), f"annotations of {part}", "files") as advance:
            for name in names:
                notes[LEFT_OUT] += _add_photo(collected, root, part, name, outlines)
                advance()
    rows, repeats = drop_repeats(collected.rows()) if outlines is None else (collected.rows(), 0)
    return Listing("deepfashion2", root, rows, PhotoFolder(root), True, repeats, notes)


@dataclass(frozen=True)
class _Photo:
    """What all items of one annotation share."""

    part: str
    source: str
    domain: Domain
    pair: int
    outlines: list[Outline | None] | None  # of all items, those without a pair too, where they are wanted


def _add_photo(rows: RowList, root: Path, part: str, name: str, outlines: list[Outline | None] | None) -> int:
    """Add the items of one annotation; how many were left out."""
    path = root / part / "annos" / name
    content = read_json(path)
    if not isinstance(content, dict):
        raise FashretError(f"{path}: expected an object, found {shown(content)}")
    source = text(content, "source", str(path))
    if source not in DOMAINS:
        raise FashretError(f"{path}: source is {shown(source)}; expected user or shop")
    pair = whole_number(content, "pair_id", str(path))
    photo = _Photo(part, f"{part}/image/{Path(name).stem}.jpg", DOMAINS[source], pair, outlines)
    left_out = 0
    for key in sorted((k for k in content if re.fullmatch(r"item\d+", k)), key=lambda k: (len(k), k)):
        left_out += _add_item(rows, photo, content[key], f"{path}, {key}")
    return left_out


def _add_item(rows: RowList, photo: _Photo, item: Any, where: str) -> bool:
    """Add one item; whether it was left out."""
    if not isinstance(item, dict):
        raise FashretError(f"{where}: expected an object, found {shown(item)}")
    category = whole_number(item, "category_id", where)
    if not 1 <= category <= len(CATEGORIES):
        raise FashretError(f"{where}: category_id is {category}; expected 1 to {len(CATEGORIES)}")
    style = whole_number(item, "style", where)
    box = four_numbers(item.get("bounding_box"), f"{where}, bounding_box")
    role = Role.TRAIN if photo.part == "train" else Role.QUERY if photo.domain == Domain.STREET else Role.GALLERY
    if style == 0 and role != Role.GALLERY and photo.outlines is None:
        return True
    product = f"{photo.part}/{photo.pair}/{style}" if style else ""
    rows.add(Row(photo.source, box, product, role, photo.domain, CATEGORIES[category - 1]), where)
    if photo.outlines is not None:
        photo.outlines.append(outline_of(item.get("segmentation"), where))
    return False
