"""Manifests: what a dataset consists of.

In: the name of a public dataset, whose TOML file is found by name. Out: a `Manifest`, what is known about it. And
`Listing`, the rows that its reader or anybody's catalogue (`fashret.files.tables.catalogues`) gives.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashret.console import counted
from fashret.errors import FashretError
from fashret.files.columns import Rows
from fashret.files.photos.sources import PhotoSource


@dataclass(frozen=True)
class Expected:
    """One count that a public dataset is known to have."""

    what: str  # as `fashret.datasets.census.counts` names it
    count: int
    category: str = ""  # of one category; empty = of all rows
    options: dict[str, Any] = field(default_factory=dict)  # holds only with these options of the reader


@dataclass(frozen=True)
class LeftOut:
    """Files of a folder that are not listed."""

    ending: str
    reason: str
    count: int
    first: str  # of them, in the order of paths


def counts_of(left_out: Iterable[LeftOut]) -> dict[str, int]:
    """The number of files that are not listed, by ending and reason."""
    return {f"{each.ending} ({each.reason})": each.count for each in left_out}


@dataclass(frozen=True)
class Listing:
    """Rows, the folder that their photos' paths start from, and what was seen while they were listed."""

    name: str  # of the dataset; for a table or folder the file's or folder's
    root: Path
    rows: Rows
    photos: PhotoSource
    public: bool = False  # a public dataset: its missing photos are dead links, not errors
    repeats: int = 0  # rows left out because the same (photo, box, product) was there before
    notes: dict[str, int] = field(default_factory=dict)  # what was found → how often
    files: tuple[Path, ...] = ()  # annotation files that were read
    options: dict[str, Any] = field(default_factory=dict)  # options that the choice of rows depends on
    expected: tuple[Expected, ...] = ()  # counts that its manifest knows
    left_out: tuple[LeftOut, ...] = ()  # files of a folder that are not listed


def drop_repeats(rows: Rows) -> tuple[Rows, int]:
    """Keep the first row of each (photo, box, product), with the roles of all, and count the others.

    Returns
    -------
    The kept rows in their order, and how many were dropped.
    """
    first: dict[str, int] = {}
    target = np.fromiter((first.setdefault(name, i) for i, name in enumerate(rows.crop_id)), np.int64, len(rows))
    kept = np.flatnonzero(target == np.arange(len(rows)))
    if len(kept) == len(rows):
        return rows, 0
    role = rows.role.copy()
    np.bitwise_or.at(role, target, rows.role)
    return replace(rows, role=role).take(kept), len(rows) - len(kept)


def categories_of(names: list[str]) -> tuple[NDArray[np.int16], tuple[str, ...]]:
    """Category names of rows, "" for none, as numbers: (N int16, the names in order).

    >>> numbers, names = categories_of(["tops", "", "bags"])
    >>> numbers.tolist(), names
    ([1, -1, 0], ('bags', 'tops'))
    """
    known = tuple(sorted(set(names) - {""}))
    if len(known) > np.iinfo(np.int16).max:
        raise FashretError(
            f"{counted(len(known), 'category', 'categories')}; at most {np.iinfo(np.int16).max:,} can be told apart"
        )
    number = {name: i for i, name in enumerate(known)} | {"": -1}
    return np.array([number[name] for name in names], np.int16), known


@dataclass(frozen=True)
class Manifest:
    """What is known about a public dataset."""

    name: str
    title: str
    year: int
    paper: str
    data: str  # where to ask for it
    licence: str
    layout: str  # the files that its reader expects
    protocol: dict[str, str]  # query, gallery and positive in words
    published: dict[str, str]  # pairs, images, categories, boxes, landmarks, masks, as the literature writes them
    expected: tuple[Expected, ...]
    no_pairs: str = ""  # why it cannot be used for retrieval
    boxed: str = (
        ""  # garments of a photo that have boxes, for detectors: all, or one; empty = no boxes that can be read
    )

    @property
    def good_for(self) -> str:
        """retrieval, detection, both or neither."""
        uses = {"retrieval": not self.no_pairs, "detection": bool(self.boxed)}
        return "both" if all(uses.values()) else next((use for use, good in uses.items() if good), "neither")


def manifest_folder() -> Path:
    """Folder of the manifests: beside the package in a source tree, inside it when installed."""
    package = Path(__file__).resolve().parents[2]
    inside = package / "data_manifests"
    return inside if inside.is_dir() else package.parent / "data_manifests"


def manifest_names() -> list[str]:
    """Names of all public datasets that a manifest describes."""
    return sorted(path.stem for path in manifest_folder().glob("*.toml"))


def find_manifest(name: str) -> Manifest:
    """The manifest of a public dataset.

    Raises
    ------
    FashretError
        If there is none of that name, or its file is damaged.
    """
    path = manifest_folder() / f"{name}.toml"
    if name not in manifest_names():
        raise FashretError(f"{name}: no public dataset of that name; known: {', '.join(manifest_names())}")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        expected = tuple(Expected(**entry) for entry in content.pop("expected", ()))
        return Manifest(name=name, expected=expected, **{"layout": "", "protocol": {}, **content})
    except (OSError, ValueError, TypeError) as error:
        raise FashretError(f"{path}: is not a manifest ({error})") from None
