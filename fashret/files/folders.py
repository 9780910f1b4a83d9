"""Anybody's catalogue as a folder of photos.

In: `root/<product>/street/*.jpg` and `root/<product>/shop/*.jpg`, or any folder with photos anywhere below. Out: its
`Listing`: street photos are queries and shop photos the gallery; photos of a folder without such an order are the
unlabelled gallery. Linked folders are followed; each folder is listed once, under its own path if that is in the root.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from fashret.errors import FashretError
from fashret.files.columns import Domain, Role, Rows, text_array
from fashret.files.manifests import Listing
from fashret.files.photo_sources import EXTENSIONS, PhotoFolder, relative_source

SIDES = {"street": (Domain.STREET, Role.QUERY), "shop": (Domain.SHOP, Role.GALLERY)}


def read_folder(root: Path) -> Listing:
    """List the photos of a folder, in the order of their paths.

    Raises
    ------
    FashretError
        If it holds no photo, or one whose name no file can hold.
    """
    sources, again = _photos(root)
    if not sources:
        raise FashretError(
            f"{root}: no photo in this folder or below; expected files ending in {', '.join(EXTENSIONS)}"
        )
    ordered = [source for source in sources if _side(source)]
    notes = {"linked folders left out: listed under another path": again} if again else {}
    if ordered and len(ordered) < len(sources):
        notes["photos left out: not in <product>/street or <product>/shop"] = len(sources) - len(ordered)
    return Listing(root.resolve().name, root, _rows(ordered or sources), PhotoFolder(root), notes=notes)


def _photos(root: Path) -> tuple[list[str], int]:
    """Photos in the order of their paths, and how many links lead to folders that were listed before."""
    found, again = [], 0
    visited: set[tuple[int, int]] = set()  # device and inode: a link may lead back to where it lies
    starts = [root]  # grows by the links that are found, so that folders in the root come before them
    for start in starts:
        for folder, below, names in os.walk(start):
            identity = _identity(folder)
            if identity in visited:
                again += folder == str(start)
                below.clear()
                continue
            visited.add(identity)
            below.sort()
            starts += [path for name in below if (path := Path(folder, name)).is_symlink()]
            relative = Path(folder).relative_to(root).as_posix()
            prefix = "" if relative == "." else relative + "/"
            photos = (n for n in names if n.lower().endswith(EXTENSIONS) and not n.startswith("."))
            found += [relative_source(prefix + name) for name in photos]
    return sorted(found), again


def _identity(folder: str) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _side(source: str) -> tuple[Domain, Role] | None:
    """Domain and role of `<product>/<side>/<photo>`; the product may itself be several folders deep."""
    parts = source.split("/")
    return SIDES.get(parts[-2].lower()) if len(parts) >= 3 else None


def _rows(sources: list[str]) -> Rows:
    sides = [_side(source) or (Domain.SHOP, Role.GALLERY) for source in sources]
    products = [source.rsplit("/", 2)[0] if _side(source) else "" for source in sources]
    return Rows(
        source=text_array(sources),
        box=np.full((len(sources), 4), np.nan, np.float32),
        product=text_array(products),
        role=np.array([role for _, role in sides], np.uint8),
        domain=np.array([domain for domain, _ in sides], np.uint8),
        category=np.full(len(sources), -1, np.int16),
    )
