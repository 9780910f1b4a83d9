"""embeddings.h5: one vector a crop.

    vectors   N×D float32 (or float16), contiguous and uncompressed, so that it can be memory-mapped
    and the columns of `fashret.files.rows`
    attributes: those of every file, `normalized` (are the rows of length 1), `dataset`, `categories` (JSON) and
    `model` (JSON): name, digest, path, settings (backbone, weights' origin – "none" where random –, preprocessing),
    trained_on: enough to embed one more photo the same way

In: rows and vectors. Out: the file, or its rows and memory-mapped vectors again.
"""

from __future__ import annotations

import os
import tempfile
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from fashret.console import log
from fashret.errors import FashretError
from fashret.files import hdf5
from fashret.files.rows import RowFile, Rows, append_columns, create_columns

KIND = "fashret.embeddings"
VERSION = 1
DTYPES = ("float32", "float16")
COPY_BYTES = 64 << 20  # block size when vectors cannot be mapped as they lie


class Embeddings(RowFile):
    """An open embeddings.h5."""

    kind = KIND
    version = VERSION
    needed = ("vectors",)

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        shape, dtype = self.file["vectors"].shape, self.file["vectors"].dtype
        if len(shape) != 2 or dtype.kind != "f":
            self.close()
            raise FashretError(f"{path}: vectors should be N×D floats and are {dtype} of shape {shape}")

    @property
    def width(self) -> int:
        """D, the length of a vector."""
        return int(self.file["vectors"].shape[1])

    @property
    def normalized(self) -> bool:
        """Whether every vector was scaled to length 1."""
        return bool(self.file.attrs.get("normalized", False))

    @cached_property
    def model(self) -> dict[str, Any]:
        """What made the vectors; empty if the file does not say."""
        return dict(hdf5.read_json(self.file, "model", {}))

    @cached_property
    def vectors(self) -> NDArray[Any]:
        """N×D float32 or float16, memory-mapped.

        Vectors that lie in chunks, compressed, or as another type (files of other software) are copied once to a
        temporary file and mapped from there.
        """
        dataset = self.file["vectors"]
        if 0 in dataset.shape:
            return np.empty(dataset.shape, np.float32)
        offset = dataset.id.get_offset()  # None unless contiguous and written
        if offset is not None and dataset.dtype.name in DTYPES and dataset.dtype.isnative:
            return np.memmap(self.path, dataset.dtype, "r", offset, dataset.shape)
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
        for start in range(0, len(dataset), step):
            copy[start : start + step] = dataset[start : start + step]
        copy.flush()
    return copy


class EmbeddingsWriter:
    """Writes an embeddings.h5 block by block under its partial name; the name becomes final when the block ends.

    With `resume`, a partial file of the same rows is taken up where its last flushed block ends (`done`).
    On an error the partial file stays if anything was flushed, for the next run to resume.
    """

    def __init__(self, path: Path, rows: Rows, width: int, *, dtype: str = "float32", resume: bool = False) -> None:
        self.path, self.rows, self.shape, self.dtype = path, rows, (len(rows), width), dtype
        self.done = 0
        self.resume = resume
        self.attributes: dict[str, Any] = {}

    def describe(
        self,
        *,
        model: dict[str, Any],
        normalized: bool,
        dataset: str,
        options: Any = None,
        inputs: Any = None,
    ) -> Self:
        """Say what the vectors are; call it before the block is entered."""
        self.attributes = {
            "model": model,
            "normalized": normalized,
            "dataset": dataset,
            "options": options,
            "inputs": inputs,
        }
        return self

    def __enter__(self) -> Self:
        hdf5.check_output(self.path)
        part = hdf5.partial_path(self.path)
        with hdf5.output_errors(self.path):
            if self.resume and part.exists():
                self.file = h5py.File(part, "r+")
                self.done = int(self.file.attrs["rows_done"])
                return self
            part.unlink(missing_ok=True)
            self.file = h5py.File(part, "x")
            self._create()
        return self

    def _create(self) -> None:
        file, about = self.file, self.attributes
        hdf5.stamp(file, KIND, VERSION, about.get("options"), about.get("inputs"))
        create_columns(file, self.rows.categories)
        append_columns(file, self.rows)
        file.create_dataset("vectors", self.shape, self.dtype)
        hdf5.write_json(file, "model", about.get("model") or {})
        file.attrs["normalized"] = bool(about.get("normalized", False))
        file.attrs["dataset"] = about.get("dataset") or ""
        file.attrs["rows_done"] = 0
        file.flush()

    def write(self, vectors: NDArray[Any]) -> None:
        """Write the next rows, B×D."""
        stop = self.done + len(vectors)
        with hdf5.output_errors(self.path):
            self.file["vectors"][self.done : stop] = vectors
        self.done = stop

    def flush(self) -> None:
        """Make what was written survive a kill: data first, then the counter."""
        with hdf5.output_errors(self.path):
            self.file.flush()
            self.file.attrs["rows_done"] = self.done
            self.file.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        part = hdf5.partial_path(self.path)
        if kind is None and self.done == self.shape[0]:
            with hdf5.output_errors(self.path):
                del self.file.attrs["rows_done"]
                self.file.close()
                hdf5.finish(self.path)
            return
        try:
            kept = int(self.file.attrs["rows_done"])
            self.file.close()
        except (OSError, RuntimeError, ValueError):  # a full disk: the error under way says so
            kept = 0
        if not kept:
            part.unlink(missing_ok=True)
        if kind is None:
            raise ValueError(f"{self.done} of {self.shape[0]} vectors were written")


def relative_path(target: Path, start: Path) -> str:
    """Path of `target` as seen from the folder of the file `start`, with forward slashes."""
    return Path(os.path.relpath(target.resolve(), start.resolve().parent)).as_posix()
