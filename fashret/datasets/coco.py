"""COCO with `pair_id` and `source`: the format of the centroids-reid code, read and written.

In: `{train,query,gallery}*.json` in the root or in one folder of it, and the photos `{train,query,gallery}/`; or an
open crops.h5. Out: a `Listing`; or such a folder.

    images        [{"id": 1, "file_name": "000000001_0_0.jpg", "width": 320, "height": 320}, …]
    annotations   [{"id": 1, "image_id": 1, "category_id": 1, "bbox": "", "pair_id": 100, "source": "user", …}, …]

A bbox "" (or none) is a photo that was cropped before: taken whole. A bbox [x, y, width, height] is cut; it is in
pixels of the upright photo where width and height of the image are the upright photo's (`boxes_by_size`). Its tools
restart the numbers of pairs for query and gallery, so products of train ("train/100") and test ("test/100") are kept
apart.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fashret.console import progress
from fashret.datasets.annotations import four_numbers, listed, object_list, read_coco, shown, text, whole_number
from fashret.datasets.flags import CropFlags
from fashret.datasets.row_list import WHOLE, Corners, Row, RowList
from fashret.errors import FashretError
from fashret.files.columns import Domain, Role
from fashret.files.crops import Crops
from fashret.files.photos import jpeg
from fashret.files.photos.box_frames import boxes_by_size
from fashret.files.photos.sources import PhotoFolder
from fashret.files.tables.cells import is_blank
from fashret.files.tables.manifests import Listing, drop_repeats

PARTS = {"train": Role.TRAIN, "query": Role.QUERY, "gallery": Role.GALLERY}
DOMAINS = {"user": Domain.STREET, "shop": Domain.SHOP}
NONE = "none"  # name of the category of rows that have none
QUALITY = 95  # of photos that are written from raw crops


def read(root: Path, options: CropFlags) -> Listing:
    """List a dataset in this format.

    Raises
    ------
    FashretError
        If a file is missing or an annotation makes no sense.
    """
    files = {part: _annotation_file(root, part) for part in PARTS}
    contents = {part: read_coco(path) for part, path in files.items()}
    names = {part: _category_names(content, files[part]) for part, content in contents.items()}
    collected = RowList(sorted({name for of_part in names.values() for name in of_part.values()} - {""}))
    sizes: dict[str, tuple[int, int]] = {}
    for part, content in contents.items():
        sizes |= _add_part(collected, root, part, content, names[part], files[part])
    photos, rows = PhotoFolder(root), collected.rows()
    if not options.boxes:
        rows = boxes_by_size(rows, photos, sizes, str(root))
    rows, repeats = drop_repeats(rows)
    return Listing("coco", root, rows, photos, True, repeats, files=tuple(files.values()))


def _annotation_file(root: Path, part: str) -> Path:
    """The one JSON file of a part."""
    found = sorted(root.glob(f"{part}*.json")) or sorted(root.glob(f"*/{part}*.json"))
    if len(found) == 1:
        return found[0]
    if found:
        several = listed(str(path.relative_to(root)) for path in found)
        raise FashretError(f"{root}: several files {part}*.json ({several}); leave one")
    there = listed(str(path.relative_to(root)) for path in sorted(root.glob("**/*.json"))) or "no JSON file"
    raise FashretError(f"{root}: lacks a file {part}*.json; found {there}")


def _category_names(content: dict[str, Any], path: Path) -> dict[int, str]:
    """category_id → name; the number itself where the file has no list of categories."""
    known = {}
    for i, entry in enumerate(object_list(content.get("categories") or [], f"{path}, categories")):
        where = f"{path}, categories, entry {i}"
        name = text(entry, "name", where)
        known[whole_number(entry, "id", where)] = "" if name == NONE else name
    for i, entry in enumerate(content["annotations"]):
        number = whole_number(entry, "category_id", f"{path}, annotations, entry {i}")
        known.setdefault(number, str(number))
    return known


def _add_part(
    rows: RowList, root: Path, part: str, content: dict[str, Any], names: dict[int, str], path: Path
) -> dict[str, tuple[int, int]]:
    """Add the annotations of a part; for each photo whose size the file says, its width and height."""
    folder = _photo_folder(root, part)
    file_names, declared, sizes = {}, {}, {}
    for i, image in enumerate(content["images"]):
        where = f"{path}, images, entry {i}"
        number = whole_number(image, "id", where)
        file_names[number] = text(image, "file_name", where)
        size = image.get("width"), image.get("height")
        if all(type(side) is int for side in size):
            declared[number] = size
    for i, entry in enumerate(content["annotations"]):
        where = f"{path}, annotations, entry {i}"
        image = whole_number(entry, "image_id", where)
        if image not in file_names:
            raise FashretError(f"{where}: image_id {image} is not among the images")
        source = text(entry, "source", where)
        if source not in DOMAINS:
            raise FashretError(f"{where}: source is {shown(source)}; expected user or shop")
        product = f"{'train' if part == 'train' else 'test'}/{whole_number(entry, 'pair_id', where)}"
        box = _corners(entry.get("bbox"), f"{where}, bbox")
        category = names[whole_number(entry, "category_id", where)]
        rows.add(Row(folder + file_names[image], box, product, PARTS[part], DOMAINS[source], category), where)
        if image in declared:
            sizes[rows.source[-1]] = declared[image]
    return sizes


def _photo_folder(root: Path, part: str) -> str:
    """The folder of a part's photos, relative to the root, with a slash at the end."""
    found = [root / part] if (root / part).is_dir() else sorted(p for p in root.glob(f"*/{part}") if p.is_dir())
    if len(found) != 1:
        there = listed(str(path.relative_to(root)) for path in found) or "none"
        raise FashretError(f"{root}: expected one folder {part} with photos, found {there}")
    return found[0].relative_to(root).as_posix() + "/"


