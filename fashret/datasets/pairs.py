"""Small datasets whose annotation is a list of pairs or of product numbers: MVC, MPV, worn/flat pairs, DARN.

In: their list files, and the photos beside them. Out: a `Listing`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from fashret.datasets.annotations import index_photos, listed, read_entries, read_lines, require_files, shown, text
from fashret.datasets.flags import CropFlags
from fashret.datasets.row_list import WHOLE, Row, RowList
from fashret.errors import FashretError
from fashret.files.columns import Domain, Role
from fashret.files.photos.sources import PhotoFolder
from fashret.files.tables.manifests import Listing, drop_repeats

SPLITS = ("train", "val", "test")
TRIED = 1000  # photos looked for in each folder, since some may be lost


def read_mvc(root: Path, options: CropFlags) -> Listing:
    """List MVC: three JSON lists of which the n-th entries belong together; matched by productId.

    There is no split into queries and gallery: each photo is both, and never finds itself.

    Raises
    ------
    FashretError
        If a list is missing, the lengths differ, or an entry lacks a field.
    """
    names = ("image_links.json", "attribute_labels.json", "mvc_info.json")
    files = require_files(root, names)
    links, labels, infos = (read_entries(path) for path in files)
    if not len(links) == len(labels) == len(infos):
        lengths = ", ".join(f"{name} {len(x)}" for name, x in zip(names, (links, labels, infos), strict=True))
        raise FashretError(f"{root}: the lists must have the same length, and have {lengths}")
    photos = _photo_index(root, ("image_data", "images", "image", ""))
    categories = [text(info, "category", f"{files[2]}, entry {i}").strip('"') for i, info in enumerate(infos)]
    rows = RowList(sorted(set(categories)))
    for i, (link, label, info) in enumerate(zip(links, labels, infos, strict=True)):
        name = text(label, "filename", f"{files[1]}, entry {i}")
        url = text(link, "image_url_4x", f"{files[0]}, entry {i}")
        source = photos.get(_stem(name)) or photos.get(_stem(url)) or f"image_data/{_stem(name)}.jpg"
        product = text(info, "productId", f"{files[2]}, entry {i}")
        where = f"{files[1]}, entry {i}"
        rows.add(Row(source, WHOLE, product, Role.QUERY | Role.GALLERY, Domain.SHOP, categories[i]), where)
    return _listing("mvc", root, rows, files)


def read_mpv(root: Path, options: CropFlags) -> Listing:
    """List MPV: lines `poseA poseB cloth split` separated by tabs; the cloth is the positive of both poses.

    Raises
    ------
    FashretError
        If the list is missing, there are several, or a line makes no sense.
    """
    path = _only(root, "all_poseA_poseB_clothes*.txt")
    lines = list(_lines(path, "\t", 4, "poseA poseB cloth split, separated by tabs"))
    folder = _folder_of(root, [cells[2] for _, cells in lines], ("all", "MPV_192_256", "images", "image"))
    rows = RowList()
    for line, (*poses, cloth, split) in lines:
        where = f"{path}, line {line}"
        query, gallery = _roles(split, where)
        for pose in poses:
            rows.add(Row(folder + pose, WHOLE, cloth, query, Domain.STREET), where)
        rows.add(Row(folder + cloth, WHOLE, cloth, gallery, Domain.SHOP), where)
    return _listing("mpv", root, rows, [path])


def read_worn_flat(root: Path, options: CropFlags) -> Listing:
    """List worn/flat pairs in the VITON format: `{split}_pairs.txt` with lines `person cloth` separated by blanks.

    A line whose numbers differ ("000001_0.jpg 000007_1.jpg") asks for a try-on and is not a pair: left out and counted.

    Raises
    ------
    FashretError
        If there is no list, or a line makes no sense.
    """
    files = [path for split in SPLITS if (path := root / f"{split}_pairs.txt").is_file()]
    if not files:
        raise FashretError(f"{root}: lacks train_pairs.txt or test_pairs.txt; found {_texts(root)}")
    rows = RowList()
    notes = {"lines whose person and cloth are not a pair, left out": 0}
    for path in files:
        split = path.name.removesuffix("_pairs.txt")
        lines = list(_lines(path, None, 2, "person cloth, separated by blanks"))
        people = _folder_of(root, [cells[0] for _, cells in lines], (f"{split}/image", split, "image", "images"))
        cloths = _folder_of(root, [cells[1] for _, cells in lines], (f"{split}/cloth", split, "cloth", "images"))
        for line, (person, cloth) in lines:
            if not _same_number(person, cloth):
                notes["lines whose person and cloth are not a pair, left out"] += 1
                continue
            where = f"{path}, line {line}"
            query, gallery = _roles(split, where)
            rows.add(Row(people + person, WHOLE, f"{split}/{cloth}", query, Domain.STREET), where)
            rows.add(Row(cloths + cloth, WHOLE, f"{split}/{cloth}", gallery, Domain.SHOP), where)
    return _listing("worn-flat", root, rows, files, notes)


def read_darn(root: Path, options: CropFlags) -> Listing:
    """List DARN: lines `id/name url`; photos of one id show one product.

    The list does not say which photos are from the street, nor any split: each photo is query and gallery.

    Raises
    ------
    FashretError
        If there is not one list, or a line makes no sense.
    """
    path = _only(root, "*.txt")
    lines = list(_lines(path, None, 2, "id/name url"))
    folder = _folder_of(root, [cells[0] for _, cells in lines], ("images", "photos"))
    rows = RowList()
    for line, (name, _) in lines:
        where = f"{path}, line {line}"
        product, slash, photo = name.partition("/")
        if not (product and slash and photo):
            raise FashretError(f"{where}: {shown(name)}; expected id/name")
        rows.add(Row(folder + name, WHOLE, product, Role.QUERY | Role.GALLERY, Domain.SHOP), where)
    return _listing("darn", root, rows, [path])


def _listing(
    name: str, root: Path, collected: RowList, files: Sequence[Path], notes: dict[str, int] | None = None
) -> Listing:
    """The rows without the repeats that a list of pairs brings by itself: a photo is in one line for each pair."""
    rows, _ = drop_repeats(collected.rows())
    if not len(rows):
        raise FashretError(f"{listed(map(str, files))}: lists no photos")
    return Listing(name, root, rows, PhotoFolder(root), True, notes=notes or {}, files=tuple(files))


def _lines(path: Path, separator: str | None, cells: int, expected: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        parts = [part.strip() for part in line.split(separator)]
        if len(parts) != cells or not all(parts):
            raise FashretError(f"{path}, line {number}: expected {expected}, found {shown(line)}")
        yield number, parts


def _roles(split: str, where: str) -> tuple[Role, Role]:
    """Roles of the query's side and of the gallery's side."""
    if split not in SPLITS:
        raise FashretError(f"{where}: split {split!r}; expected {', '.join(SPLITS)}")
    if split == "train":
        return Role.TRAIN, Role.TRAIN
    return (Role.QUERY, Role.GALLERY) if split == "test" else (Role.VAL_QUERY, Role.VAL_GALLERY)


def _same_number(person: str, cloth: str) -> bool:
    """Whether 000001_0.jpg and 000001_1.jpg are of one number; names of another form are taken at their word."""
    numbers = [re.match(r"(\d+)_\d+\.", Path(name).name) for name in (person, cloth)]
    return not all(numbers) or len({found[1] for found in numbers if found}) == 1


def _only(root: Path, pattern: str) -> Path:
    """The one file of that pattern."""
    found = sorted(root.glob(pattern))
    if len(found) != 1:
        raise FashretError(f"{root}: expected one list {pattern}, found {_texts(root)}")
    return found[0]


def _texts(root: Path) -> str:
    return listed(path.name for path in sorted(root.glob("*.txt"))) or "no text file"


def _folder_of(root: Path, names: Sequence[str], candidates: Sequence[str]) -> str:
    """The first folder that holds one of the named photos, relative to the root, with a slash; else the root itself."""
    for folder in candidates:
        if (root / folder).is_dir() and any(os.path.isfile(root / folder / name) for name in names[:TRIED]):
            return f"{folder}/"
    return ""


def _photo_index(root: Path, candidates: Sequence[str]) -> dict[str, str]:
    """Photos by their name without extension, in the first folder that holds any."""
    for folder in candidates:
        if (root / folder).is_dir() and (found := index_photos(root / folder)):
            return {stem: f"{folder}/{path}" if folder else path for stem, path in found.items()}
    return {}


def _stem(name: str) -> str:
    """Last part of a path or address, without its extension: "http://x/a/1-p-4x.jpg" → "1-p-4x"."""
    last = name.partition("?")[0].rpartition("/")[2]
    stem, dot, ending = last.rpartition(".")
    return stem if dot and ending.isalnum() and len(ending) <= 4 else last
