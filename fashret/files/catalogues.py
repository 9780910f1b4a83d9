"""Anybody's catalogue: a table (`fashret.files.catalogue_tables`), or a folder of photos.

In: a table; or `root/<product>/street/*.jpg` and `root/<product>/shop/*.jpg`; or any folder with photos anywhere below.
Out: its `Listing`. In a folder, street photos are queries and shop photos the gallery; without these two folders every
photo is in the unlabelled gallery. Linked folders are followed; each folder is listed once, under its own path if that
is in the root.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from fashret.console import log
from fashret.errors import FashretError
from fashret.files.catalogue_tables import SUFFIXES, read_table
from fashret.files.columns import Domain, Role, Rows, text_array
from fashret.files.hdf5 import storable
from fashret.files.manifests import Listing
from fashret.files.photo_sources import EXTENSIONS, PhotoFolder, relative_source

SIDES = {"street": (Domain.STREET, Role.QUERY), "shop": (Domain.SHOP, Role.GALLERY)}


def is_catalogue(path: Path) -> bool:
    """Whether a path is one of a catalogue: a folder, or a name that ends as tables do."""
    return path.is_dir() or path.suffix.lower() in SUFFIXES


def read_catalogue(path: Path, root: Path | None = None) -> Listing:
    """List the rows of a table or a folder.

    Parameters
    ----------
    root
        Folder that the paths in a table start from; by default that of the table.

    Raises
    ------
    FashretError
        If it cannot be read or has no rows, or `root` is given for a folder.
    """
    if not path.is_dir():
        return read_table(path, root)
    if root is not None:
        raise FashretError(f"--root goes with a table or a public dataset; {path} is itself the root")
    return read_folder(path)


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
    """Photos in the order of their paths, and the number of links to folders that are listed under another path."""
    found, unnamed, again = [], [], 0
    visited: set[tuple[int, int]] = set()  # device and inode: a link may lead back to its own folder
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
            photos = [prefix + n for n in names if n.lower().endswith(EXTENSIONS) and not n.startswith(".")]
            found += [relative_source(source) for source in photos if storable(source)]
            unnamed += [source for source in photos if not storable(source)]
    if unnamed:
        log.warning(
            "%s: %s photos left out, whose names are not UTF-8; rename them; the first: %r",
            root, len(unnamed), os.fsencode(unnamed[0])[-80:],
        )  # fmt: skip
    return sorted(found), again


def _identity(folder: str) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _side(source: str) -> tuple[Domain, Role] | None:
    """Domain and role of `<product>/<side>/<photo>`; the product may itself be several folders deep."""
    parts = source.replace("\\", "/").split("/")  # names of files that were unpacked from a zip made on Windows
    return SIDES.get(parts[-2].lower()) if len(parts) >= 3 else None


def _rows(sources: list[str]) -> Rows:
    sides = [_side(source) or (Domain.SHOP, Role.GALLERY) for source in sources]
    products = [source.replace("\\", "/").rsplit("/", 2)[0] if _side(source) else "" for source in sources]
    return Rows(
        source=text_array(sources),
        box=np.full((len(sources), 4), np.nan, np.float32),
        product=text_array(products),
        role=np.array([role for _, role in sides], np.uint8),
        domain=np.array([domain for domain, _ in sides], np.uint8),
        category=np.full(len(sources), -1, np.int16),
    )
