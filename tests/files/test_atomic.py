"""Output appears under its final name only once it is complete, and what cannot be written is one line."""

from __future__ import annotations

import errno
import os
import re
from functools import partial
from pathlib import Path

import pytest

import fashret
from fashret.errors import FashretError
from fashret.files.atomic import check_output, output_errors, partial_path, whole_file, whole_folder
from fashret.options import DemoOptions
from fashret.report.page import check_folder
from fashret.stages import demo
from tests.files.test_models import full_disk


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_there_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    partial_path(path).write_text("left by a kill")
    with whole_file(path) as part:
        assert names(tmp_path) == ["a.csv.lock"]
        part.write_text("one")
        assert names(tmp_path) == ["a.csv.lock", "a.csv.partial"]
    assert path.read_text() == "one" and names(tmp_path) == ["a.csv"]


def test_an_error_leaves_the_file_before(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt), whole_file(path) as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "before" and names(tmp_path) == ["a.csv"]


def test_the_bytes_are_on_the_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, seen = tmp_path / "a.csv", []
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append((os.fstat(descriptor).st_size, path.exists())))
    with whole_file(path) as part:
        part.write_text("one")
    assert seen == [(3, False)]


def test_a_file_that_nobody_wrote_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FashretError, match=r"a\.csv: cannot be written \(No such file"), whole_file(tmp_path / "a.csv"):
        pass
    assert names(tmp_path) == []


@pytest.mark.parametrize("before", ["nothing", "an empty folder", "a full folder"])
def test_a_folder_is_there_when_it_is_complete(tmp_path: Path, before: str) -> None:
    path = tmp_path / "report"
    partial_path(path).mkdir()
    (partial_path(path) / "left by a kill").touch()
    if before != "nothing":
        path.mkdir()
    if before == "a full folder":
        (path / "old").touch()
    with whole_folder(path) as part:
        assert names(part) == []
        (part / "new").touch()
        assert before != "a full folder" or names(path) == ["old"]
    assert names(path) == ["new"] and names(tmp_path) == ["report"]


def test_an_error_leaves_the_folder_before(tmp_path: Path) -> None:
    path = tmp_path / "report"
    path.mkdir()
    (path / "old").touch()
    with pytest.raises(ZeroDivisionError), whole_folder(path) as part:
        (part / "new").touch()
        raise ZeroDivisionError
    assert names(path) == ["old"] and names(tmp_path) == ["report"]


def test_a_folder_that_cannot_take_its_place_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, replace = tmp_path / "report", os.replace

    def refuse(source: Path, target: Path) -> None:
        if source == partial_path(path):
            raise OSError(errno.EBUSY, "Device or resource busy", str(target))
        replace(source, target)

    path.mkdir()
    (path / "old").touch()
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(FashretError, match="report: cannot be written .*busy"), whole_folder(path) as part:
        (part / "new").touch()
    assert names(path) == ["old"] and names(tmp_path) == ["report"]


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    with full_disk(1000), pytest.raises(FashretError, match="the disk is full"), whole_file(tmp_path / "a") as part:
        part.write_bytes(bytes(2000))
    with full_disk(1000), pytest.raises(FashretError, match="the disk is full"), whole_folder(tmp_path / "b") as part:
        (part / "c").write_bytes(bytes(2000))
    assert names(tmp_path) == []


def test_only_what_concerns_the_output_is_blamed_on_it(tmp_path: Path) -> None:
    output = tmp_path / "a.h5"
    for name in (None, str(output), output, str(partial_path(output)), str(partial_path(output) / "thumbs/1.jpg")):
        with pytest.raises(FashretError, match=r"a\.h5: cannot be written \(Is a directory\)"), output_errors(output):
            raise OSError(errno.EISDIR, "Is a directory", name)
    for name in (str(tmp_path / "a.h5.old"), str(tmp_path), 3):
        with pytest.raises(IsADirectoryError), output_errors(output):
            raise OSError(errno.EISDIR, "Is a directory", name)


def test_no_output_replaces_an_input(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    check_output(path, path)  # is not there yet
    path.touch()
    check_output(path, None, tmp_path / "b.h5")
    check_output(tmp_path / "b.h5", path)
    with pytest.raises(FashretError, match="would overwrite its own input; choose another output"):
        check_output(path, None, str(path))


def test_an_output_that_leads_to_itself_is_refused(tmp_path: Path) -> None:
    for name in ("a.h5", "folder"):
        (tmp_path / name).symlink_to(name)
        with pytest.raises(FashretError, match=f"{name}: is a link that leads to itself; remove it or give another"):
            check_output(tmp_path / name)
    for make in (check_folder, partial(demo.run, options=DemoOptions())):
        with pytest.raises(FashretError, match="is a link that leads to itself"):
            make(tmp_path / "folder")


def test_no_other_module_renames_its_output() -> None:
    """What is written under another name and renamed goes through `atomic`; layouts.py moves photos that it drew."""
    package = Path(fashret.__file__).parent
    renames = re.compile(r"os\.replace|os\.rename|\.rename\(|shutil\.move|\.partial\b|partial\.replace")
    found = {p.relative_to(package).as_posix() for p in package.rglob("*.py") if renames.search(p.read_text("utf-8"))}
    assert found == {"files/atomic.py", "demo/layouts.py"}
