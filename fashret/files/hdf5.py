"""How fashret's HDF5 files are opened, checked and written.

In: a path, the kind of file expected there. Out: an open h5py file, or one line that says what was found instead.

Every file has the attributes `format` ("fashret.crops", …), `format_version`, `fashret_version`, `created`
(UTC, ISO 8601), `options` (JSON) and `inputs` (JSON: name, size and digest of each input).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

import h5py
import numpy as np

import fashret
from fashret.errors import FashretError
from fashret.files import json_text
from fashret.files.atomic import partial_path, whole_file
from fashret.files.enclosed import check_enclosed
from fashret.files.file_kinds import check_ordinary, mistaken_for, what_is
from fashret.files.locks import writer
from fashret.files.resume import arrays_path, log_path
from fashret.files.stored import damage, read_text

MAKERS = {"fashret.crops": "crop", "fashret.embeddings": "embed", "fashret.ranking": "search"}  # kind → command
LONGEST_ATTRIBUTE = 60_000  # bytes; HDF5 keeps attributes in headers of 64 KB

T = TypeVar("T", str, int, bool)


class Closeable(Protocol):
    """What can be closed."""

    def close(self) -> None:
        """Close it."""


def open_file(path: Path, kind: str, version: int, datasets: Sequence[str] = ()) -> h5py.File:
    """Open a file for reading and check that it is what it should be.

    Parameters
    ----------
    kind, version
        The `format` it must have and the newest `format_version` that can be read.
    datasets
        Names that must be there.

    Raises
    ------
    FashretError
        If it is missing, truncated, no HDF5 file, of another kind, newer, or lacks a dataset.
    """
    file = open_any(path, kind)
    with closed_on_error(file), damage(file):
        found = attribute(file, "format")
        if found != kind:
            what = f"a {found} file" if found else "an HDF5 file that fashret did not define"
            hint = f"; `fashret {MAKERS[kind]}` makes one" if kind in MAKERS else ""
            raise FashretError(f"{path}: is {what}, not a {kind} file{hint}")
        _check_version(file, kind, version)
        missing = [name for name in datasets if not isinstance(file.get(name), h5py.Dataset)]
        if missing:
            raise FashretError(f"{path}: lacks {', '.join(missing)}; it holds {', '.join(sorted(file)[:20])}")
    return file


def _check_version(file: h5py.File, kind: str, newest: int) -> None:
    """1 is 1 as a number of any type and as text."""
    found = attribute(file, "format_version", 0)
    try:
        version = float(found)
    except (TypeError, ValueError):
        version = math.nan
    if version not in range(1, newest + 1):
        advice = "use a newer fashret" if version > newest and version == version // 1 else "write the file again"
        raise FashretError(
            f"{file.filename}: has format version {str(found)[:20]} of {kind}, "
            f"this fashret ({fashret.__version__}) reads 1 to {newest}: {advice}"
        )


@contextmanager
def closed_on_error(file: Closeable) -> Iterator[None]:
    """Close a file that was just opened, if what is done with it fails."""
    try:
        yield
    except BaseException:
        file.close()
        raise


def attribute(file: h5py.File | h5py.Group, name: str, default: Any = None) -> Any:
    """An attribute as a plain value, in whichever of HDF5's ways it was written: text, number, array of one of them."""
    value = raw_attribute(file, name)
    if value is None:
        return default
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, np.generic):
        value = value.item()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def raw_attribute(file: h5py.File | h5py.Group, name: str) -> Any:
    """An attribute as h5py gives it; None if it is not there or holds nothing."""
    with damage(file, f"the attribute {name}"):
        if name not in file.attrs:
            return None
        stored = file.attrs.get_id(name)
        size = math.prod(stored.shape or ()) * stored.get_type().get_size()
        if size > json_text.LONGEST:
            raise FashretError(
                f"{file.file.filename}: the attribute {name} claims {size:,} bytes; write the file again"
            )
        value = file.attrs[name]
    return None if isinstance(value, h5py.Empty) else value


def setting(file: h5py.File | h5py.Group, name: str, default: T) -> T:
    """An attribute of the default's type, text, a whole number or whether something is so; the default if not there.

    Raises
    ------
    FashretError
        If it is something else.
    """
    value, kind = attribute(file, name, default), type(default)
    if kind is str:
        good = isinstance(value, str)
    else:
        good = isinstance(value, int | float) and value == value // 1 and (kind is int or value in (0, 1))
    if good:
        return kind(value)
    wanted = {str: "text", int: "a whole number", bool: "0 or 1"}[kind]
    raise FashretError(f"{file.file.filename}: the attribute {name} should be {wanted} and is {str(value)[:40]!r}")


