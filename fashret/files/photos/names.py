"""Names of photos: what is the same photo under two spellings, and what a missing one may have been meant to be.

In: paths relative to a root, as manifests give them. Out: one spelling for each photo. The exact name comes first: a
backslash separates folders only where there is no file of that very name (zips made on Windows), and names that differ
in Unicode's composed and decomposed forms are two photos where both files exist.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from fashret.errors import FashretError
from fashret.files.hdf5 import storable

SHOWN = 80  # characters of a path that a message shows
FOLDERS = 64  # whose names are kept for the next missing photo


def photo_name(source: str) -> str:
    """A photo's own name, without folders.

    >>> photo_name("a/b.jpg"), photo_name("a\\\\b.jpg")
    ('b.jpg', 'b.jpg')
    """
    return source.replace("\\", "/").rpartition("/")[2]


def relative_source(source: str) -> str:
    """Check a photo's path as a manifest gives it; empty and "." steps are left out.

    Raises
    ------
    FashretError
        If it is empty, no UTF-8, absolute, or climbs out of the root with "..", with slashes or backslashes. (The
        user's own links in the root are followed.)

    >>> relative_source("./a//b.jpg"), relative_source("a\\\\b.jpg")
    ('a/b.jpg', 'a\\\\b.jpg')
    """
    text = source.replace("\\", "/")
    shown = repr(source if len(source) <= SHOWN else source[: SHOWN - 1] + "…")
    if not text or not storable(text):
        raise FashretError(f"photo {shown}: not a path in UTF-8; give it another name")
    if text[0] == "/" or (text[1:2] == ":" and text[0].isalpha()) or (".." in text and ".." in text.split("/")):
        raise FashretError(
            f"photo {shown}: paths must be relative to the root and stay inside it; "
            "pass a folder that holds all photos with --root, and give their paths from there"
        )
    if "//" not in text and "./" not in text and text[-1] not in "/.":
        return source  # nearly always
    steps = [step for step in source.split("/") if step not in ("", ".")]
    if not steps:
        raise FashretError(f"photo {source!r}: names no file")
    return "/".join(steps)


def spellings_of(root: Path) -> tuple[str, ...]:
    """The absolute paths of a folder: as it was given, and without links."""
    return tuple(dict.fromkeys((os.path.abspath(root), os.path.realpath(root))))


def without_root(starts: Iterable[str], source: str) -> str:
    """An absolute path that lies in a folder, as it starts from there; everything else as it is.

    >>> without_root(["/shop"], "/shop/a.jpg"), without_root(["/"], "/shop/a.jpg"), without_root(["/sh"], "/shop/a.jpg")
    ('a.jpg', 'shop/a.jpg', '/shop/a.jpg')
    """
    if os.path.isabs(source):
        for folder in (start.rstrip("/") + "/" for start in starts):
            if source.startswith(folder):
                return source[len(folder) :].lstrip("/")
    return source


def photo_path(root: Path, source: str) -> Path:
    """Path of a photo under its root; see `relative_source`."""
    return root / on_disk(root, relative_source(source))


def on_disk(root: Path, source: str) -> str:
    """The name itself where there is such a file or no backslash in it; otherwise with slashes."""
    if "\\" not in source or os.path.lexists(root / source):
        return source
    return relative_source(source.replace("\\", "/"))


def one_spelling(root: Path, sources: Iterable[str]) -> dict[str, str]:
    """The spelling to use for each of the sources that have another one; those of the same file get the same."""
    chosen: dict[str, str] = {}
    forms: dict[str, list[str]] = {}
    for source in dict.fromkeys(sources):
        if source.isascii() and "\\" not in source:
            continue
        chosen[source] = on_disk(root, source)
        if not source.isascii():
            forms.setdefault(unicodedata.normalize("NFC", chosen[source]), []).append(source)
    for alike in forms.values():
        if len(alike) > 1:
            _choose(root, alike, chosen)
    return {source: name for source, name in chosen.items() if name != source}


def _choose(root: Path, alike: list[str], chosen: dict[str, str]) -> None:
    """Of names that differ in form only, each file keeps its own; names without a file get that of the first."""
    files: dict[tuple[int, int], str] = {}  # device and inode → name
    missing = []
    for source in alike:
        try:
            status = os.stat(root / chosen[source])
            chosen[source] = files.setdefault((status.st_dev, status.st_ino), chosen[source])
        except OSError:
            missing.append(source)
    first = next(iter(files.values()), chosen[alike[0]])
    chosen |= dict.fromkeys(missing, first)


def twin(root: Path, source: str) -> str:
    """What a missing photo may have been meant to be, for a message; empty if there is nothing like it.

    >>> twin(Path("."), "no/such/photo.jpg")
    ''
    """
    folder, found = root, []
    for step in source.replace("\\", "/").split("/"):
        if not os.path.lexists(folder / step):
            step = _folded(folder).get(_fold(step), "")
        if not step:
            return ""
        found.append(step)
        folder = folder / step
    name = "/".join(found)
    if name == source or not storable(name):
        return ""
    same = unicodedata.normalize("NFC", name) == unicodedata.normalize("NFC", source)
    return f"{name!r} is there, which differs in {'the Unicode form of its accents' if same else 'case'}"


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _folded(folder: Path) -> dict[str, str]:
    try:
        return _names(folder, os.stat(folder).st_mtime_ns)
    except OSError:
        return {}


@lru_cache(maxsize=FOLDERS)
def _names(folder: Path, changed: int) -> dict[str, str]:
    return {_fold(name): name for name in sorted(os.listdir(folder), reverse=True)}
