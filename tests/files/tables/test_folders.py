"""Files of a folder: links once, what belongs to systems and programs left out."""

from __future__ import annotations

from pathlib import Path

from fashret.files.tables.folders import FolderContent, list_files


def files(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_files_in_order_and_folders_left_out(tmp_path: Path) -> None:
    files(tmp_path, "b", "a/c", "a/.hidden", ".git/x", "a/@EADIR/y", "a/.d/e/f")
    found = list_files(tmp_path)
    assert found.files == ["a/.hidden", "a/c", "b"] and found.again == 0
    assert set(found.left_out) == {".git", "a/@EADIR", "a/.d"}
    assert list_files(tmp_path / "a/.d") == FolderContent(["e/f"])  # the root may be anything


def test_each_folder_is_listed_once_under_its_own_path(tmp_path: Path) -> None:
    files(tmp_path, "root/z/a", "far/b")
    (tmp_path / "root/a").symlink_to(tmp_path / "root/z")
    (tmp_path / "root/z/up").symlink_to(tmp_path / "root")
    (tmp_path / "root/far").symlink_to(tmp_path / "far")
    assert list_files(tmp_path / "root") == FolderContent(["far/b", "z/a"], {}, 2)
