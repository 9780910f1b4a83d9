"""embeddings.h5: one vector per crop.

    vectors   N×D float32 (or float16), contiguous and uncompressed, so that it can be memory-mapped
    content, photo_stamp  what each row's crop was cut from (`fashret.files.origins`); may be missing
    and the columns of `fashret.files.columns`
    attributes: those of every file, `root` (folder of the photos as seen from the file; only where rows were cut out of
    photos), `normalized` (are the rows of length 1), `centroids` (is a row the mean of a product's images, with the
    columns of the first of them), `dataset`, `categories` (JSON) and
    `model` (JSON): name, digest, path, settings (backbone, weights' origin – "none" where random –, preprocessing),
    trained_on, images_per_product (median of what it was trained on): enough to embed one more photo the same way;
    with the group of `fashret.files.whitening`, if the vectors are whitened

In: rows and vectors. Out: the file, or its rows and memory-mapped vectors again.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fashret.choices import VECTOR_TYPES
from fashret.console import log
from fashret.errors import FashretError
from fashret.files import hdf5, stored
from fashret.files.atomic import check_output
from fashret.files.column_checks import Column, check_columns
from fashret.files.columns import RowFile, Rows, append_columns, create_columns
from fashret.files.whitening import GROUP, Whitening, check_whitening, read_whitening, whitened_otherwise

if TYPE_CHECKING:
    from fashret.files.origins import Origins

KIND = "fashret.embeddings"
VERSION = 1
MODEL = {  # types of what is used of the attribute `model`, and of its parts
    **dict.fromkeys(("name", "digest", "path", "absolute_path", "precision", "trained_on"), (str,)),
    **dict.fromkeys(("settings", GROUP), (dict,)),
    "weight": (int, float),
    "images_per_product": (int, float),
}
COPY_BYTES = 64 << 20  # block size when vectors have to be copied


MAKING = ("pooling", "neck", "feature", "height", "width", "fit", "mean", "std", "last_stride", "stem_relu")


def names_apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, str]:
    """The names of two models, as files record them; where both have one name, with what tells their weights apart.

    >>> names_apart({"name": "a", "digest": "sha256:0123456789"}, {"name": "b"})
    ('a', 'b')
    >>> names_apart({"name": "a", "digest": "sha256:0123456789"}, {"name": "a", "digest": "sha256:abcdef0123"})
    ('a (weights 01234567)', 'a (weights abcdef01)')
    """
    names = [str(model.get("name") or "of unknown name") for model in (one, other)]
    if names[0] == names[1]:
        digests = [str(model.get("digest", "")).rpartition(":")[2][:8] for model in (one, other)]
        names = [f"{name} (weights {digest or 'unknown'})" for name, digest in zip(names, digests, strict=True)]
    return names[0], names[1]


def made_otherwise(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """How two models, as files record them, make vectors in other ways of the same weights: "pooling avg → max".

    What either record does not say counts as the same, but for a whitening.
    """
    different = whitened_otherwise(one, other)
    for mine, theirs in zip(one.get("parts", [one]), other.get("parts", [other]), strict=False):
        before, now = mine.get("settings", {}), theirs.get("settings", {})
        for name in MAKING:
            if name in before and name in now and before[name] != now[name]:
                different.append(f"{name} {before[name]} → {now[name]}")
    return different


class Embeddings(RowFile):
    """An open embeddings.h5."""

    kind = KIND
    version = VERSION
    needed = ("vectors",)

    def check_needed(self) -> None:
        """The vectors are a matrix, and a whitening is one that gives them."""
        check_columns(self.file, {"vectors": Column("fractions", (None,))})
        check_whitening(self.file, self.width)

    @property
    def width(self) -> int:
        """D, the length of a vector."""
        return int(self.file["vectors"].shape[1])

    @property
    def normalized(self) -> bool:
        """Whether every vector was scaled to length 1."""
        return hdf5.setting(self.file, "normalized", False)

    @property
    def centroids(self) -> bool:
        """Whether a row is the mean of a product's images, not one image."""
        return hdf5.setting(self.file, "centroids", False)

    @property
    def root(self) -> Path | None:
        """Folder that the photos' paths start from, where the file says; rows of a crops file have none."""
        told = hdf5.attribute(self.file, "root", "")
        return self.path.resolve().parent / told if told and isinstance(told, str) and hdf5.storable(told) else None

    @cached_property
    def model(self) -> dict[str, Any]:
        """What made the vectors; empty if the file does not say."""
        record = dict(hdf5.read_json(self.file, "model", {}))
        parts = record.get("parts") or []
        for each in (record, *parts) if isinstance(parts, list) else (parts,):
            if not isinstance(each, dict) or any(type(each[name]) not in MODEL[name] for name in MODEL.keys() & each):
                raise FashretError(f"{self.path}: its attribute model does not describe a model; embed it again")
        return record

    @property
    def images_per_product(self) -> float | None:
        """Median of the rows that the model was trained on; None if the file does not say."""
        told = float(self.model.get("images_per_product", math.nan))
        return told if 1 <= told < math.inf else None

    @cached_property
    def whitening(self) -> Whitening | None:
        """What the vectors were whitened with; None if they were not."""
        return read_whitening(self.file, self.model)

    @cached_property
    def vectors(self) -> NDArray[Any]:
        """N×D float32 or float16, memory-mapped.

        Vectors that other software stored in chunks, compressed or as another type are copied once to a temporary file
        and mapped from there.
        """
        dataset = self.file["vectors"]
        if 0 in dataset.shape:
            return np.empty(dataset.shape, np.float32)
        if dataset.dtype.name in VECTOR_TYPES and dataset.dtype.isnative:
            found = stored.mapped(dataset)
            if found is not None:
                return found
        log.info("%s: vectors are not stored contiguously as float32; copying them to a temporary file", self.path)
        return _mapped_copy(dataset)


