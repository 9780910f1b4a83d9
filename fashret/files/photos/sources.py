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

from fashret.errors import MissingPhotoError, PhotoError
from fashret.files.photos.names import on_disk, photo_path, twin
from fashret.files.photos.names import relative_source as relative_source


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
        try:
            return file_bytes(self.path(source))
        except MissingPhotoError as error:
            hint = twin(self.root, source)
            raise MissingPhotoError(f"{error}; {hint}" if hint else str(error)) from None

    def path(self, source: str) -> Path:
        """Where a photo is."""
        return photo_path(self.root, source)

    def present(self, sources: Iterable[str]) -> NDArray[np.bool_]:
        """Which photos exist: each folder is listed once, which is faster than to ask for each photo."""
        listings: dict[str, set[str]] = {}
        found = []
        for source in sources:
            folder, _, name = (on_disk(self.root, source) if "\\" in source else source).rpartition("/")
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
