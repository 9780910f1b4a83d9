"""Datasets: mapped only where the file holds just what numpy would; damage is one line."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.files import hdf5, stored

NUMBERS = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.mark.parametrize("kind", ["f4", "f2", "f8", ">f4", "i4"])
@pytest.mark.parametrize("block", [0, 512])
def test_mapped_numbers_are_those_that_hdf5_reads(tmp_path: Path, kind: str, block: int) -> None:
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=block) as file:
        file["x"] = NUMBERS.astype(kind)
    with hdf5.open_any(tmp_path / "a.h5") as file:
        found = stored.mapped(file["x"])
        assert isinstance(found, np.memmap) and found.dtype == kind
        np.testing.assert_array_equal(found, NUMBERS)


def test_numbers_in_chunks_unwritten_or_of_a_foreign_form_are_not_mapped(tmp_path: Path) -> None:
    foreign = h5py.h5t.IEEE_F32LE.copy()
    foreign.set_ebias(100)  # the same bits mean other numbers
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("chunks", data=NUMBERS, chunks=(2, 3))
        file.create_dataset("unwritten", (4, 3), "f4")
        space = h5py.h5s.create_simple((4, 3))
        h5py.h5d.create(file.id, b"foreign", foreign, space).write(space, space, NUMBERS)
    with hdf5.open_any(tmp_path / "a.h5") as file:
        for name in ("chunks", "unwritten", "foreign"):
            assert stored.mapped(file[name]) is None, name
        np.testing.assert_array_equal(file["foreign"][:], NUMBERS)


class Claims:
    """A dataset that says of itself what is not so."""

    def __init__(self, dataset: h5py.Dataset, offset: int, size: int) -> None:
        self.dtype, self.shape, self.size = dataset.dtype, dataset.shape, dataset.size
        self.file, self.name, self.id = dataset.file, dataset.name, self
        self.get_offset, self.get_storage_size, self.get_type = lambda: offset, lambda: size, dataset.id.get_type


@pytest.mark.parametrize(("offset", "size"), [(10**9, 48), (2048 + 12, 48), (2048, 47), (2048, 96)])
def test_what_is_mapped_lies_in_the_file_and_is_as_long_as_its_shape(tmp_path: Path, offset: int, size: int) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = NUMBERS
    with hdf5.open_any(tmp_path / "a.h5") as file:
        assert file["x"].id.get_offset() == 2048 and (tmp_path / "a.h5").stat().st_size == 2048 + 48
        with pytest.raises(FashretError, match="a.h5: /x has not the 48 bytes of its shape"):
            stored.mapped(Claims(file["x"], offset, size))  # type: ignore[arg-type]


def test_text_is_utf_8(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.array([b"gr\xfcn", b"blau"])
        file["number"] = np.arange(2)
    with hdf5.open_any(tmp_path / "a.h5") as file:
        with pytest.raises(FashretError, match="a.h5: x holds text that is not UTF-8"):
            stored.read_text(file, "x")
        with pytest.raises(FashretError, match="number should be text and is int64"):
            stored.read_text(file, "number")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError("Can't read data\nmore lines"), r"x cannot be read \(Can't read data\); make or copy the file again"),
        (OSError("Can't read (memory allocation failed)"), "x needs more memory than there is"),
        (MemoryError(), "x needs more memory than there is"),
        (KeyError("no object"), "x cannot be read"),
        (RuntimeError(), r"x cannot be read \(RuntimeError\)"),
    ],
)
def test_damage_is_one_line(tmp_path: Path, error: Exception, said: str) -> None:
    with (
        h5py.File(tmp_path / "a.h5", "w") as file,
        pytest.raises(FashretError, match=f"a.h5: {said}") as caught,
        stored.damage(file, "x"),
    ):
        raise error
    assert "\n" not in str(caught.value)


def test_a_cut_chunk_is_one_line(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=np.random.default_rng(0).random(1000), chunks=(1000,), compression="gzip")
        info = file["x"].id.get_chunk_info(0)
    data = bytearray((tmp_path / "a.h5").read_bytes())
    data[info.byte_offset : info.byte_offset + info.size] = bytes(info.size)
    (tmp_path / "a.h5").write_bytes(data)
    with hdf5.open_any(tmp_path / "a.h5") as file, pytest.raises(FashretError, match="a.h5: x cannot be read"):
        stored.read(file, "x")
