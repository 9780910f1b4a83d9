"""Nothing in an HDF5 file leads to another file or place, and nothing claims what the file cannot hold."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.files import enclosed, hdf5


def soft(file: h5py.File, folder: Path) -> None:
    file["there"] = np.zeros(3)
    file["x"] = h5py.SoftLink("/there")


def dangling(file: h5py.File, folder: Path) -> None:
    file["x"] = h5py.SoftLink("/nowhere")


def circular(file: h5py.File, folder: Path) -> None:
    file["x"], file["y"] = h5py.SoftLink("/y"), h5py.SoftLink("/x")


def external(file: h5py.File, folder: Path) -> None:
    with h5py.File(folder / "other.h5", "w") as other:
        other["vectors"] = np.ones(3)
    file["x"] = h5py.ExternalLink("other.h5", "/vectors")


def external_to_a_pipe(file: h5py.File, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    file["x"] = h5py.ExternalLink("pipe", "/vectors")


def raw_storage(file: h5py.File, folder: Path) -> None:
    file.create_dataset("x", (11,), "u1", external=[("/etc/hostname", 0, 11)])


def raw_storage_in_a_pipe(file: h5py.File, folder: Path) -> None:
    file.create_dataset("x", (11,), "u1", external=[("pipe", 0, 11)])
    os.mkfifo(folder / "pipe")


def virtual(file: h5py.File, folder: Path) -> None:
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "vectors", (3,))
    file.create_virtual_dataset("x", layout)


def growing_virtual_of_a_pipe(file: h5py.File, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    layout = h5py.VirtualLayout((3,), "f4", maxshape=(None,))
    source = h5py.VirtualSource("pipe", "vectors", (3,), maxshape=(None,))
    layout[: h5py.h5s.UNLIMITED] = source[: h5py.h5s.UNLIMITED]
    file.create_virtual_dataset("x", layout)


def deep_inside(file: h5py.File, folder: Path) -> None:
    file["a/b/c/x"] = h5py.SoftLink("/a")


def a_name_of_two_lines(file: h5py.File, folder: Path) -> None:
    file["x\ny"] = h5py.SoftLink("/\x1b[31m")


LEADS_OUT = {
    soft: "x is a soft link to /there",
    dangling: "x is a soft link to /nowhere",
    circular: "x is a soft link to /y; y is a soft link to /x",
    external: "x is an external link to /vectors of other.h5",
    external_to_a_pipe: "x is an external link to /vectors of pipe",
    raw_storage: r"x is stored in /etc/hostname \(external storage\)",
    raw_storage_in_a_pipe: r"x is stored in pipe \(external storage\)",
    virtual: "x is a virtual dataset",
    growing_virtual_of_a_pipe: "x is a virtual dataset",
    deep_inside: "a/b/c/x is a soft link to /a",
    a_name_of_two_lines: r"'x\\ny' is a soft link to '/\\x1b\[31m'",
}


@pytest.mark.parametrize("make", LEADS_OUT, ids=lambda make: make.__name__)
def test_what_leads_out_is_named_and_not_followed(tmp_path: Path, make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with h5py.File("a.h5", "w") as file:
        make(file, tmp_path)
    with pytest.raises(enclosed.LeadsOutError, match=f"^a.h5: {LEADS_OUT[make]}; fashret reads only what is") as error:
        hdf5.open_any(Path("a.h5"))
    assert "\n" not in str(error.value)


def test_many_are_not_all_named(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for i in range(200):
            file[f"x{i:03}"] = h5py.SoftLink("/y")
    with pytest.raises(enclosed.LeadsOutError, match=r"x002 is a soft link to /y; …; fashret reads only"):
        hdf5.open_any(tmp_path / "a.h5")


def test_what_is_in_the_file_may_have_several_names_and_form_circles(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a/x"] = np.arange(3)
        file["y"], file["a/b/again"], file["type"] = file["a/x"], file["a"], np.dtype("f4")
    with hdf5.open_any(tmp_path / "a.h5") as file:
        assert file["a/b/again/b/again/x"][:].tolist() == file["y"][:].tolist() == [0, 1, 2]


def test_more_objects_than_a_real_file_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for i in range(30):
            file.create_group(f"wide/{i}")
        group = file.create_group("deep")
        for _ in range(30):
            group = group.create_group("g")
    hdf5.open_any(tmp_path / "a.h5").close()
    monkeypatch.setattr(enclosed, "MOST_OBJECTS", 61)
    with pytest.raises(FashretError, match="a.h5: holds more than 61 objects"):
        hdf5.open_any(tmp_path / "a.h5")


@pytest.mark.parametrize(("shape", "kind"), [((2**40, 2**10), "f4"), ((2**29,), "u1"), ((3,), "S200000000")])
def test_more_bytes_than_a_file_can_hold(tmp_path: Path, shape: tuple[int, ...], kind: str) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", shape, kind, chunks=tuple(min(n, 64) for n in shape), compression="gzip")
    with pytest.raises(FashretError, match="a.h5: x claims [0-9,]+ bytes in a file of [0-9,]+; make or copy it again"):
        hdf5.open_any(tmp_path / "a.h5")


def test_what_compresses_well_is_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("zeros", data=np.zeros(50_000_000, np.uint8), compression="gzip")
    with hdf5.open_any(tmp_path / "a.h5") as file:
        assert len(file["zeros"]) == 50_000_000
