"""Bytes that rows of any length refer to, in every way that they may be stored; and many rows of one content."""

from __future__ import annotations

import itertools
from pathlib import Path

import h5py
import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.files.stored import check_room
from fashret.files.varying import referred_bytes, varies
from tests.conftest import invoke, make_rows, write_crops

TEXTS = ["", "a", "é" * 3, "x" * 1000, "帽子", "", "b" * 7]
LENGTHS = [len(text.encode()) for text in TEXTS]
LISTS = [np.arange(length, dtype=np.uint16) for length in LENGTHS]
WAYS = {
    "contiguous": {},
    "chunked": {"chunks": (3,)},
    "gzip, shuffle": {"chunks": (3,), "compression": "gzip", "shuffle": True},
    "lzf, shuffle": {"chunks": (2,), "compression": "lzf", "shuffle": True},
    "one chunk": {"chunks": (100,), "compression": "gzip", "maxshape": (None,)},
}


@pytest.mark.parametrize("way", WAYS)
def test_bytes_are_counted_as_they_are_read(tmp_path: Path, way: str) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("text", data=TEXTS, dtype=h5py.string_dtype(), **WAYS[way])
        lists = file.create_dataset("lists", (len(LISTS),), h5py.vlen_dtype(np.uint16), **WAYS[way])
        for i, values in enumerate(LISTS):
            lists[i] = values
    with h5py.File(tmp_path / "a.h5") as file:
        for start, stop in itertools.combinations(range(len(TEXTS) + 1), 2):
            assert referred_bytes(file["text"], start, stop) == sum(LENGTHS[start:stop])
            assert referred_bytes(file["lists"], start, stop) == 2 * sum(LENGTHS[start:stop])
        check_room(file["text"], 0, len(TEXTS))


def test_a_column_beside_its_header_and_one_that_was_never_written(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_layout(h5py.h5d.COMPACT)
        space, kind = h5py.h5s.create_simple((7,)), h5py.h5t.py_create(h5py.string_dtype(), logical=True)
        h5py.Dataset(h5py.h5d.create(file.id, b"compact", kind, space, properties))[:] = TEXTS
        file.create_dataset("empty", (7,), h5py.string_dtype())
        file.create_dataset("empty chunks", (7,), h5py.string_dtype(), chunks=(2,))
        file.create_dataset(
            "narrow", data=np.array(TEXTS[:2] * 2, object)[:, None], dtype=h5py.string_dtype(), chunks=(3, 1)
        )
        file.create_dataset("fixed", (7,), "S5")
    with h5py.File(tmp_path / "a.h5") as file:
        assert referred_bytes(file["compact"], 1, 4) == sum(LENGTHS[1:4])
        assert referred_bytes(file["empty"], 0, 7) == referred_bytes(file["empty chunks"], 0, 7) == 0
        assert referred_bytes(file["narrow"], 0, 4) == 2
        assert [varies(file[name]) for name in ("compact", "fixed")] == [True, False]


def rows_of_one_text(path: Path, rows: int, text: str, chunked: bool) -> Path:
    """A crops.h5 whose products are all the one copy of a text."""
    write_crops(path, make_rows(rows))
    chunks = (rows,) if chunked else None
    with h5py.File(path, "r+") as file:
        del file["product"]
        one = file.create_dataset("one", (1,), h5py.string_dtype(), chunks=(1,))
        one[0] = text
        file.flush()
        _, reference = one.id.read_direct_chunk((0,))
        del file["one"]
        many = file.create_dataset("product", (rows,), h5py.string_dtype(), chunks=chunks)
        if chunked:
            many.id.write_direct_chunk((0,), reference * rows)
        else:
            many[:] = [""] * rows
            offset = many.id.get_offset()
    if not chunked:
        with path.open("r+b") as stream:
            stream.seek(offset)
            stream.write(reference * rows)
    return path


@pytest.mark.parametrize("chunked", [True, False])
def test_many_rows_of_one_long_text_are_refused(tmp_path: Path, chunked: bool) -> None:
    path = rows_of_one_text(tmp_path / "a.h5", 500, "x" * 1_000_000, chunked)
    with h5py.File(path) as file:
        assert file["product"].asstr()[499] == "x" * 1_000_000
        assert referred_bytes(file["product"], 0, 500) == 500_000_000
        with pytest.raises(FashretError, match=r"a\.h5: product claims 500,000,000 bytes in a file of"):
            check_room(file["product"], 0, 500)
    done = invoke("info", path)
    assert done.returncode == 1 and "product claims 500,000,000 bytes" in done.stderr
