"""Files of a folder and of all folders below, but for those of programs and systems.

In: a folder. Out: its files, relative to it, with forward slashes. Linked folders are followed; each folder is listed
once, under its own path if that is in the root.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

SYSTEM = {"@eadir", "#recycle", "__macosx", "$recycle.bin", "system volume information", "lost+found"}


@dataclass
class FolderContent:
    """What a folder holds.

    ``files``: relative paths, in order. ``left_out``: folders of programs and systems, and those that cannot be opened,
    with the reason. ``again``: links to folders that are listed under another path.
    """

    files: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    again: int = 0


def is_of_system(name: str) -> bool:
    """Whether a folder's name says that it is hidden, or holds what a system or program keeps for itself.

    >>> is_of_system(".git"), is_of_system("@eaDir"), is_of_system("shoes")
    (True, True, False)
    """
    return name.startswith(".") or name.lower() in SYSTEM


def list_files(root: Path) -> FolderContent:
    """All files below a folder."""
    found = FolderContent()
    visited: set[tuple[int, int]] = set()  # device and inode: a link may lead back to its own folder
    starts = [root]  # grows by the links that are found, so that folders in the root come before them

    def note(error: OSError) -> None:
        found.left_out[_relative(str(error.filename), root)] = f"cannot be opened ({error.strerror})"

    for start in starts:
        for folder, below, names in os.walk(start, onerror=note):
            identity = _identity(folder)
            if identity in visited:
                found.again += folder == str(start)
                below.clear()
                continue
            visited.add(identity)
            relative = _relative(folder, root)
            prefix = "" if relative == "." else relative + "/"
            found.left_out |= {prefix + name: "hidden, or of a system" for name in below if is_of_system(name)}
            below[:] = sorted(name for name in below if not is_of_system(name))
            starts += [path for name in below if (path := Path(folder, name)).is_symlink()]
            found.files += [prefix + name for name in names]
    found.files.sort()
    return found


def _relative(folder: str, root: Path) -> str:
    return Path(folder).relative_to(root).as_posix()


def _identity(folder: str) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino
