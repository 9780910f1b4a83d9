"""Queries that are in the gallery too: the same rows in another file, and copies under another name.

In: the rows of queries and gallery in their embeddings files. Out: a code per row; rows of the same code are the same
thing and never find each other. Contents are those of `fashret.files.origins`; where a file does not tell them, rows
with equal vectors have the same content.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from fashret.console import counted, log
from fashret.files.embeddings import Embeddings
from fashret.files.origins import comparable, read_origins

NAMED = "%s: %s the same as gallery rows of another name, such as %s and %s; %s"


@dataclass(frozen=True)
class Side:
    """Some rows of one file, and the type that vectors of both files are compared in."""

    file: Embeddings
    rows: NDArray[np.int64]
    content: NDArray[np.object_]
    dtype: np.dtype[Any]

    def vector(self, index: int) -> bytes:
        """What a row's vector has in common with equal ones."""
        return (self.file.vectors[self.rows[index]].astype(self.dtype) + 0).tobytes()  # + 0: −0 equals 0

    @property
    def beginnings(self) -> NDArray[np.uint64]:
        """The first 8 bytes of each vector: those that differ here need not be read whole."""
        count = 8 // self.dtype.itemsize
        begun = np.zeros((len(self.rows), count), self.dtype)
        some = self.file.vectors[:, :count][self.rows].astype(self.dtype) + 0
        begun[:, : some.shape[1]] = some
        return begun.view(np.uint64)[:, 0]

    def place(self, index: int) -> tuple[str, bytes]:
        """Photo and box of a row."""
        box = self.file.box[self.rows[index]]
        return self.file.source[self.rows[index]], b"" if np.isnan(box).any() else box.tobytes()


@dataclass(frozen=True)
class Copies:
    """What queries and gallery have in common.

    ``identity``: codes of the queries and of the gallery rows; None: rows know themselves by their numbers. ``same``:
    queries that are gallery rows of another file. ``copies``: queries of which the gallery has a copy of another name.
    """

    identity: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None
    same: int = 0
    copies: int = 0


def find_copies(
    files: tuple[Embeddings, Embeddings], rows: tuple[NDArray[np.int64], NDArray[np.int64]], *, one: bool, exclude: bool
) -> Copies:
    """Find the rows that queries and gallery have in common.

    Parameters
    ----------
    files, rows
        Of the queries and of the gallery.
    one
        Both are the same file, whose rows know themselves.
    exclude
        Whether copies count as the same.
    """
    if one and not exclude:
        return Copies()
    dtype = min((file.vectors.dtype for file in files), key=lambda kind: kind.itemsize)
    queries, gallery = (
        Side(file, some, read_origins(file.file, len(file)).content[some], dtype)
        for file, some in zip(files, rows, strict=True)
    )
    alike = _alike(queries, gallery)
    same = [rows[0], rows[1]] if one else _same(queries, gallery)
    copies = _other_names(alike, same)
    if len(copies):
        first = int(copies[0])
        twin = int(np.flatnonzero((alike[1] == alike[0][first]) & (same[1] != same[0][first]))[0])
        names = queries.file.source[queries.rows[first]], gallery.file.source[gallery.rows[twin]]
        said = "left out" if exclude else "kept; --exclude-copies leaves them out"
        log.warning(NAMED, queries.file.path, counted(len(copies), "query shows", "queries show"), *names, said)
    identity = _joined(alike, same) if exclude else (same[0], same[1])
    found = 0 if one else int(np.isin(same[0], same[1]).sum())
    if exclude or found:
        return Copies(identity, found, len(copies))
    return Copies(None, 0, len(copies))


def _alike(queries: Side, gallery: Side) -> list[NDArray[np.int64]]:
    """A code per row: equal where the content is."""
    sides = (queries, gallery)
    if comparable(content for side in sides for content in side.content):
        return _codes([side.content.tolist() for side in sides])
    begun = [side.beginnings for side in sides]
    shared = [np.isin(begun[0], begun[1]), np.isin(begun[1], begun[0])]
    return _codes(
        [
            [side.vector(i) if there else (number, i) for i, there in enumerate(which)]
            for number, (side, which) in enumerate(zip(sides, shared, strict=True))
        ]
    )


def _same(queries: Side, gallery: Side) -> list[NDArray[np.int64]]:
    """A code per row: equal where photo, box and content are."""
    sides = (queries, gallery)
    names = set(queries.file.source[queries.rows]) & set(gallery.file.source[gallery.rows])
    groups: dict[tuple[str, bytes], list[tuple[int, int]]] = defaultdict(list)
    for number, side in enumerate(sides):
        for i, source in enumerate(side.file.source[side.rows]):
            if source in names:
                groups[side.place(i)].append((number, i))
    keys: list[list[Any]] = [[(number, i) for i in range(len(side.rows))] for number, side in enumerate(sides)]
    for place, members in groups.items():
        if len({number for number, _ in members}) < 2:
            continue
        told = comparable(sides[number].content[i] for number, i in members)
        for number, i in members:
            keys[number][i] = (place, sides[number].content[i] if told else sides[number].vector(i))
    return _codes(keys)


def _codes(keys: list[list[Any]]) -> list[NDArray[np.int64]]:
    """Keys as numbers that all lists share."""
    number: dict[Any, int] = {}
    return [np.fromiter((number.setdefault(key, len(number)) for key in each), np.int64, len(each)) for each in keys]


def _other_names(alike: list[NDArray[np.int64]], same: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Queries of whose content the gallery has rows that are not the query itself."""
    size = 1 + max(int(codes.max(initial=0)) for codes in same)
    both = [content * size + row for content, row in zip(alike, same, strict=True)]
    return np.flatnonzero(_how_many(*alike) > _how_many(*both))


def _how_many(queries: NDArray[np.int64], gallery: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many gallery rows have the code of each query."""
    ordered = np.sort(gallery)
    return np.searchsorted(ordered, queries, side="right") - np.searchsorted(ordered, queries)


def _joined(
    alike: list[NDArray[np.int64]], same: list[NDArray[np.int64]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Codes that are equal where either of two is."""
    first, second = np.concatenate(alike), np.concatenate(same)
    count, number = len(first), np.tile(np.arange(len(first)), 2)
    code = count + np.concatenate([first, int(first.max(initial=0)) + 1 + second])  # nodes after those of the rows
    nodes = int(code.max(initial=0)) + 1
    graph = sparse.coo_array((np.ones(len(code), np.int8), (number, code)), (nodes, nodes))
    _, found = connected_components(graph, directed=False)
    return tuple(np.split(found[:count].astype(np.int64), [len(alike[0])]))  # type: ignore[return-value]
