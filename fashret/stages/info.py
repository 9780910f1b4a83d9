"""`fashret info`: what a file is. In: any file or folder that fashret makes or reads. Out: its facts, in sections.

Reads no images and no vectors: a file of a million rows is described in the time its short columns take.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from fashret.errors import FashretError
from fashret.files import crops, embeddings, hdf5, rankings
from fashret.files.catalogues import is_catalogue, read_catalogue
from fashret.files.columns import Domain, Role, RowFile, Rows
from fashret.files.manifests import Listing, counts_of
from fashret.files.models import open_model

KINDS: dict[str, type] = {
    crops.KIND: crops.Crops,
    embeddings.KIND: embeddings.Embeddings,
    rankings.KIND: rankings.Ranking,
}


@dataclass(frozen=True)
class Info:
    """Facts about one file: section → name → value."""

    path: Path
    kind: str
    sections: dict[str, dict[str, Any]]

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return {"path": str(self.path), "kind": self.kind, **self.sections}


def run(path: Path) -> Info:
    """Describe a file or folder.

    Raises
    ------
    FashretError
        If there is nothing, or nothing that fashret knows.
    """
    if path.name == "model.json" or (path / "model.json").exists():
        return _model(path)
    if is_catalogue(path):
        return _listing(path, read_catalogue(path))
    kind = hdf5.kind_of(path)
    if kind not in KINDS:
        found = f"a {kind} file" if kind else "an HDF5 file without the attribute `format`"
        raise FashretError(f"{path}: is {found}; fashret knows {', '.join(KINDS)}")
    opened = KINDS[kind](path)
    try:
        about = _ranking(opened) if isinstance(opened, rankings.Ranking) else _counts(opened)
        return Info(path, kind, {**about, **_attributes(opened.file), "datasets": _datasets(opened.file)})
    finally:
        opened.close()


def _counts(file: RowFile | Rows) -> dict[str, dict[str, Any]]:
    """Rows, roles, domains and categories."""
    roles = {role.name.lower(): int(np.count_nonzero(file.role & role)) for role in Role if role.name}
    domains = {d.name.lower(): int(np.count_nonzero(file.domain == d)) for d in Domain}
    counts = np.bincount(file.category[file.category >= 0], minlength=len(file.categories))
    categories = {name: int(n) for name, n in zip(file.categories, counts, strict=False)}
    labelled = file.product != ""
    return {
        "rows": {
            "rows": len(file),
            "products": len(set(file.product[labelled])),
            "unlabelled": int(len(file) - np.count_nonzero(labelled)),
        },
        "roles": {name: n for name, n in roles.items() if n},
        "domains": {name: n for name, n in domains.items() if n},
        "categories": categories if len(categories) <= 50 else {"number": len(categories)},
    }


def _ranking(file: rankings.Ranking) -> dict[str, dict[str, Any]]:
    return {
        "rows": {
            "queries": len(file),
            "results per query": file.file["gallery_row"].shape[1],
            "positives": len(file.file["positives/rank"]),
        }
    }


def _attributes(file: h5py.File) -> dict[str, dict[str, Any]]:
    """Attributes, with JSON taken apart, and where the file comes from."""
    plain: dict[str, Any] = {}
    for name in sorted(set(file.attrs) | {n for n in file if n in ("categories", "inputs", "options")}):
        if name in ("categories", "inputs", "format"):
            continue
        value = hdf5.attribute(file, name)
        plain[name] = "–" if value in ("{}", "[]") else value
    origins = {str(i.get("name")): f"{i.get('size')} bytes, {i.get('digest')}" for i in _inputs(file)}
    return {"attributes": plain, "made from": origins}


def _inputs(file: h5py.File) -> list[dict[str, Any]]:
    inputs = hdf5.read_json(file, "inputs", [])
    return [i for i in inputs if isinstance(i, dict)] if isinstance(inputs, list) else []


def _datasets(file: h5py.File) -> dict[str, str]:
    found: dict[str, str] = {}

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            layout = "contiguous" if item.chunks is None else "chunked"
            kind = "text" if h5py.check_string_dtype(item.dtype) else _type_name(item.dtype)
            found[name] = f"{' × '.join(map(str, item.shape)) or 'scalar'}  {kind}  {layout}"

    file.visititems(note)
    return found


def _type_name(kind: np.dtype[Any]) -> str:
    base = h5py.check_vlen_dtype(kind)
    return f"variable-length {np.dtype(base)}" if base is not None else str(kind)


def _model(path: Path) -> Info:
    about = dict(open_model(path).about)
    nested = {name: about.pop(name) for name, value in list(about.items()) if isinstance(value, dict)}
    about["classes"] = len(about.get("classes") or [])
    return Info(path, str(about.pop("format")), {"model": about, **nested})


def _listing(path: Path, listing: Listing) -> Info:
    left_out = {f"left out: {kind}": count for kind, count in counts_of(listing.left_out).items()}
    found = {"repeats": listing.repeats, **listing.notes, **left_out}
    return Info(path, "manifest", {**_counts(listing.rows), "found": {k: v for k, v in found.items() if v}})
