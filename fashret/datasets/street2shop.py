"""Street2Shop (Kiapour et al., ICCV 2015): 11 categories, street photos with boxes, shop photos whole.

In: `meta/json/{train_pairs,test_pairs,retrieval}_{category}.json`, the photos `images/%09d.*`, and, if present,
`photos/photos.txt`. Out: its `Listing`.

    pair        {"photo": 14537, "product": 286, "bbox": {"width": 611, "top": 60, "height": 457, "left": 377}}
    retrieval   {"photo": 75161, "product": 1}
    photos.txt  000000001,http://… (the address; only to say which missing photos have one)

A product is its category and number ("bags/286"), since each category numbers its own. Street photos of train
pairs are train, those of test pairs queries; every shop photo of a retrieval file is in the gallery, and in train too
if its product has a train pair.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from fashret.console import log
from fashret.datasets.annotations import (
    existing_folder,
    index_photos,
    listed,
    number,
    read_entries,
    read_lines,
    require_files,
    shown,
    whole_number,
)
from fashret.datasets.flags import CropFlags
from fashret.datasets.row_list import WHOLE, Corners, Row, RowList
from fashret.errors import FashretError
from fashret.files.columns import Domain, Role, Rows
from fashret.files.photos.sources import PhotoFolder
from fashret.files.tables.manifests import Listing, drop_repeats

CATEGORIES = (
    "bags", "belts", "dresses", "eyewear", "footwear", "hats", "leggings", "outerwear", "pants", "skirts", "tops",
)  # fmt: skip
KINDS = ("train_pairs", "test_pairs", "retrieval")
META = ("meta/json", "meta/meta/json", "json")
ADDRESSES = ("photos/photos.txt", "photos.txt")
IMAGES = ("images", "photos", "")  # the first that holds photos; "" = in any folder of the root
PAIR = '{"photo": 14537, "product": 286, "bbox": {"left": 377, "top": 60, "width": 611, "height": 457}}'
BOTH = Role.TRAIN | Role.GALLERY
SHARED = "street photos both in train and in test"


def read(root: Path, options: CropFlags) -> Listing:
    """List Street2Shop.

    Raises
    ------
    FashretError
        If an annotation file is missing or an entry makes no sense.
    """
    meta = existing_folder(root, META, "the annotations")
    files = require_files(meta, [f"{kind}_{category}.json" for category in CATEGORIES for kind in KINDS])
    photos = _Photos(root)
    collected = RowList(CATEGORIES)
    notes = {"shop photos under two products": 0}
    for i, category in enumerate(CATEGORIES):
        train, test, retrieval = files[3 * i : 3 * i + 3]
        train_products = _add_pairs(collected, photos, train, category, Role.TRAIN)
        test_products = _add_pairs(collected, photos, test, category, Role.QUERY)
        only_train = train_products - test_products if options.drop_train_products else set()
        notes["shop photos under two products"] += _add_shop(
            collected, photos, retrieval, category, train_products, only_train
        )
    for path in [root / name for name in ADDRESSES if (root / name).is_file()][:1]:
        notes[f"missing photos with an address in {path.name}"] = len(photos.missing & _addressed(path))
    rows, repeats = drop_repeats(collected.rows())
    shared = _shared_photos(rows)
    notes[SHARED] = len({rows.source[i] for i in shared})
    if options.drop_shared_photos:
        notes["train rows left out for that"] = len(shared)
        rows = rows.take(np.setdiff1d(np.arange(len(rows)), shared))
    chosen = {"drop_train_products": options.drop_train_products, "drop_shared_photos": options.drop_shared_photos}
    return Listing(
        "street2shop", root, rows, PhotoFolder(root), True, repeats, notes, files=tuple(files), options=chosen
    )


class _Photos:
    """The path of photo number n: its extension varies, and some collections do not pad the number."""

    def __init__(self, root: Path) -> None:
        self.paths: dict[int, str] = {}
        self.missing: set[int] = set()  # photos that were asked for and are not there
        for name in IMAGES:
            if (root / name).is_dir():
                found = index_photos(root / name)
                prefix = name + "/" if name else ""
                self.paths = {int(stem): prefix + path for stem, path in found.items() if stem.isdecimal()}
            if self.paths:
                break

    def source(self, photo: int) -> str:
        """Path relative to the root; the name that it should have where there is none."""
        if photo not in self.paths:
            self.missing.add(photo)
            return f"{IMAGES[0]}/{photo:09d}.jpg"
        return self.paths[photo]


def _addressed(path: Path) -> set[int]:
    """Photos with an address: lines `000000001,http://…`, cut at the first comma since addresses hold commas too."""
    known, wrong = set(), []
    for i, line in enumerate(read_lines(path), start=1):
        if match := re.match(r"\s*(\d{1,15}),.*\S", line):
            known.add(int(match[1]))
        elif line.strip():
            wrong.append(f"line {i}: {shown(line)}")
    if wrong:
        log.warning("%s: expected a photo's number, a comma, its address; found in %s", path, listed(wrong))
    return known


def _add_pairs(rows: RowList, photos: _Photos, path: Path, category: str, role: Role) -> set[int]:
    """Add the street photos of one file; the products they show."""
    products = set()
    for i, entry in enumerate(read_entries(path)):
        where = f"{path}, entry {i}"
        photo, product = whole_number(entry, "photo", where), whole_number(entry, "product", where)
        box = _corners(entry.get("bbox"), where)
        rows.add(Row(photos.source(photo), box, f"{category}/{product}", role, Domain.STREET, category), where)
        products.add(product)
    return products


def _corners(bbox: Any, where: str) -> Corners:
    """Left, top, width and height in any order → x1 y1 x2 y2."""
    if not isinstance(bbox, dict):
        raise FashretError(f"{where}: lacks bbox; expected an entry like {PAIR}")
    left, top, width, height = (number(bbox, key, f"{where}, bbox") for key in ("left", "top", "width", "height"))
    return left, top, left + width, top + height


def _add_shop(
    rows: RowList, photos: _Photos, path: Path, category: str, train_products: set[int], outside: set[int]
) -> int:
    """Add the shop photos of one file; how many are there under more than one product.

    `outside`: products whose photos are not in the gallery.
    """
    products_of: dict[int, set[int]] = defaultdict(set)
    for i, entry in enumerate(read_entries(path)):
        where = f"{path}, entry {i}"
        photo, product = whole_number(entry, "photo", where), whole_number(entry, "product", where)
        products_of[photo].add(product)
        trained, searched = product in train_products, product not in outside
        role = BOTH if trained and searched else Role.TRAIN if trained else Role.GALLERY
        rows.add(Row(photos.source(photo), WHOLE, f"{category}/{product}", role, Domain.SHOP, category), where)
    return sum(len(products) > 1 for products in products_of.values())


def _shared_photos(rows: Rows) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Positions of the street rows in train whose photo is also a query's."""
    tested = set(rows.source[rows.with_role(Role.QUERY)])
    street = np.flatnonzero((rows.domain == Domain.STREET) & ((rows.role & Role.TRAIN) > 0))
    return np.array([i for i in street if rows.source[i] in tested], np.int64)
