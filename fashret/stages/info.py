"""`fashret info`: what a file is. In: any file or folder that fashret makes or reads. Out: its facts, in sections.

Reads no images and no vectors, and the short columns block by block: the time is that of reading them, the memory that
of a block and 8 bytes per product.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xxhash
from numpy.typing import NDArray

from fashret.errors import FashretError
from fashret.files import crops, embeddings, hdf5, rankings
from fashret.files.columns import Domain, Role, RowFile, Rows
from fashret.files.further_columns import in_utc, in_words
from fashret.files.further_merge import kinds_of
from fashret.files.models import KINDS as FOLDERS
from fashret.files.models import FolderKind, open_model
from fashret.files.tables.catalogues import is_catalogue, read_catalogue
from fashret.files.tables.manifests import Listing, counts_of

KINDS: dict[str, type] = {
    crops.KIND: crops.Crops,
    embeddings.KIND: embeddings.Embeddings,
    rankings.KIND: rankings.Ranking,
}
JSON = ("options", "model", "reranking", "where", "query", "gallery")  # attributes that are JSON
ELSEWHERE = ("format", "categories", "inputs")  # attributes that are shown in sections of their own
MOST_SHOWN = 100  # attributes or datasets; the rest is counted
RANGED = ("integer", "number", "date")  # types whose least and greatest value are shown
BLOCK = 1 << 16  # rows that are counted at a time


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
    try:
        return _described(path)
    except MemoryError:
        raise FashretError(f"{path}: cannot be described in the memory that is free; stop other programs") from None


def _described(path: Path) -> Info:
    for folder in FOLDERS:
        if path.name == folder.description or (path / folder.description).exists():
            return _trained(path, folder)
    if is_catalogue(path):
        return _listing(path, read_catalogue(path))
    kind = hdf5.kind_of(path)
    if kind not in KINDS:
        found = f"a {kind} file" if kind else "an HDF5 file without the attribute `format`"
        raise FashretError(f"{path}: is {found}; fashret knows {', '.join(KINDS)}")
    with closing(KINDS[kind](path)) as opened:
        if isinstance(opened, rankings.Ranking):
            about = _ranking(opened)
        else:
            about = {**_counts(_blocks(opened), opened.categories), "columns": _further(opened)}
        return Info(path, kind, {**about, **_attributes(opened.file), "datasets": _datasets(opened.file)})


@dataclass(frozen=True)
class Block:
    """Some rows of a file."""

    role: NDArray[np.uint8]
    domain: NDArray[np.uint8]
    category: NDArray[np.int16]
    product: NDArray[np.object_]


def _blocks(file: RowFile) -> Iterator[Block]:
    for start in range(0, len(file), BLOCK):
        names = ("role", "domain", "category", "product")
        yield Block(*(file.column(name, start, min(start + BLOCK, len(file))) for name in names))


def _further(source: RowFile | Rows) -> dict[str, Any]:
    """The type of each further column, how many rows have a value, and the least and the greatest."""
    found: dict[str, Any] = {}
    kinds = kinds_of(source)
    for name, kind in list(kinds.items())[:MOST_SHOWN]:
        filled, ends, order = 0, [], in_utc if kind == "date" else None
        for start in range(0, len(source), BLOCK):
            rows = np.arange(start, min(start + BLOCK, len(source)))
            block = (
                source.further_column(name, rows) if isinstance(source, RowFile) else source.further[name].take(rows)
            )
            values = block.take(~block.is_null).plain()
            filled += len(values)
            ends += [each(values, key=order) for each in (min, max) if values and kind in RANGED]
        span = f", {in_words(min(ends, key=order))} to {in_words(max(ends, key=order))}" if ends else ""
        found[name] = f"{kind}, {filled:,} of {len(source):,} rows{span}"
    return found | _more(list(kinds))


class _Distinct:
    """Counts distinct names by 64 bits of each, which tell even ten million apart."""

    def __init__(self) -> None:
        self.known = np.empty(0, np.uint64)
        self.new: list[NDArray[np.uint64]] = []

    def add(self, names: NDArray[np.object_]) -> None:
        """Count names, those that were there before but once."""
        bits = (xxhash.xxh3_64_intdigest(name.encode("utf-8", "surrogatepass")) for name in names)
        self.new.append(np.unique(np.fromiter(bits, np.uint64, len(names))))
        if sum(map(len, self.new)) > len(self.known):  # seldom, so that merging takes no longer than sorting once
            self.count()

    def count(self) -> int:
        """How many there are."""
        self.known, self.new = np.unique(np.concatenate([self.known, *self.new])), []
        return len(self.known)


def _counts(blocks: Iterable[Block | Rows], names: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Rows, roles, domains and categories."""
    rows = unlabelled = 0
    roles, domains, categories = np.zeros(256, int), np.zeros(2, int), np.zeros(len(names), int)
    products = _Distinct()
    for block in blocks:
        labelled = block.product[block.product != ""]
        products.add(labelled)
        rows += len(block.product)
        unlabelled += len(block.product) - len(labelled)
        roles += np.bincount(block.role, minlength=256)
        domains += np.bincount(block.domain, minlength=2)
        categories += np.bincount(block.category[block.category >= 0], minlength=len(names))
    by_role = {role.name.lower(): int(roles[(np.arange(256) & role) > 0].sum()) for role in Role if role.name}
    by_domain = {domain.name.lower(): int(domains[domain]) for domain in Domain}
    by_category = dict(zip(names, categories.tolist(), strict=True))
    return {
        "rows": {"rows": rows, "products": products.count(), "unlabelled": unlabelled},
        "roles": {name: n for name, n in by_role.items() if n},
        "domains": {name: n for name, n in by_domain.items() if n},
        "categories": by_category if len(names) <= 50 else {"number": len(names)},
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
    """Attributes, those in JSON as its values, and where the file comes from."""
    found: dict[str, Any] = {}
    names = sorted(set(file.attrs) | {name for name in JSON if name in file})
    names = [name for name in names if name not in ELSEWHERE]
    for name in names[:MOST_SHOWN]:
        found[name] = hdf5.read_json(file, name) if name in JSON else _plain(hdf5.attribute(file, name))
    return {"attributes": found | _more(names), "made from": dict(_inputs(file))}


def _plain(value: Any) -> Any:
    """The value of an attribute as JSON has it; of a long list only the beginning."""
    if isinstance(value, np.ndarray):
        return [_plain(each) for each in value.ravel()[:MOST_SHOWN].tolist()]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _more(names: list[Any]) -> dict[str, int]:
    return {"not shown": len(names) - MOST_SHOWN} if len(names) > MOST_SHOWN else {}


def _inputs(file: h5py.File) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name of each input, and the rest that is recorded of it; two of one name are numbered."""
    seen: dict[str, int] = {}
    for record in hdf5.read_json(file, "inputs", []):
        if isinstance(record, dict):
            name = str(record.get("name"))
            seen[name] = seen.get(name, 0) + 1
            shown = name if seen[name] == 1 else f"{name} ({seen[name]})"
            yield shown, {key: value for key, value in record.items() if key != "name"}


def _datasets(file: h5py.File) -> dict[str, Any]:
    found: dict[str, Any] = {}
    names: list[str] = []

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            names.append(name)
            if len(names) <= MOST_SHOWN:
                layout = "contiguous" if item.chunks is None else "chunked"
                kind = "text" if h5py.check_string_dtype(item.dtype) else _type_name(item.dtype)
                found[name] = f"{' × '.join(map(str, item.shape or ())) or 'scalar'}  {kind}  {layout}"

    file.visititems(note)
    return found | _more(names)


def _type_name(kind: np.dtype[Any]) -> str:
    base = h5py.check_vlen_dtype(kind)
    return f"variable-length {np.dtype(base)}" if base is not None else str(kind)


def _trained(path: Path, kind: FolderKind) -> Info:
    """A model's folder or a detector's."""
    about = dict(open_model(path, kind).about)
    nested = {name: about.pop(name) for name, value in list(about.items()) if isinstance(value, dict)}
    about["classes"] = len(about.get("classes") or [])
    return Info(path, str(about.pop("format")), {kind.what: about, **nested})


def _listing(path: Path, listing: Listing) -> Info:
    left_out = {f"left out: {kind}": count for kind, count in counts_of(listing.left_out).items()}
    found = {"repeats": listing.repeats, **listing.notes, **left_out}
    return Info(
        path,
        "manifest",
        {
            **_counts([listing.rows], listing.rows.categories),
            "columns": _further(listing.rows),
            "found": {k: v for k, v in found.items() if v},
        },
    )