def open_any(path: Path, kind: str = "") -> h5py.File:
    """Open an HDF5 file of any kind: the one function through which every HDF5 file is opened for reading.

    What it holds is all in this one file (`fashret.files.enclosed`). ``kind``: what it should be, for messages.

    Raises
    ------
    FashretError
        If it is missing, truncated, locked or no HDF5 file, or something in it leads to another file.
    """
    if not path.exists() and (instead := _unfinished(path)):
        raise FashretError(f"{path}: no such file{instead}")
    if mistaken := mistaken_for(path, kind):
        raise FashretError(mistaken)
    check_ordinary(path)
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        if "truncated" in str(error):
            raise FashretError(f"{path}: is cut off (truncated); make or copy it again") from error
        if isinstance(error, BlockingIOError) or "unable to lock" in str(error):
            raise FashretError(
                f"{path}: is locked by another process, or its file system has no locks; "
                "for the second case set HDF5_USE_FILE_LOCKING=FALSE"
            ) from error
        raise FashretError(f"{path}: {what_is(path)}") from error
    with closed_on_error(file), damage(file):
        check_enclosed(file)
    return file


def _unfinished(path: Path) -> str:
    """What is there in place of a file, in brackets: a run that writes it, or what an interrupted one left."""
    if now := writer(path):
        return f" (process {now.pid} on {now.host} is writing it)"
    left = next((p for p in (partial_path(path), log_path(path), arrays_path(path)) if p.exists()), None)
    return f" ({left.name} is there: the command that makes it was interrupted)" if left else ""


def kind_of(path: Path, wanted: str = "") -> str:
    """The attribute `format` of an HDF5 file; empty if the file is none of fashret's. Another was perhaps `wanted`."""
    with open_any(path, wanted) as file:
        return str(attribute(file, "format", ""))


@contextmanager
def write_whole(path: Path, kind: str, version: int, options: Any = None, inputs: Any = None) -> Iterator[h5py.File]:
    """Write a new file, whole or not at all (`fashret.files.atomic`), with the attributes that every file has."""
    with whole_file(path) as part, h5py.File(part, "x") as file:
        stamp(file, kind, version, options, inputs)
        yield file


def stamp(file: h5py.File, kind: str, version: int, options: Any = None, inputs: Any = None) -> None:
    """Write the attributes that every file has."""
    file.attrs["format"] = kind
    file.attrs["format_version"] = version
    file.attrs["fashret_version"] = fashret.__version__
    file.attrs["created"] = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(file, "options", options or {})
    write_json(file, "inputs", inputs or [])


def write_json(file: h5py.File | h5py.Group, name: str, value: Any) -> None:
    """Write a value as a JSON attribute, or as a scalar dataset of that name if it is too long for an attribute."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    kind = h5py.string_dtype("utf-8")
    if len(text.encode()) < LONGEST_ATTRIBUTE:
        file.attrs.create(name, text, dtype=kind)
    else:
        file.create_dataset(name, data=text, dtype=kind)


def read_json(file: h5py.File | h5py.Group, name: str, default: Any = None) -> Any:
    """Read what `write_json` wrote; `default` if it is not there.

    Raises
    ------
    FashretError
        If it is there but is no JSON, too long or too deep, or not of the default's type.
    """
    text = attribute(file, name)
    if text is None and isinstance(file.get(name), h5py.Dataset):
        text = _scalar_text(file[name])
    if text is None:
        return default
    where = f"{file.file.filename}: the attribute {name}"
    value = json_text.parse(text, where)
    if default is not None and not isinstance(value, type(default)):
        raise FashretError(f"{where} should be a JSON {type(default).__name__}")
    return value


def _scalar_text(dataset: h5py.Dataset) -> Any:
    """The one text of a dataset."""
    with damage(dataset, dataset.name):
        return dataset[()] if dataset.shape == () else None


def read_texts(file: h5py.File | h5py.Group, name: str) -> list[str] | None:
    """A list of texts, an attribute or a dataset: JSON as `write_json` writes it, or HDF5's own list of strings.

    Raises
    ------
    FashretError
        If it is there but is neither.
    """
    value = raw_attribute(file, name)
    if value is None and isinstance(file.get(name), h5py.Dataset) and file[name].ndim == 1:
        value = read_text(file, name)
    if isinstance(value, np.ndarray) and value.ndim and value.dtype.kind in "OSU":
        texts = [each.decode("utf-8", "replace") if isinstance(each, bytes) else each for each in value.ravel()]
        if len(texts) != 1 or not str(texts[0]).startswith("["):  # JSON in an array of one, as MATLAB writes any text
            return [str(text) for text in texts]
    found = read_json(file, name, [])
    if value is None and found == [] and name not in file:
        return None
    if not all(isinstance(text, str) for text in found):
        raise FashretError(f"{file.file.filename}: {name} should be a list of texts")
    return found


def storable(text: str) -> bool:
    """Whether HDF5 can hold a text: UTF-8, so no half of a surrogate pair, and no zero byte.

    >>> storable("bags/286"), storable("a\\0b"), storable("\\udcff")
    (True, False, False)
    """
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False
