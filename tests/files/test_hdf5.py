"""HDF5 files: damage is one line, attributes as anybody writes them, output complete or not at all."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import fashret
from fashret.cli import app
from fashret.errors import FashretError
from fashret.files import atomic, crops, embeddings, hdf5, rankings
from tests.conftest import make_rows, write_crops, write_embeddings


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    path.write_text("what was there before")
    with pytest.raises(ZeroDivisionError), hdf5.write_whole(path, crops.KIND, 1):
        raise ZeroDivisionError
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"] and path.read_text() == "what was there before"


def broken(tmp_path: Path, how: str) -> Path:
    """One crops file with one thing wrong."""
    path = write_crops(tmp_path / "a.crops.h5", make_rows(40))
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:-4000])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_text("<html>not found</html>")
    elif how == "missing":
        path.unlink()
    elif how == "folder":
        path.unlink()
        path.mkdir()
    else:
        with h5py.File(path, "r+") as file:
            if how == "newer":
                file.attrs["format_version"] = 99
            elif how == "other kind":
                file.attrs["format"] = embeddings.KIND
            elif how == "no kind":
                del file.attrs["format"]
            elif how == "no column":
                del file["product"]
            elif how == "uneven":
                file["role"].resize(3, axis=0)
    return path


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("truncated", "cut off"),
        ("empty", "is an empty file; .* make or copy it again"),
        ("text", "is a web page; the download went wrong"),
        ("missing", "no such file"),
        ("folder", "is a folder"),
        ("newer", "format version 99"),
        ("other kind", "is a fashret.embeddings file, not a fashret.crops file"),
        ("no kind", "an HDF5 file that fashret did not define"),
        ("no column", "lacks product"),
        ("uneven", "differ in length"),
    ],
)
def test_damage_is_one_line(tmp_path: Path, how: str, said: str) -> None:
    path = broken(tmp_path, how)
    with pytest.raises(FashretError, match=said) as caught:
        crops.open_crops(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", ["partial", "spool", "unfinished"])
def test_what_an_interrupted_run_left_is_mentioned(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"a.crops.h5.{ending}").touch()
    with pytest.raises(FashretError, match="interrupted"):
        crops.open_crops(tmp_path / "a.crops.h5")


@pytest.mark.parametrize(
    "change",
    [{"format": np.bytes_(embeddings.KIND)}, {"format_version": np.array([1])}, {"dataset": np.array(["other"], "S5")}],
)
def test_attributes_as_other_software_writes_them(tmp_path: Path, change: dict[str, object]) -> None:
    path = write_embeddings(tmp_path / "a.emb.h5", make_rows(2), np.eye(2, dtype=np.float32))
    with h5py.File(path, "r+") as file:
        file.attrs.update(change)
    assert hdf5.kind_of(path) == embeddings.KIND
    with embeddings.open_embeddings(path) as opened:
        assert opened.dataset == ("other" if "dataset" in change else "test")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("format_version", "x", "has format version x"),
        ("categories", "5", "categories should be a JSON list"),
        ("model", '["x"]', "model should be a JSON dict"),
    ],
)
def test_attributes_that_make_no_sense_are_one_line(tmp_path: Path, name: str, value: str, said: str) -> None:
    path = write_embeddings(tmp_path / "a.emb.h5", make_rows(2), np.eye(2, dtype=np.float32))
    with h5py.File(path, "r+") as file:
        file.attrs[name] = value
    with pytest.raises(FashretError, match=said), embeddings.open_embeddings(path) as opened:
        assert opened.rows and opened.model


def test_an_output_never_replaces_an_input_or_a_device(tmp_path: Path) -> None:
    path, other = tmp_path / "a.csv", tmp_path / "link.csv"
    path.write_text("image\n")
    other.symlink_to(path)
    for output in (path, other):
        with pytest.raises(FashretError, match="would overwrite its own input; choose another output"):
            atomic.check_output(output, None, str(path))
    with pytest.raises(FashretError, match="is not an ordinary file"):
        atomic.check_output(Path("/dev/null"))
    with pytest.raises(FashretError, match="cannot be written .*name too long"):
        atomic.check_output(tmp_path / ("x" * 300))


def test_what_is_read_is_not_blamed_on_what_is_written(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="other"), atomic.output_errors(tmp_path / "a.h5"):
        (tmp_path / "other").read_bytes()


@pytest.mark.parametrize("target", ["missing/a.h5", ".", "file/a.h5"])
def test_an_output_that_cannot_be_is_said_before_the_work(tmp_path: Path, target: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FashretError):
        atomic.check_output(tmp_path / target)


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import numpy as np, sys; from pathlib import Path; from fashret.files import hdf5\n"
        "from fashret.errors import FashretError\n"
        "try:\n"
        "    with hdf5.write_whole(Path(sys.argv[1]), 'fashret.crops', 1) as file:\n"
        "        file['big'] = np.ones(4_000_000, np.uint8)\n"
        "except FashretError as error:\n"
        "    print(error)\n"
    )

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    path = tmp_path / "big.h5"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, preexec_fn=limit)
    assert "disk is full" in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_every_file_is_opened_for_reading_in_one_place() -> None:
    package = Path(fashret.__file__).parent
    opened = [
        (path.relative_to(package).as_posix(), line.strip())
        for path in sorted(package.rglob("*.py"))
        for line in path.read_text("utf-8").splitlines()
        if "h5py.File(" in line and 'driver="core", backing_store=False' not in line  # which is no file
    ]
    assert opened == [
        ("files/hdf5.py", 'file = h5py.File(path, "r")'),
        ("files/hdf5.py", 'with whole_file(path) as part, h5py.File(part, "x") as file:'),
    ]


def test_every_kind_names_the_command_that_makes_it() -> None:
    commands = {c.name or c.callback.__name__ for c in app.registered_commands}  # type: ignore[union-attr]
    assert {crops.KIND, embeddings.KIND, rankings.KIND} == set(hdf5.MAKERS) and set(hdf5.MAKERS.values()) <= commands
