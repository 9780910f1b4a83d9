"""DeepFashion Consumer-to-Shop (Liu et al., CVPR 2016): consumer photos against shop photos, both with boxes.

In: `Anno/list_bbox_consumer2shop.txt`, `Eval/list_eval_partition.txt` and the photos `img/` or `img_highres/`. Out: its
`Listing`.

    box list        image_name clothes_type source_type x_1 y_1 x_2 y_2
    partition       image_pair_name_1 (consumer) image_pair_name_2 (shop) item_id evaluation_status

Boxes are whole numbers in the photos of `img/`, whose longer side is 300 pixels: corners counted from 1, both inside.
For `img_highres/` they are scaled by the ratio of the two sizes. Which shop photos are searched is an option: test and
validation (the dataset's own note), or test alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashret.console import progress
from fashret.datasets.annotations import corners_of_list, existing_folder, read_list, require_files
from fashret.datasets.flags import CropFlags
from fashret.datasets.row_list import WHOLE, Corners, Row, RowList
from fashret.errors import FashretError
from fashret.files.columns import Domain, Role, Rows, text_array
from fashret.files.photos.picture import picture_size
from fashret.files.photos.sources import PhotoFolder
from fashret.files.tables.manifests import Listing, drop_repeats

BOXES, PARTITION = "list_bbox_consumer2shop.txt", "list_eval_partition.txt"
BOX_COLUMNS = "image_name clothes_type source_type x_1 y_1 x_2 y_2"
PARTITION_COLUMNS = "image_pair_name_1 image_pair_name_2 item_id evaluation_status"
CATEGORIES = ("upper-body", "lower-body", "full-body")
CLOTHES_TYPE = {"1": "upper-body", "2": "lower-body", "3": "full-body"}
LOW_SIDE = 300  # longer side of the photos in img/
RENAMED = {"Summer_Wear": "Summer_Suit"}  # a folder that img_highres spells differently


def read(root: Path, options: CropFlags) -> Listing:
    """List DeepFashion Consumer-to-Shop.

    Raises
    ------
    FashretError
        If an annotation file is missing or a line makes no sense.
    """
    (boxes_file,) = require_files(existing_folder(root, ("Anno", ""), "the boxes"), [BOXES])
    (partition_file,) = require_files(existing_folder(root, ("Eval", ""), "the partition"), [PARTITION])
    boxes = dict(_boxes(boxes_file))
    collected = RowList(CATEGORIES)
    notes = {"photos without a box, taken whole": 0}
    seen: set[tuple[str, str, str]] = set()  # each photo is in as many lines as it has pairs
    for line, (consumer, shop, item, status) in read_list(partition_file, PARTITION_COLUMNS):
        for name, domain in ((consumer, Domain.STREET), (shop, Domain.SHOP)):
            if (name, item, status) in seen:
                continue
            seen.add((name, item, status))
            category, box = boxes.get(name, ("", WHOLE))
            notes["photos without a box, taken whole"] += name not in boxes
            where = f"{partition_file}, line {line}"
            role = _role(status, domain, options.gallery, where)
            collected.add(Row(name, box, item, role, domain, category), where)
    rows, repeats = drop_repeats(collected.rows())
    low, high = _photo_folders(root, options.resolution)
    if high and not options.check:  # a check reads no photo, so its boxes stay those of img
        rows = _scaled(root, rows, low, high)
    else:
        rows = _renamed(root, _in_folder(rows, high or low))
    return Listing(
        "deepfashion", root, rows, PhotoFolder(root), True, repeats, notes,
        files=(boxes_file, partition_file),
        options={"gallery": options.gallery, "resolution": "high" if high else "low"},
    )  # fmt: skip


def _boxes(path: Path) -> Iterator[tuple[str, tuple[str, Corners]]]:
    for line, (name, clothes_type, _, *corners) in read_list(path, BOX_COLUMNS):
        where = f"{path}, line {line}"
        if clothes_type not in CLOTHES_TYPE:
            raise FashretError(f"{where}: clothes_type {clothes_type!r}; expected 1, 2 or 3")
        yield name, (CLOTHES_TYPE[clothes_type], corners_of_list(corners, where))


def _role(status: str, domain: Domain, gallery: str, where: str) -> Role:
    street = domain == Domain.STREET
    if status == "train":
        return Role.TRAIN
    if status == "test":
        return Role.QUERY if street else Role.GALLERY
    if status == "val":
        searched = Role.GALLERY if gallery == "val+test" else Role(0)
        return Role.VAL_QUERY if street else Role.VAL_GALLERY | searched
    raise FashretError(f"{where}: evaluation_status {status!r}; expected train, val or test")


def _photo_folders(root: Path, resolution: str) -> tuple[str, str]:
    """Paths of `img` and of `img_highres` (empty if it is not to be used), relative to the root."""
    for above in ("", "Img/"):
        low, high = above + "img", above + "img_highres"
        if (root / high).is_dir() and resolution != "low":
            return low, high
        if (root / low).is_dir() and resolution != "high":
            return low, ""
    wanted = {"low": "img", "high": "img_highres"}.get(resolution, "img or img_highres")
    raise FashretError(f"{root}: no folder {wanted}, here or in Img; unpack the photos there")


def _in_folder(rows: Rows, folder: str) -> Rows:
    """The same rows with the photos of another folder in place of `img`."""
    source = text_array(f"{folder}/{name.partition('/')[2]}" for name in rows.source)
    return replace(rows, source=source)


def _scaled(root: Path, rows: Rows, low: str, high: str) -> Rows:
    """The same rows with the photos of `img_highres` and boxes in their pixels.

    A photo that cannot be read keeps its box: it will not be cropped either.
    """
    small, large = _in_folder(rows, low), _renamed(root, _in_folder(rows, high))
    box = rows.box.copy()
    with ThreadPoolExecutor() as pool, progress(len(rows), "sizes of photos", "photos") as advance:
        for i, ratio in enumerate(pool.map(lambda *pair: _ratio(root, *pair), small.source, large.source)):
            box[i] *= ratio
            advance()
    return replace(large, box=box)


def _ratio(root: Path, small: str, large: str) -> NDArray[np.float32]:
    """Pixels of the large photo for one of the small photo: x, y, x, y."""
    of_large = picture_size(root / large)
    if of_large is None:
        return np.ones(4, np.float32)
    of_small = picture_size(root / small)
    x, y = (max(of_large) / LOW_SIDE,) * 2
    if of_small is not None:
        x, y = of_large[0] / of_small[0], of_large[1] / of_small[1]
    return np.array([x, y, x, y], np.float32)


def _renamed(root: Path, rows: Rows) -> Rows:
    """Follow the folders that `img_highres` spells differently."""
    source = rows.source.copy()
    for name, other in RENAMED.items():
        for i in np.flatnonzero([f"/{name}/" in s for s in source]):
            elsewhere = source[i].replace(f"/{name}/", f"/{other}/")
            if not os.path.exists(root / source[i]) and os.path.exists(root / elsewhere):
                source[i] = elsewhere
    return replace(rows, source=source)
