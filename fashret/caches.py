"""Where files are kept that can be made or fetched again: compiled loops, fetched weights, lists of fonts.

In: the environment, which in a container may have no user name, no home and a package that is read-only. Out: a folder
that is there and writable: the user's cache folder, else a private one among the temporary files, else none. Nothing is
written anywhere else, and no folder named `~` is made.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from functools import cache
from pathlib import Path

OTHERS = {  # variable that tells a library its cache folder → what that folder is called
    "TORCH_HOME": "torch",
    "MPLCONFIGDIR": "matplotlib",
    "HF_HOME": "huggingface",
    "TRITON_CACHE_DIR": "triton",
    "TORCHINDUCTOR_CACHE_DIR": "inductor",
}


@cache
def cache_folder() -> Path | None:
    """fashret's own cache folder; None where nothing can be written."""
    user = _user_caches()
    if user is not None and is_writable(user / "fashret"):
        return user / "fashret"
    return _private_temporary()


def give_folders_to_libraries() -> None:
    """Where the user has no usable cache folder, tell libraries that write to one where else to write.

    What the user has set in the environment stays.
    """
    folder = cache_folder()
    user = _user_caches()
    if folder is None or (user is not None and folder.is_relative_to(user)):
        return
    for variable, name in OTHERS.items():
        os.environ.setdefault(variable, str(folder / name))


def is_writable(folder: Path) -> bool:
    """Whether files can be written in a folder, which is made if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _user_caches() -> Path | None:
    """The folder of the user's caches, as the system has it; None if the user has no home."""
    if chosen := os.environ.get("XDG_CACHE_HOME" if sys.platform != "win32" else "LOCALAPPDATA"):
        return Path(chosen) if os.path.isabs(chosen) else None
    home = Path(os.path.expanduser("~"))
    if not home.is_absolute() or home == home.parent or not home.is_dir():
        return None  # `~` stays as it is where nobody knows the user; an empty HOME, and a container's, is the root
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache")


def _private_temporary() -> Path | None:
    """A folder of this user alone among the temporary files: others must not be able to put files into it."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    try:
        folder = Path(tempfile.gettempdir()) / f"fashret-{user}"
        folder.mkdir(mode=0o700, exist_ok=True)
        about = folder.lstat()
    except OSError:
        return None
    private = about.st_uid == user and not about.st_mode & 0o077 if hasattr(os, "getuid") else True
    return folder if stat.S_ISDIR(about.st_mode) and private and is_writable(folder) else None
