"""`fashret export`: a file of fashret's in a form that other software reads; the input decides which.

In: crops.h5. Out: a folder with the crops as photos and COCO annotations with pair_id and source, which the
centroids-reid code trains on. In: embeddings.h5. Out: a Parquet table (`fashret.files.tables.vectors`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fashret.datasets import coco
from fashret.errors import FashretError
from fashret.files import crops, embeddings, hdf5, rankings
from fashret.files.atomic import check_output, whole_folder
from fashret.files.columns import Role
from fashret.files.crops import open_crops
from fashret.files.embeddings import open_embeddings
from fashret.files.tables.vectors import write_vector_table

MODEL = "fashret.model"
NAMES = {crops.KIND: "crops.h5", embeddings.KIND: "embeddings.h5", rankings.KIND: "a ranking", MODEL: "a model"}
SUFFIXES = (".parquet", ".onnx")  # an output with another is a folder
WAYS = "crops.h5 to a COCO folder, embeddings.h5 to .parquet; a model to .onnx is not available yet"


@dataclass(frozen=True)
class ExportSummary:
    """Photos of each part."""

    output: Path
    train: int
    query: int
    gallery: int
    left_out: int  # rows of validation alone or without a role, which the format has no place for


@dataclass(frozen=True)
class TableSummary:
    """A table of vectors."""

    output: Path
    rows: int
    width: int  # of a vector


def run(source: Path, output: Path) -> ExportSummary | TableSummary:
    """Write a file in the form that its kind and the output's name ask for.

    Raises
    ------
    FashretError
        If there is no such form, the input cannot be read, or the output cannot be written.
    """
    kind = MODEL if source.name == "model.json" or (source / "model.json").exists() else hdf5.kind_of(source)
    suffix = output.suffix.lower() if output.suffix.lower() in SUFFIXES else ""
    if (kind, suffix) == (crops.KIND, ""):
        return _to_coco(source, output)
    if (kind, suffix) == (embeddings.KIND, ".parquet"):
        return _to_parquet(source, output)
    what = NAMES.get(kind, kind or "an HDF5 file of other software")
    raise FashretError(f"{source}: is {what}, which is not exported to {suffix or 'a folder'}; there is {WAYS}")


def _to_parquet(source: Path, output: Path) -> TableSummary:
    """Embeddings → one table."""
    check_output(output, source)
    with open_embeddings(source) as opened:
        write_vector_table(opened, output)
        return TableSummary(output, len(opened), opened.width)


def _to_coco(source: Path, output: Path) -> ExportSummary:
    """Crops → a folder, which is there when all of it is."""
    if output.is_dir() and any(output.iterdir()):
        raise FashretError(f"{output}: already exists; give a new folder")
    if not output.is_dir():
        check_output(output)
    with open_crops(source) as opened:
        used = opened.with_role(Role.TRAIN | Role.QUERY | Role.GALLERY)
        with whole_folder(output) as part:
            counts = coco.write(opened, part)
        return ExportSummary(output, **counts, left_out=len(opened) - len(used))
