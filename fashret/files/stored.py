"""Datasets of an open HDF5 file: read, or memory-mapped.

In: an open file and the name of a dataset. Out: its numbers or texts; damage, of whatever kind, is one line.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fashret.errors import FashretError
from fashret.files.varying import referred_bytes, varies


@contextmanager
def damage(file: h5py.File | h5py.Group, name: str = "") -> Iterator[None]:
    """Turn whatever h5py raises on damaged or absurd content, of the dataset `name` perhaps, into one line."""
    where = f"{file.file.filename}: {name}".rstrip()
    try:
        yield
    except UnicodeDecodeError as error:
        raise FashretError(f"{where} holds text that is not UTF-8") from error
    except FloatingPointError as error:  # where numpy was told to raise it
        raise FashretError(f"{where} holds numbers that float32 does not reach") from error
    except MemoryError as error:
        raise FashretError(f"{where} needs more memory than there is") from error
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        if "memory allocation failed" in str(error):
            raise FashretError(f"{where} needs more memory than there is") from error
        what = "cannot be read" if name else "is damaged"
        raise FashretError(f"{where} {what} ({first_line(error)}); make or copy the file again") from error


def read(file: h5py.File, name: str) -> NDArray[Any]:
    """Read a whole dataset; damage is one line."""
    with damage(file, name):
        return file[name][:]


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
    with damage(file, name):
        check_room(dataset, start, stop)
        return np.asarray(dataset.asstr()[start:stop], dtype=object) if is_text else dataset[start:stop]


def check_room(dataset: h5py.Dataset, start: int, stop: int) -> None:
    """Refuse rows start ≤ i < stop that take more bytes than the file has: many that refer to one content.

    Raises
    ------
    FashretError
        With both numbers.
    """
    if stop - start < 2 or not varies(dataset):
        return
    claimed, size = referred_bytes(dataset, start, stop), dataset.file.id.get_filesize()
    if claimed > size:
        raise FashretError(
            f"{dataset.file.filename}: {dataset.name.lstrip('/')} claims {claimed:,} bytes in a file of {size:,}; "
            "make or copy it again"
        )


def mapped(dataset: h5py.Dataset) -> NDArray[Any] | None:
    """The numbers of a dataset, memory-mapped; None if they are not in one piece of the file, just as numpy has them.

    Raises
    ------
    FashretError
        If they do not lie in the file, or are not as many as the shape says.
    """
    offset, path = dataset.id.get_offset(), dataset.file.filename  # offset: None unless contiguous and written
    if offset is None or dataset.id.get_type() != h5py.h5t.py_create(dataset.dtype):
        return None
    size, stored = dataset.dtype.itemsize * dataset.size, dataset.id.get_storage_size()
    if stored != size or offset + size > Path(path).stat().st_size:
        raise FashretError(f"{path}: {dataset.name} has not the {size:,} bytes of its shape; make or copy it again")
    return np.memmap(path, dataset.dtype, "r", offset, dataset.shape)


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its name."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
