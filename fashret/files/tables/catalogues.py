"""Anybody's catalogue: a table (`fashret.files.tables.catalogue_tables`), or a folder of photos.

In: a table; or `root/<product>/street/*.jpg` and `root/<product>/shop/*.jpg`; or any folder with photos anywhere below.
Out: its `Listing`. In a folder, street photos are queries and shop photos the gallery; without these two folders every
photo is in the unlabelled gallery. Files that are no photos are counted by their ending and the reason.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import numpy as np

from fashret.console import counted, log
from fashret.errors import FashretError
from fashret.files.columns import Domain, Role, Rows, text_array
from fashret.files.hdf5 import storable
from fashret.files.photos.kinds import NEEDS_HEIF, ending_of, reason_against
from fashret.files.photos.sources import PhotoFolder, relative_source
from fashret.files.tables.catalogue_tables import SUFFIXES, read_table
from fashret.files.tables.folders import FolderContent, list_files
from fashret.files.tables.manifests import LeftOut, Listing

NOT_IN_ORDER = "not in <product>/street or <product>/shop"
OWN = re.compile(r"\.h5\.(.*\.)?(lock|partial|spool|unfinished)$")  # files of a run that is writing its output here
SHOWN = 5  # kinds of files that a message names
MOST_KINDS = 20  # of files that are counted by their own ending
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


def read_folder(root: Path, every: bool = False) -> Listing:
    """List the photos of a folder, in the order of their paths.

    Parameters
    ----------
    every
        All photos, even where some are in `<product>/street` or `<product>/shop`.

    Raises
    ------
    FashretError
        If it holds no photo.
    """
    content = list_files(root)
    sources, left_out = _photos(root, content)
    if not sources:
        raise FashretError(_no_photo(root, left_out))
    ordered = [source for source in sources if _side(source) and not every]
    notes = {"linked folders left out: listed under another path": content.again} if content.again else {}
    if ordered and len(ordered) < len(sources):
        notes["photos left out: not in <product>/street or <product>/shop"] = len(sources) - len(ordered)
        for source in sources:
            if not _side(source):
                left_out[ending_of(source), NOT_IN_ORDER].append(source)
    others = _counted(left_out)
    heic = sum(each.count for each in others if each.reason == NEEDS_HEIF)
    if heic:
        log.warning("%s: %s left out: %s", root, counted(heic, "photo is", "photos are"), NEEDS_HEIF)
    rows = _rows(ordered or sources)
    return Listing(root.resolve().name, root, rows, PhotoFolder(root), notes=notes, left_out=others)


def _photos(root: Path, content: FolderContent) -> tuple[list[str], dict[tuple[str, str], list[str]]]:
    """Photos in the order of their paths; and the other files and folders, by ending and reason."""
    photos: list[str] = []
    others: dict[tuple[str, str], list[str]] = defaultdict(list)
    for folder, reason in content.left_out.items():
        others["folder", reason].append(folder)
    for name in content.files:
        if OWN.search(name):
            continue
        if not storable(name):
            others[ending_of(name), "its name is not UTF-8"].append(name)
        elif reason := reason_against(root / name):
            others[ending_of(name), reason].append(name)
        else:
            photos.append(relative_source(name))
    return photos, others


def _counted(left_out: dict[tuple[str, str], list[str]]) -> tuple[LeftOut, ...]:
    """What is left out by ending and reason, most files first; of very many endings the rarest are one."""
    kinds = sorted(left_out.items(), key=lambda item: (-len(item[1]), item[0]))
    rare: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (_, reason), names in kinds[MOST_KINDS:]:
        rare["other", reason] += names
    return tuple(
        LeftOut(*key, len(names), min(names).encode(errors="backslashreplace").decode())
        for key, names in [*kinds[:MOST_KINDS], *rare.items()]
    )


def _no_photo(root: Path, left_out: dict[tuple[str, str], list[str]]) -> str:
    """What a folder without photos holds instead."""
    kinds = [f"{each.count:,} {each.ending} ({each.reason})" for each in _counted(left_out)]
    there = ", ".join(kinds[:SHOWN]) or "nothing"
    more = f" and {counted(len(kinds) - SHOWN, 'more kind')}" if kinds[SHOWN:] else ""
    return f"{root}: no photo in this folder or below; it holds {there}{more}"


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
