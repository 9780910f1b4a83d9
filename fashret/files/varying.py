"""Rows of any length, texts and encoded pictures: how many bytes some of them take when they are read.

In: a dataset of variable length. Out: the bytes of some rows, by the references that the dataset itself consists of: a
length and where the content is. Honest software stores the content of each row by itself, so that all of them together
are no more than the file; but any number of rows may refer to one content, which each of them would copy.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5p, h5z
from numpy.typing import NDArray

COUNT_BYTES, INDEX_BYTES = 4, 4  # of a reference, around the address: "<u4" length, address, "<u4" number in its heap


def varies(dataset: h5py.Dataset) -> bool:
    """Whether rows are of any length: texts or lists, but no text of fixed length."""
    text = h5py.check_string_dtype(dataset.dtype)
    return text.length is None if text is not None else h5py.check_vlen_dtype(dataset.dtype) is not None


def referred_bytes(dataset: h5py.Dataset, start: int, stop: int) -> int:
    """Bytes that rows start ≤ i < stop take when they are read."""
    base = h5py.check_vlen_dtype(dataset.dtype)
    width = base.itemsize if isinstance(base, np.dtype) else 1
    layout = dataset.id.get_create_plist().get_layout()
    if layout == h5d.COMPACT:  # few: they are in the header
        return sum(len(dataset[i : i + 1].ravel()[0]) * width for i in range(start, stop))
    form = _reference(dataset.file)
    if layout == h5d.CHUNKED:
        return width * sum(int(lengths.sum()) for lengths in _lengths_of_chunks(dataset, form, start, stop))
    offset = dataset.id.get_offset()
    if offset is None:  # nothing was written
        return 0
    lengths = np.memmap(dataset.file.filename, form, "r", offset, dataset.shape)["length"]
    return width * int(lengths[start:stop].sum(dtype=np.int64))


def _reference(file: h5py.File) -> np.dtype[Any]:
    """What a file keeps of a row of any length."""
    address, _ = file.id.get_create_plist().get_sizes()
    return np.dtype([("length", "<u4"), ("place", f"V{address + INDEX_BYTES}")])


def _lengths_of_chunks(dataset: h5py.Dataset, form: np.dtype[Any], start: int, stop: int) -> Any:
    """The lengths in each chunk that has some of the rows, as int64."""
    chunks, shape = dataset.chunks, dataset.shape
    first = start - start % chunks[0]
    places = [range(first, stop, chunks[0]), *(range(0, n, c) for n, c in zip(shape[1:], chunks[1:], strict=True))]
    with h5py.File("chunk", "w", driver="core", backing_store=False) as memory:
        decoders: dict[int, h5py.Dataset] = {}
        for place in itertools.product(*places):
            if not dataset.id.get_chunk_info_by_coord(place).size:  # never written
                continue
            mask, data = dataset.id.read_direct_chunk(place)
            if mask not in decoders:
                decoders[mask] = _decoder(memory, dataset, form.itemsize, mask)
            decoders[mask].id.write_direct_chunk((0,), data)
            lengths: NDArray[np.int64] = decoders[mask][:].view(form)["length"].reshape(chunks).astype(np.int64)
            yield lengths[max(start - place[0], 0) : stop - place[0]]


def _decoder(memory: h5py.File, dataset: h5py.Dataset, size: int, mask: int) -> h5py.Dataset:
    """A dataset of one chunk that undoes the compression of another's, and gives its bytes as they are.

    `mask`: bits of the filters that were left out when the chunk was written.
    """
    kept, properties = dataset.id.get_create_plist(), h5p.create(h5p.DATASET_CREATE)
    filters = [kept.get_filter(number)[:3] for number in range(kept.get_nfilters()) if not mask >> number & 1]
    unit = next((values[0] for code, _, values in filters if code == h5z.FILTER_SHUFFLE and values), size)
    shape = (math.prod(dataset.chunks) * size // unit,)
    properties.set_chunk(shape)
    for each in filters:
        properties.set_filter(*each)
    kind, space = h5py.h5t.py_create(np.dtype(f"V{unit}")), h5py.h5s.create_simple(shape)
    return h5py.Dataset(h5d.create(memory.id, f"chunk{mask}".encode(), kind, space, properties))
