"""Each hostile HDF5 file before every command that could open it: exit code 1, one line, nothing left."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fashret.files import enclosed, json_text
from tests.conftest import invoke
from tests.hostile import files
from tests.hostile.commands import COMMANDS, QUICK
from tests.hostile.files import BULK, CONTENT, LEADS_OUT, UNREADABLE, Target
from tests.hostile.limits import limited, watched

NOT_THERE = (files.missing, files.link_to_itself)  # what is appended to may not be there yet

Fault = Callable[[Target], None]
Commands = dict[str, tuple[str, ...]]
EXTENTS = pytest.mark.parametrize(
    "commands", [pytest.param(QUICK, id="quick"), pytest.param(COMMANDS, id="all", marks=pytest.mark.slow)]
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    files.sound_files(folder)
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the sound files, as the working directory, in which everything has to happen in bounded room."""
    place = tmp_path / "work"
    shutil.copytree(sound, place)
    monkeypatch.chdir(place)
    monkeypatch.setattr(enclosed, "MOST_OBJECTS", 300)
    monkeypatch.setattr(json_text, "LONGEST", 1 << 20)
    with limited():
        yield place


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    return {path.name: (path.lstat().st_size, path.lstat().st_mtime_ns) for path in folder.iterdir()}


def check_refused(command: str, folder: Path) -> str:
    """What a command says about a file that it cannot read."""
    before = contents(folder)
    done = invoke(*command.split())
    assert done.returncode == 1, f"{command}: {done.stdout}{done.stderr}"
    assert done.stdout == "" and done.stderr.count("\n") == 1, f"{command}: {done.stdout}{done.stderr}"
    assert done.stderr.isascii() or done.stderr[:-1].isprintable()
    assert contents(folder) == before, command
    return done.stderr


WRONG = (  # commands that are given another kind of file than they take, or nothing to do
    *(
        "export crops.h5 -o NEW.parquet",
        "crop crops.h5 -o NEW.h5",
        "crop crops.h5 --check",
        "search crops.h5 -o NEW.h5",
    ),
    *("evaluate crops.h5", "export embeddings.h5 -o NEW-coco", "search ranking.h5 -o NEW.h5"),
    *("export ranking.h5 -o NEW-coco", "crop manifest.csv -o crops.h5 --append --max-errors 1"),
)


@pytest.mark.parametrize("kind", COMMANDS)
def test_the_commands_work_on_sound_files(folder: Path, kind: str) -> None:
    for command in COMMANDS[kind]:
        if not command.startswith("train") and command not in WRONG:
            done = invoke(*command.split())
            assert done.returncode == 0, f"{command}: {done.stderr}"
            for path in folder.glob("NEW*"):
                shutil.rmtree(path) if path.is_dir() else os.unlink(path)


@pytest.mark.parametrize("kind", COMMANDS)
@pytest.mark.parametrize("fault", LEADS_OUT, ids=lambda fault: fault.__name__)
def test_what_leads_out_is_named_and_not_followed(folder: Path, fault: Fault, kind: str) -> None:
    target = Target(folder / f"{kind}.h5", kind)
    fault(target)
    names = {files.MAIN[kind], files.OTHER[kind], "columns/price"}
    secrets = [folder / name for name in ("secret.h5", "secret.txt", "pipe") if (folder / name).exists()]
    with watched(*secrets) as opened:
        for command in COMMANDS[kind]:
            said = check_refused(command, folder)
            if command.startswith(f"info {kind}.h5"):
                assert any(f"{name} is " in said for name in names), said
                assert "fashret reads only what is in the file itself" in said
    assert opened == []


@EXTENTS
@pytest.mark.parametrize("kind", COMMANDS)
@pytest.mark.parametrize("fault", UNREADABLE, ids=lambda fault: fault.__name__)
def test_what_cannot_be_read_is_one_line(folder: Path, fault: Fault, kind: str, commands: Commands) -> None:
    target = Target(folder / f"{kind}.h5", kind)
    fault(target)
    for command in commands[kind]:
        if not (fault in NOT_THERE and "--append" in command):
            said = check_refused(command, folder)
            assert len(said) < 600, said


@pytest.mark.slow
@EXTENTS
@pytest.mark.parametrize("kind", COMMANDS)
@pytest.mark.parametrize("fault", BULK, ids=lambda fault: fault.__name__)
def test_much_of_anything_is_read_in_bounded_room(folder: Path, fault: Fault, kind: str, commands: Commands) -> None:
    fault(Target(folder / f"{kind}.h5", kind))
    for command in commands[kind]:
        check_answered(command, folder)


PAIRS = [(kind, fault) for fault in CONTENT for kind in COMMANDS if fault.concerns(kind)]


@pytest.mark.slow
@EXTENTS
@pytest.mark.parametrize(("kind", "fault"), PAIRS, ids=str)
def test_content_that_makes_no_sense_is_one_line_or_does_not_matter(
    folder: Path, fault: Fault, kind: str, commands: Commands
) -> None:
    fault(Target(folder / f"{kind}.h5", kind))
    for command in commands[kind]:
        check_answered(command, folder)


def check_answered(command: str, folder: Path) -> None:
    """A command either does its work or says in one line why it cannot, and leaves nothing then."""
    before = contents(folder)
    done = invoke(*command.split())
    assert done.returncode in (0, 1), f"{command}: {done.stderr}"
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("fashret: ")]
        assert len(lines) == 1 and len(lines[0]) < 1000, f"{command}: {done.stderr}"
        assert contents(folder) == before, command
    for path in folder.glob("NEW*"):
        shutil.rmtree(path) if path.is_dir() else os.unlink(path)


def test_a_watch_sees_what_is_opened(folder: Path) -> None:
    with watched(folder / "secret.txt", folder / "secret.h5") as opened:
        (folder / "secret.txt").read_text()
    assert opened == ["secret.txt"]