def open_embeddings(path: Path | str) -> Embeddings:
    """Open an embeddings.h5 for reading.

    Raises
    ------
    FashretError
        If it is missing, damaged, or another kind of file.
    """
    return Embeddings(path)


def _mapped_copy(dataset: h5py.Dataset) -> NDArray[np.float32]:
    with tempfile.NamedTemporaryFile(prefix="fashret-") as scratch:  # stays readable through the mapping
        copy = np.memmap(scratch.name, np.float32, "w+", 0, dataset.shape)
        step = max(1, COPY_BYTES // (4 * dataset.shape[1]))
        with stored.damage(dataset, "vectors"), np.errstate(over="raise"):
            for start in range(0, len(dataset), step):
                copy[start : start + step] = dataset[start : start + step]
        copy.flush()
    return copy


@dataclass(frozen=True)
class EmbeddingsOrigin:
    """What vectors are and where they come from: the file's attributes (see the module's docstring)."""

    model: dict[str, Any]
    normalized: bool = True
    dataset: str = ""
    options: Any = None
    inputs: Any = None
    centroids: bool = False
    origins: Origins | None = None  # of the N rows; None: nothing is known, or rows are centroids
    root: Path | None = None  # folder that the photos' paths start from; None: rows are of a crops file
    whitening: Whitening | None = None  # of which `model` has the record


@contextmanager
def write_embeddings(
    path: Path, shape: tuple[int, int], categories: tuple[str, ...], origin: EmbeddingsOrigin, dtype: str = "float32"
) -> Iterator[Callable[[Rows, NDArray[Any]], None]]:
    """Write an embeddings.h5 block by block, whole or not at all.

    Parameters
    ----------
    shape
        N and D: how many rows will come, and the length of a vector.

    Yields
    ------
    A function that takes the next rows and their vectors (B×D).

    Raises
    ------
    ValueError
        If fewer or more than N rows were given.
    """
    check_output(path)
    done = 0
    with hdf5.write_whole(path, KIND, VERSION, recorded(origin.options, path), origin.inputs) as file:
        create_columns(file, categories)
        vectors = file.create_dataset("vectors", shape, dtype)
        hdf5.write_json(file, "model", origin.model)
        file.attrs["normalized"] = origin.normalized
        file.attrs["dataset"] = origin.dataset
        file.attrs["centroids"] = origin.centroids
        if origin.whitening is not None:
            origin.whitening.write(file)
        if origin.root is not None:
            file.attrs["root"] = relative_path(origin.root, path)
        if origin.origins is not None:
            origin.origins.write(file)

        def append(rows: Rows, block: NDArray[Any]) -> None:
            nonlocal done
            append_columns(file, rows)
            vectors[done : done + len(block)] = block
            done += len(block)

        yield append
        if done != shape[0] or len(file["role"]) != done:
            raise ValueError(f"{done} vectors and {len(file['role'])} rows were written instead of {shape[0]}")


def recorded(value: Any, start: Path) -> Any:
    """A value as files record it: absolute paths, which tell of their maker, are written as seen from the file `start`.

    >>> recorded({"model": (Path("a/model"),), "k": 5}, Path("b.h5"))
    {'model': ['a/model'], 'k': 5}
    """
    if isinstance(value, dict):
        return {name: recorded(one, start) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [recorded(one, start) for one in value]
    if isinstance(value, str | Path) and Path(value).is_absolute():
        return relative_path(Path(value), start)
    return str(value) if isinstance(value, Path) else value


def relative_path(target: Path, start: Path) -> str:
    """Path of `target` as seen from the folder of the file `start`, with forward slashes."""
    return Path(os.path.relpath(target.resolve(), start.resolve().parent)).as_posix()
