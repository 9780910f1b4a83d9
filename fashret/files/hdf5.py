"""How fashret's HDF5 files are opened, checked and written.

In: a path, the kind of file expected there. Out: an open h5py file, or one line that says what was found instead.

Every file has the attributes `format` ("fashret.crops", …), `format_version`, `fashret_version`, `created`
(UTC, ISO 8601), `options` (JSON) and `inputs` (JSON: name, size and digest of each input).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

import fashret
from fashret.errors import FashretError
from fashret.files.atomic import partial_path, whole_file
from fashret.files.locks import writer
from fashret.files.mistaken import mistaken_for
from fashret.files.resume import arrays_path, log_path

MAKERS = {"fashret.crops": "crop", "fashret.embeddings": "embed", "fashret.ranking": "search"}  # kind → command
LONGEST_ATTRIBUTE = 60_000  # bytes; HDF5 keeps attributes in headers of 64 KB


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
    try:
        found = attribute(file, "format")
        if found != kind:
            what = f"a {found} file" if found else "an HDF5 file that fashret did not define"
            hint = f"; `fashret {MAKERS[kind]}` makes one" if kind in MAKERS else ""
            raise FashretError(f"{path}: is {what}, not a {kind} file{hint}")
        found_version = attribute(file, "format_version", 0)
        if not isinstance(found_version, int) or not 1 <= found_version <= version:
            raise FashretError(
                f"{path}: has format version {found_version} of {kind}, "
                f"this fashret ({fashret.__version__}) reads 1 to {version}: use a newer fashret"
            )
        missing = [name for name in datasets if name not in file]
        if missing:
            raise FashretError(f"{path}: lacks {', '.join(missing)}; it holds {', '.join(sorted(file))}")
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        file.close()
        raise _damaged(path, error) from error
    except BaseException:
        file.close()
        raise
    return file


def _damaged(path: Path | str, error: Exception) -> FashretError:
    return FashretError(f"{path}: is damaged ({_first_line(error)}); make or copy it again")


def attribute(file: h5py.File | h5py.Group, name: str, default: Any = None) -> Any:
    """An attribute as a plain value, in whichever of HDF5's ways it was written: text, number, array of one of them."""
    try:
        value = file.attrs.get(name, default)
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise _damaged(file.file.filename, error) from error
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, np.generic):
        value = value.item()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def open_any(path: Path, kind: str = "") -> h5py.File:
    """Open an HDF5 file of any kind: the one function through which every HDF5 file is opened for reading.

    Raises
    ------
    FashretError
        If it is missing, truncated, locked or no HDF5 file.
    """
    if not path.exists():
        raise FashretError(f"{path}: no such file{_unfinished(path)}")
    if mistaken := mistaken_for(path, kind):
        raise FashretError(mistaken)
    try:
        return h5py.File(path, "r")
    except OSError as error:
        if "truncated" in str(error):
            raise FashretError(f"{path}: is cut off (truncated); make or copy it again") from error
        if isinstance(error, BlockingIOError) or "unable to lock" in str(error):
            raise FashretError(
                f"{path}: is locked by another process, or its file system has no locks; "
                "for the second case set HDF5_USE_FILE_LOCKING=FALSE"
            ) from error
        raise FashretError(f"{path}: is not an HDF5 file, or cannot be read ({_first_line(error)})") from error


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
        If it is there but is no JSON, or not of the default's type.
    """
    text = attribute(file, name)
    if text is None and name in file:
        text = file[name][()]
    if text is None:
        return default
    try:
        value = json.loads(text)
    except (TypeError, ValueError) as error:
        raise FashretError(f"{file.file.filename}: the attribute {name} is not JSON") from error
    if default is not None and not isinstance(value, type(default)):
        raise FashretError(f"{file.file.filename}: the attribute {name} should be a JSON {type(default).__name__}")
    return value


def storable(text: str) -> bool:
    """Whether HDF5 can hold a text: UTF-8, so no half of a surrogate pair, and no zero byte.

    >>> storable("bags/286"), storable("a\\0b"), storable("\\udcff")
    (True, False, False)
    """
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def read(file: h5py.File, name: str) -> NDArray[Any]:
    """Read a whole dataset; damage is one line."""
    try:
        return file[name][:]
    except (OSError, RuntimeError) as error:
        raise FashretError(f"{file.filename}: {name} cannot be read ({_first_line(error)})") from error


def read_text(file: h5py.File, name: str) -> NDArray[np.object_]:
    """Read a whole column of text as an object array of str."""
    return read_slice(file, name, 0, len(file[name]), text=True)


def read_slice(file: h5py.File, name: str, start: int, stop: int, text: bool | None = None) -> NDArray[Any]:
    """Read rows start ≤ i < stop of a dataset, text as an object array of str.

    Parameters
    ----------
    text
        Whether it must be text; None: either.
    """
    dataset = file[name]
    is_text = h5py.check_string_dtype(dataset.dtype) is not None
    if text and not is_text:
        raise FashretError(f"{file.filename}: {name} should be text and is {dataset.dtype}")
    try:
        return np.asarray(dataset.asstr()[start:stop], dtype=object) if is_text else dataset[start:stop]
    except UnicodeDecodeError as error:
        raise FashretError(f"{file.filename}: {name} holds text that is not UTF-8") from error
    except (OSError, RuntimeError) as error:
        raise FashretError(f"{file.filename}: {name} cannot be read ({_first_line(error)})") from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