def _corners(bbox: Any, where: str) -> Corners:
    """[x, y, width, height] → x1 y1 x2 y2; "", nothing, or four times nothing → the whole photo."""
    if is_blank(bbox):
        return WHOLE
    x, y, width, height = four_numbers(bbox, where)
    return x, y, x + width, y + height


def write(crops: Crops, folder: Path) -> dict[str, int]:
    """Write the crops of train, query and gallery in this format, as its training scripts take it.

    A row with several roles is written to each part; a row without product only to the gallery, as a pair of its own.

    Parameters
    ----------
    folder
        New or empty; gets `{train,query,gallery}.json` and the photos in folders of these names.

    Returns
    -------
    Number of photos of each part.

    Raises
    ------
    FashretError
        If the folder holds something.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FashretError(f"{folder}: already exists; give a new folder")
    pairs = {product: i for i, product in enumerate(dict.fromkeys(crops.product))}
    pairs.pop("", None)
    counts = {}
    for part, role in PARTS.items():
        chosen = crops.with_role(role)
        (folder / part).mkdir(parents=True)
        with progress(len(chosen), f"write {part}", "crops") as advance:
            images = []
            for row in chosen:
                images.append(_write_photo(crops, int(row), folder / part))
                advance()
        annotations = [_annotation(crops, int(row), i, pairs) for i, row in enumerate(chosen)]
        _write_json(folder / f"{part}.json", images, annotations, crops.categories)
        counts[part] = len(chosen)
    return counts


def _write_photo(crops: Crops, row: int, folder: Path) -> dict[str, Any]:
    """Write one crop and describe it; it is encoded only if it is stored raw."""
    pixels = crops.image(row)
    data = jpeg.encode(pixels, QUALITY) if crops.encoding == "raw" else crops.encoded(row, row + 1)[0].tobytes()
    name = f"{row:09d}.jpg"
    (folder / name).write_bytes(data)
    return {"id": row, "file_name": name, "width": pixels.shape[1], "height": pixels.shape[0]}


def _annotation(crops: Crops, row: int, number: int, pairs: dict[str, int]) -> dict[str, Any]:
    product, category = crops.product[row], int(crops.category[row])
    return {
        "id": number,
        "image_id": row,
        "category_id": category + 1,
        "area": 0,
        "bbox": "",
        "iscrowd": 0,
        "pair_id": pairs.get(product, len(pairs) + row),
        "style": category + 1,
        "source": "user" if crops.domain[row] == Domain.STREET else "shop",
    }


def _write_json(
    path: Path, images: Sequence[dict[str, Any]], annotations: Sequence[dict[str, Any]], categories: Sequence[str]
) -> None:
    named = [{"id": 0, "name": NONE}] + [{"id": i, "name": name} for i, name in enumerate(categories, start=1)]
    content = {"images": images, "annotations": annotations, "categories": named}
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
