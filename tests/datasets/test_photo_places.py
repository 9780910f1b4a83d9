"""Photos by the names that annotations have for them: with their folders, without, with others; several that fit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fashret.datasets.photo_places import photo_places
from fashret.errors import FashretError


@pytest.mark.parametrize(
    ("files", "names", "places"),
    [
        ("a/1.jpg b/1.jpg", "b/1.jpg a/1.jpg", "b/1.jpg a/1.jpg"),
        ("a/1.jpg b/1.jpg 1.jpg", "1.jpg b/1.jpg", "1.jpg b/1.jpg"),
        ("photos/a/1.jpg photos/b/1.jpg", "b/1.jpg", "photos/b/1.jpg"),
        ("photos/a/1.jpg photos/b/1.jpg", "/data/set/b/1.jpg", "photos/b/1.jpg"),
        ("photos/1.jpg", "data/1.jpg 2.jpg data/3.jpg", "photos/1.jpg 2.jpg data/3.jpg"),
        ("val/1.jpg", "train/1.jpg val/1.jpg", "train/1.jpg val/1.jpg"),  # that of train is not there
        ("x/val/1.jpg", "train/1.jpg val/1.jpg", "train/1.jpg x/val/1.jpg"),
        ("a/1.jpg", "1.jpg a/1.jpg", "a/1.jpg a/1.jpg"),  # by two names that are both right
        ("a/11.jpg", "1.jpg", "1.jpg"),
        ("", "a/1.jpg", "a/1.jpg"),
    ],
)
def test_places(tmp_path: Path, files: str, names: str, places: str) -> None:
    make(tmp_path, files)
    assert photo_places(tmp_path, names.split()) == dict(zip(names.split(), places.split(), strict=True))


@pytest.mark.parametrize(
    ("files", "names", "message"),
    [
        ("a/1.jpg b/1.jpg", "1.jpg", "name 1 photos that are not told apart by their folders: '1.jpg' can be 'a"),
        ("a/1.jpg b/1.jpg a/2.jpg b/2.jpg", "1.jpg c/2.jpg a/1.jpg", 'name 2 photos'),
        ("x/a/1.jpg y/a/1.jpg", "a/1.jpg", "'a/1.jpg' can be 'x/a/1.jpg' or 'y/a/1.jpg'"),
        ("photos/1.jpg", "a/1.jpg b/1.jpg", 'name 2 photos that are not told apart by their folders: '),
    ],
)  # fmt: skip
def test_nothing_is_guessed(tmp_path: Path, files: str, names: str, message: str) -> None:
    make(tmp_path, files)
    with pytest.raises(FashretError, match=re.escape(message)) as caught:
        photo_places(tmp_path, names.split())
    assert "\n" not in str(caught.value) and "--root" in str(caught.value)


def make(root: Path, files: str) -> None:
    for name in files.split():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
