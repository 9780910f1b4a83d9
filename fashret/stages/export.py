"""`fashret export`: crops.h5 → COCO annotations with pair_id and source, and the crops as photos.

In: crops.h5. Out: a folder that the centroids-reid code trains on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fashret.datasets import coco
from fashret.errors import FashretError
from fashret.files.atomic import check_output, whole_folder
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
        check_output(output)
    with open_crops(crops) as opened:
        used = opened.with_role(Role.TRAIN | Role.QUERY | Role.GALLERY)
        with whole_folder(output) as part:
            counts = coco.write(opened, part)
        return ExportSummary(output, **counts, left_out=len(opened) - len(used))
