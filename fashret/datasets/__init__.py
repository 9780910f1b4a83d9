"""One public dataset, one module: its annotation layout becomes rows. `load` finds the reader of any manifest.

In: what `fashret crop` is given: a public dataset's name, a table, or a folder. Out: its `Listing`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fashret.errors import FashretError
from fashret.files.folders import read_folder
from fashret.files.manifests import Listing
from fashret.files.tables import SUFFIXES, read_table
from fashret.options import CropOptions

Reader = Callable[[Path, CropOptions], Listing]

READERS: dict[str, Reader] = {}


def load(manifest: str, options: CropOptions) -> Listing:
    """List the rows of a public dataset (by name, with `options.root`), of a CSV or Parquet table, or of a folder.

    Raises
    ------
    FashretError
        If there is nothing of that name, or it cannot be read.
    """
    path = Path(manifest)
    if manifest in READERS:
        if options.root is None:
            raise FashretError(f"{manifest}: say where the dataset lies with --root FOLDER")
        if not options.root.is_dir():
            raise FashretError(f"--root {options.root}: no such folder")
        return READERS[manifest](options.root, options)
    if path.is_dir():
        return read_folder(path)
    if path.suffix.lower() in SUFFIXES:
        return read_table(path, options.root)
    if path.exists():
        raise FashretError(f"{path}: expected a table ({', '.join(SUFFIXES)}), a folder, or a public dataset's name")
    known = ", ".join(sorted(READERS)) or "none"
    raise FashretError(f"{manifest}: no such file or folder, and no public dataset of that name; known: {known}")
