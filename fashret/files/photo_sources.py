"""Where photos are: a root folder, and paths relative to it that never leave it.

In: a photo's path as a manifest gives it. Out: the photo's bytes, or a `PhotoError`; or whether it is there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fashret.errors import FashretError
from fashret.files.hdf5 import storable

EXTENSIONS = (  # of still pictures that Pillow decodes
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".avif", ".gif", ".bmp", ".dib", ".tif", ".tiff"),
    *(".jp2", ".j2k", ".jpx", ".jpf", ".ppm", ".pnm", ".tga"),
)

SHOWN = 80  # characters of a path that a message shows


class PhotoError(FashretError):
    """One photo, or one box of it, cannot be used."""


class MissingPhotoError(PhotoError):
    """There is no such photo: in a public dataset a dead link, elsewhere an error like others."""


class PhotoSource(Protocol):
    """Gives photos by their `source`; safe to use from several threads."""

    def read(self, source: str) -> bytes:
        """The encoded photo. Raises PhotoError."""

    def present(self, sources: Iterable[str]) -> NDArray[np.bool_]:
        """Which photos are there, without reading them."""

    def file_of(self, source: str) -> Path:
        """The file that holds a photo, which changes when the photo does."""


@dataclass(frozen=True)
class PhotoFolder:
    """Photos as files below `root`."""

    root: Path

    def read(self, source: str) -> bytes:
        """The bytes of one photo; see `file_bytes`."""
        return file_bytes(photo_path(self.root, source))

    def present(self, sources: Iterable[str]) -> NDArray[np.bool_]:
        """Which photos exist: each folder is listed once, which is faster than to ask for each photo."""
        listings: dict[str, set[str]] = {}
        found = []
        for source in sources:
            folder, _, name = source.rpartition("/")
            if folder not in listings:
                listings[folder] = _names(self.root / folder)
            found.append(name in listings[folder])
        return np.array(found, bool)

    def file_of(self, source: str) -> Path:
        """The photo's own file."""
        return photo_path(self.root, source)


def _names(folder: Path) -> set[str]:
    """Names in a folder, without broken links; none if it cannot be listed."""
    try:
        with os.scandir(folder) as entries:  # only links are looked up: it takes long
            return {entry.name for entry in entries if not entry.is_symlink() or os.path.isfile(entry.path)}
    except OSError:
        return set()


def relative_source(source: str) -> str:
    """Check a photo's path as a manifest gives it, and write it with forward slashes.

    Raises
    ------
    FashretError
        If it is empty, no UTF-8, absolute, or climbs out of the root with "..". (The user's own links in the root are
        followed.)

    >>> relative_source("a/b.jpg"), relative_source("a\\\\b.jpg")
    ('a/b.jpg', 'a/b.jpg')
    """
    text = source.replace("\\", "/")
    shown = repr(source if len(source) <= SHOWN else source[: SHOWN - 1] + "…")
    if not text or not storable(text):
        raise FashretError(f"photo {shown}: not a path in UTF-8; give it another name")
    if text[0] == "/" or (text[1:2] == ":" and text[0].isalpha()) or (".." in text and ".." in text.split("/")):
        raise FashretError(f"photo {shown}: paths must be relative to the root and stay inside it")
    return text


def photo_name(source: str) -> str:
    """A photo's own name, without folders.

    >>> photo_name("a/b.jpg")
    'b.jpg'
    """
    return source.rpartition("/")[2]


def photo_path(root: Path, source: str) -> Path:
    """Path of a photo under its root; see `relative_source`."""
    return root / relative_source(source)


def file_bytes(path: Path) -> bytes:
    """Read a photo's file.

    Raises
    ------
    PhotoError
        If it is missing (`MissingPhotoError`), is no plain file, or cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe or device would wait for ever
            raise PhotoError("is not a file")
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise MissingPhotoError("no such photo") from None
    except OSError as error:
        raise PhotoError(f"cannot be read ({error.strerror})") from None
