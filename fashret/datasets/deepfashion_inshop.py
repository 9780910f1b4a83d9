"""DeepFashion In-shop (Liu et al., CVPR 2016): shop photos against shop photos, with boxes.

In: `Anno/list_bbox_inshop.txt`, `Eval/list_eval_partition.txt` and the photos `img/`. Out: its `Listing`.

    box list        image_name clothes_type pose_type x_1 y_1 x_2 y_2 (numbers may be zero-padded)
    partition       image_name item_id evaluation_status (train, query or gallery)

Boxes are taken as in Consumer-to-Shop: corners counted from 1, both inside. They belong to the photos of `img/`; where
they are in `img_highres/` is not known, so those are not used.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fashret.datasets.annotations import corners_of_list, existing_folder, read_list, require_files
from fashret.datasets.flags import CropFlags
from fashret.datasets.row_list import WHOLE, Corners, Row, RowList
from fashret.errors import FashretError
from fashret.files.columns import Domain, Role
from fashret.files.photos.sources import PhotoFolder
from fashret.files.tables.manifests import Listing, drop_repeats

BOXES, PARTITION = "list_bbox_inshop.txt", "list_eval_partition.txt"
BOX_COLUMNS = "image_name clothes_type pose_type x_1 y_1 x_2 y_2"
PARTITION_COLUMNS = "image_name item_id evaluation_status"
CLOTHES_TYPE = {"1": "upper-body", "2": "lower-body", "3": "full-body"}
ROLES = {"train": Role.TRAIN, "query": Role.QUERY, "gallery": Role.GALLERY}


def read(root: Path, options: CropFlags) -> Listing:
    """List DeepFashion In-shop.

    Raises
    ------
    FashretError
        If an annotation file is missing or a line makes no sense.
    """
    (boxes_file,) = require_files(existing_folder(root, ("Anno", ""), "the boxes"), [BOXES])
    (partition_file,) = require_files(existing_folder(root, ("Eval", ""), "the partition"), [PARTITION])
    boxes = dict(_boxes(boxes_file))
    above = "Img/" if (root / "Img" / "img").is_dir() else ""
    collected = RowList(tuple(CLOTHES_TYPE.values()))
    notes = {"photos without a box, taken whole": 0}
    for line, (name, item, status) in read_list(partition_file, PARTITION_COLUMNS):
        where = f"{partition_file}, line {line}"
        if status not in ROLES:
            raise FashretError(f"{where}: evaluation_status {status!r}; expected train, query or gallery")
        category, box = boxes.get(name, ("", WHOLE))
        notes["photos without a box, taken whole"] += name not in boxes
        collected.add(Row(above + name, box, item, ROLES[status], Domain.SHOP, category), where)
    rows, repeats = drop_repeats(collected.rows())
    return Listing(
        "deepfashion-inshop", root, rows, PhotoFolder(root), True, repeats, notes, files=(boxes_file, partition_file)
    )


def _boxes(path: Path) -> Iterator[tuple[str, tuple[str, Corners]]]:
    for line, (name, clothes_type, _, *corners) in read_list(path, BOX_COLUMNS):
        where = f"{path}, line {line}"
        if clothes_type.lstrip("0") not in CLOTHES_TYPE:
            raise FashretError(f"{where}: clothes_type {clothes_type!r}; expected 1, 2 or 3")
        yield name, (CLOTHES_TYPE[clothes_type.lstrip("0")], corners_of_list(corners, where))
