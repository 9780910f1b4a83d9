"""Where caches go: the user's folder, else a private temporary one, else nowhere; never a folder named `~`."""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fashret import caches
from fashret.caches import OTHERS, cache_folder, give_folders_to_libraries, is_writable

NOBODY = 54321  # a user id without a name


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A working directory and a temporary folder that are empty, no home, no name, no variables."""
    for name in ("HOME", "XDG_CACHE_HOME", *OTHERS):
        monkeypatch.delenv(name, raising=False)
    for name in ("temporary", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(pwd, "getpwuid", _no_name)
    caches.cache_folder.cache_clear()
    yield
    caches.cache_folder.cache_clear()


def _no_name(user: int) -> None:
    raise KeyError(user)


def test_a_home_has_the_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(caches.sys, "platform", "linux")
    assert cache_folder() == tmp_path / ".cache/fashret"
    give_folders_to_libraries()
    assert not set(OTHERS) & set(os.environ)


def test_the_folder_of_caches_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert cache_folder() == tmp_path / "caches/fashret"


@pytest.mark.parametrize("home", [None, "", "/", "relative", "/nonexistent", "/proc"])
def test_without_a_home_a_private_temporary_folder_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str | None
) -> None:
    if home is not None:
        monkeypatch.setenv("HOME", home)
    monkeypatch.setenv("TORCH_HOME", "/chosen")
    folder = tmp_path / f"temporary/fashret-{os.getuid()}"
    assert cache_folder() == folder and folder.stat().st_mode & 0o777 == 0o700
    give_folders_to_libraries()
    assert os.environ["MPLCONFIGDIR"] == str(folder / "matplotlib") and os.environ["TORCH_HOME"] == "/chosen"
    assert list((tmp_path / "here").iterdir()) == []
    for name in OTHERS:
        monkeypatch.delenv(name)


def test_a_temporary_folder_that_others_can_write_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / f"temporary/fashret-{os.getuid()}"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    assert cache_folder() is None
    folder.rmdir()
    folder.symlink_to(tmp_path)
    caches.cache_folder.cache_clear()
    assert cache_folder() is None


def test_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/proc")
    assert cache_folder() is None
    give_folders_to_libraries()
    assert not set(OTHERS) & set(os.environ)


def test_a_folder_is_writable_or_not(tmp_path: Path) -> None:
    assert is_writable(tmp_path / "new/one") and (tmp_path / "new/one").is_dir()
    (tmp_path / "file").touch()
    assert not is_writable(tmp_path / "file") and not is_writable(Path("/proc/self/new"))
