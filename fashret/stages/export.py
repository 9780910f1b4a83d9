"""`fashret export`: crops.h5 → COCO annotations with pair_id and source, and the crops as photos.

In: crops.h5. Out: a folder that the centroids-reid code trains on.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from fashret.datasets import coco
from fashret.errors import FashretError
from fashret.files import hdf5
from fashret.files.columns import Role
from fashret.files.crops import open_crops


@dataclass(frozen=True)
class ExportSummary:
    """Photos of each part."""

    output: Path
    train: int
    query: int
    gallery: int
    left_out: int  # rows of validation alone or without a role, which the format has no place for


def run(crops: Path, output: Path) -> ExportSummary:
    """Write the crops of a file as COCO with pair_id and source; the folder is there when all of it is.

    Raises
    ------
    FashretError
        If the file cannot be read, or the folder holds something.
    """
    if output.is_dir() and any(output.iterdir()):
        raise FashretError(f"{output}: is there already; give a new folder")
    if not output.is_dir():
        hdf5.check_output(output)
    part = hdf5.partial_path(output)
    with open_crops(crops) as opened, hdf5.output_errors(output):
        used = opened.with_role(Role.TRAIN | Role.QUERY | Role.GALLERY)
        shutil.rmtree(part, ignore_errors=True)
        try:
            counts = coco.write(opened, part)
            os.replace(part, output)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        return ExportSummary(output, **counts, left_out=len(opened) - len(used))
