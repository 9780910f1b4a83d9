"""The photos that a table names: inside the root, however they are written, and what to do where they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from fashret.errors import FashretError
from fashret.files.tables.photo_column import photo_paths


def where(row: int) -> str:
    return f"t.csv, line {row + 2}"


def test_absolute_paths_inside_the_root_start_from_it(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "shop")
    cells = [f"{tmp_path}/shop/a.jpg", f"{tmp_path}/shop//b.jpg", "c.jpg", "./d.jpg"]
    assert photo_paths(cells, tmp_path / "shop", where) == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    assert photo_paths(cells[:2], tmp_path / "link", where) == ["a.jpg", "b.jpg"]
    assert photo_paths(["/shop/a.jpg"], Path("/"), where) == ["shop/a.jpg"]


def test_absolute_paths_elsewhere_name_a_root_that_would_do(tmp_path: Path) -> None:
    with pytest.raises(FashretError) as caught:
        photo_paths(["/shop/2024/a.jpg", "/shop/2025/b.jpg"], tmp_path, where)
    assert str(caught.value).startswith("t.csv, line 2: photo '/shop/2024/a.jpg': is not inside the root")
    assert str(caught.value).endswith("pass the folder that holds all photos: --root /shop")
    assert photo_paths(["/shop/2024/a.jpg", "/shop/2025/b.jpg"], Path("/shop"), where) == ["2024/a.jpg", "2025/b.jpg"]
    with pytest.raises(FashretError, match="line 3: photo '/a.jpg': .*; give all paths relative to one folder"):
        photo_paths(["a.jpg", "/a.jpg"], tmp_path, where)


@pytest.mark.parametrize("path", ["../a.jpg", "/shop/../a.jpg", "/shop/a/../../b.jpg", "C:\\a.jpg", "a\\..\\..\\b.jpg"])
def test_nothing_leaves_the_root(path: str) -> None:
    with pytest.raises(FashretError, match="paths must be relative to the root and stay inside it; pass a folder"):
        photo_paths([path], Path("/shop"), where)


@pytest.mark.parametrize("cell", [None, "", "  ", float("nan"), "NaN"])
def test_a_row_without_a_photo_says_what_to_do(cell: object) -> None:
    with pytest.raises(FashretError, match="^t.csv, line 3: the column image is empty; name the row's photo, or leave"):
        photo_paths(["a.jpg", cell], Path("/shop"), where)


def test_an_address_is_not_fetched() -> None:
    with pytest.raises(FashretError, match="is not fetched; download the photos first"):
        photo_paths(["https://example.org/a.jpg"], Path("/shop"), where)
