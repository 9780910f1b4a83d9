"""Where photos are: inside of the root, behind links that lead to a file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fashret.errors import FashretError
from fashret.files.photos.sources import PhotoError, PhotoFolder, file_bytes, photo_path
from tests.files.photos.test_cuts import save, scene


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(PhotoError, match="is not a file"):
        file_bytes(tmp_path / "pipe.jpg")


def test_paths_stay_inside_of_the_root(tmp_path: Path) -> None:
    for source in ("../a.jpg", "/a.jpg", "b/../../a.jpg", "b\\..\\a.jpg", "C:/a.jpg", ""):
        with pytest.raises(FashretError):
            photo_path(tmp_path, source)
    assert photo_path(tmp_path, "b/a..jpg") == tmp_path / "b/a..jpg"


def test_links_inside_of_the_root_are_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "root").mkdir()
    save(tmp_path / "elsewhere/a.png", scene(20, 10))
    (tmp_path / "root/link").symlink_to(tmp_path / "elsewhere")
    folder = PhotoFolder(tmp_path / "root")
    assert folder.present(["link/a.png", "link/b.png", "gone/a.png"]).tolist() == [True, False, False]
    assert folder.read("link/a.png")[:4] == b"\x89PNG"


def test_links_that_lead_to_no_file_are_no_photos(tmp_path: Path) -> None:
    save(tmp_path / "a.png", scene(20, 10))
    (tmp_path / "good.png").symlink_to("a.png")
    (tmp_path / "gone.png").symlink_to("nothing.png")
    (tmp_path / "circle.png").symlink_to("circle.png")
    (tmp_path / "folder.png").symlink_to(tmp_path)
    names = ["a.png", "good.png", "gone.png", "circle.png", "folder.png"]
    assert PhotoFolder(tmp_path).present(names).tolist() == [True, True, False, False, False]
