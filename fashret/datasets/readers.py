"""The reader of each public dataset, and `load` and `load_boxes`, which find the reader of any manifest.

In: what `fashret crop` is given: a public dataset's name, a table, or a folder. Out: its `Listing`. Or what `fashret
train-detector` is given, which may be a COCO file, too. Out: its `Boxes`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from fashret.console import log
from fashret.datasets import (
    coco,
    coco_boxes,
    deepfashion2,
    deepfashion_consumer_to_shop,
    deepfashion_inshop,
    fashionai,
    lookbench,
    pairs,
    street2shop,
)
from fashret.datasets.flags import CropFlags
from fashret.errors import FashretError
from fashret.files.columns import text_array
from fashret.files.file_kinds import is_photo
from fashret.files.photos.box_frames import boxes_as_stored, refuse_fractions
from fashret.files.photos.names import one_spelling
from fashret.files.photos.outlines import Outline
from fashret.files.photos.sources import PhotoFolder
from fashret.files.tables.boxes import Boxes, boxes_of
from fashret.files.tables.catalogue_tables import SUFFIXES, read_table
from fashret.files.tables.catalogues import is_catalogue, read_catalogue
from fashret.files.tables.manifests import Listing, drop_repeats, find_manifest, manifest_names
from fashret.options import CropOptions, taken_over

OTHER_TABLES = (".xlsx", ".xls", ".ods", ".json", ".jsonl", ".ndjson", ".txt", ".feather", ".pkl")  # that are no CSV

Reader = Callable[[Path, CropFlags], Listing]

READERS: dict[str, Reader] = {  # name of the manifest → what reads the dataset
    "street2shop": street2shop.read,
    "deepfashion": deepfashion_consumer_to_shop.read,
    "deepfashion-inshop": deepfashion_inshop.read,
    "deepfashion2": deepfashion2.read,
    "coco": coco.read,
    "lookbench": lookbench.read,
    "mvc": pairs.read_mvc,
    "mpv": pairs.read_mpv,
    "worn-flat": pairs.read_worn_flat,
    "darn": pairs.read_darn,
}
BOX_READERS: dict[str, Reader] = {"fashionai": fashionai.read}  # datasets of which `crop` reads nothing
COCO = ("modanet", "fashionpedia")  # datasets that are COCO files


def load(manifest: str, options: CropOptions) -> Listing:
    """List the rows of a public dataset (by name, with `options.root`), of a CSV or Parquet table, or of a folder.

    A folder named like a public dataset is taken where there is no `options.root`.

    Raises
    ------
    FashretError
        If there is nothing of that name, it has no pairs, or it cannot be read.
    """
    if options.root is not None and not options.root.is_dir():
        found = "is a file; give the folder that paths start from" if options.root.exists() else "no such folder"
        raise FashretError(f"--root {options.root}: {found}")
    return in_stored_pixels(_load(manifest, options), options)


def in_stored_pixels(listing: Listing, options: CropOptions) -> Listing:
    """A listing with one spelling for each photo, and boxes in pixels of the photos as stored."""
    listing = _spelled(listing)
    if options.boxes == "ignore":
        rows, repeats = drop_repeats(replace(listing.rows, box=np.full_like(listing.rows.box, np.nan)))
        return replace(listing, rows=rows, repeats=listing.repeats + repeats)
    refuse_fractions(listing.rows.box, listing.name)
    if options.boxes == "upright":
        listing = replace(listing, rows=boxes_as_stored(listing.rows, listing.photos))
    return listing


def _spelled(listing: Listing) -> Listing:
    """Rows of a photo that is spelled in several ways are rows of one photo."""
    names = one_spelling(listing.root, listing.rows.source) if isinstance(listing.photos, PhotoFolder) else {}
    if not names:
        return listing
    source = text_array(names.get(name, name) for name in listing.rows.source)
    rows, repeats = drop_repeats(replace(listing.rows, source=source))
    return replace(listing, rows=rows, repeats=listing.repeats + repeats)


def _load(manifest: str, options: CropOptions) -> Listing:
    path = Path(manifest)
    if manifest in manifest_names():
        if options.root is not None or not path.is_dir():
            return _load_public(manifest, options)
        log.info("%s: reading the folder of that name; for the public dataset, pass --root", manifest)
    if is_catalogue(path):
        return read_catalogue(path, options.root)
    if path.exists():
        raise FashretError(
            f"{path}: {_mistaken(path)}expected a table ({', '.join(SUFFIXES)}), a folder, or a dataset's name"
        )
    known = ", ".join(manifest_names())
    raise FashretError(f"{manifest}: no such file or folder, and no public dataset of that name; known: {known}")


def _mistaken(path: Path) -> str:
    """What a file is that is no catalogue, and what to do, where that is known; with a blank behind it."""
    if is_photo(path):
        return "is a photo; give its folder, or a table that names it in the column image; "
    return "save the table as CSV; " if path.suffix.lower() in OTHER_TABLES else ""


def _load_public(name: str, options: CropOptions) -> Listing:
    manifest = find_manifest(name)
    if manifest.no_pairs:
        raise FashretError(f"{name}: {manifest.no_pairs}")
    if options.root is None:
        raise FashretError(f"{name}: pass its folder with --root FOLDER")
    listing = READERS[name](options.root, taken_over(CropFlags, options))
    if not len(listing.rows):
        raise FashretError(f"{options.root}: lists no rows of {name}")
    return replace(listing, expected=manifest.expected)


def load_boxes(manifest: str, options: CropFlags) -> Boxes:
    """List the boxes of a public dataset (by name, with `options.root`), of a COCO file, or of a table.

    Raises
    ------
    FashretError
        If there is nothing of that name, or it cannot be read or has no boxes for a detector.
    """
    path, root = Path(manifest), options.root
    if root is not None and not root.is_dir():
        raise FashretError(f"--root {root}: no such folder")
    if path.suffix.lower() == ".json":
        return _coco([path], root or path.parent, path.stem)
    if path.suffix.lower() in SUFFIXES:
        return boxes_of(in_stored_pixels(read_table(path, root, needed=("image",)), options))
    if path.is_dir() and (root is None or manifest not in manifest_names()):
        raise FashretError(f"{path}: a folder of photos has no boxes; give a table, or a COCO file and --root {path}")
    if manifest not in manifest_names():
        return boxes_of(load(manifest, options))  # says what is known
    about = find_manifest(manifest)
    if not about.boxed:
        raise FashretError(
            f"{manifest}: has no boxes to learn from; `fashret datasets` says what is good for detection"
        )
    if root is None:
        raise FashretError(f"{manifest}: pass its folder with --root FOLDER")
    if manifest in COCO:
        return _coco(coco_boxes.annotation_files(root), root, manifest)
    if manifest == "deepfashion2":
        outlines: list[Outline | None] = []
        listing = in_stored_pixels(deepfashion2.read(root, options, outlines), options)
        return boxes_of(listing, about.boxed, outlines=outlines)
    if manifest in BOX_READERS:
        return boxes_of(in_stored_pixels(BOX_READERS[manifest](root, options), options), about.boxed)
    return boxes_of(load(manifest, options), about.boxed)


def _coco(files: list[Path], root: Path, name: str) -> Boxes:
    listing, crowd, outlines = coco_boxes.read(files, root, name)
    return boxes_of(listing, "all", crowd, outlines)
