"""Anybody's catalogue as a folder, and the door to both."""

from __future__ import annotations

from pathlib import Path

import pytest

from fashret.datasets import readers
from fashret.errors import FashretError
from fashret.files.catalogues import is_catalogue, read_catalogue, read_folder
from fashret.files.photo_sources import EXTENSIONS
from fashret.options import CropOptions
from tests.dataset_case import photo, plain, write
from tests.datasets.test_street2shop import root as street2shop  # noqa: F401


def test_a_folder_of_products(tmp_path: Path) -> None:
    for name in ("shoe 1/street/b.JPG", "shoe 1/shop/a.jpg", "bags/red/shop/c.png", "bags/red/Street/d.webp"):
        photo(tmp_path / name)
    write(tmp_path / "shoe 1/street/notes.txt", "")
    assert plain(read_folder(tmp_path).rows) == [
        ("bags/red/Street/d.webp", None, "bags/red", "query", "street", ""),
        ("bags/red/shop/c.png", None, "bags/red", "gallery", "shop", ""),
        ("shoe 1/shop/a.jpg", None, "shoe 1", "gallery", "shop", ""),
        ("shoe 1/street/b.JPG", None, "shoe 1", "query", "street", ""),
    ]


def test_photos_outside_of_the_order_are_counted(tmp_path: Path) -> None:
    photo(tmp_path / "p/shop/a.jpg")
    photo(tmp_path / "cover.jpg")
    listing = read_folder(tmp_path)
    assert len(listing.rows) == 1
    assert list(listing.notes.values()) == [1]


def test_a_bare_folder_is_an_unlabelled_gallery(tmp_path: Path) -> None:
    photo(tmp_path / "b/a.jpg")
    photo(tmp_path / "c.jpg")
    photo(tmp_path / ".hidden.jpg")
    assert plain(read_folder(tmp_path).rows) == [
        ("b/a.jpg", None, "", "gallery", "shop", ""),
        ("c.jpg", None, "", "gallery", "shop", ""),
    ]


def test_every_kind_of_photo_is_taken(tmp_path: Path) -> None:
    names = [f"{i:02}{ending}" for i, ending in enumerate(EXTENSIONS)]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "notes.pdf").touch()
    assert read_folder(tmp_path).rows.source.tolist() == names


def test_linked_folders_are_followed(tmp_path: Path) -> None:
    photo(tmp_path / "far/x/a.jpg")
    photo(tmp_path / "far/x/below/b.jpg")
    (tmp_path / "lk").mkdir()
    (tmp_path / "lk/x").symlink_to(tmp_path / "far/x")
    listing = read_folder(tmp_path / "lk")
    assert listing.rows.source.tolist() == ["x/a.jpg", "x/below/b.jpg"] and not listing.notes
    assert listing.photos.present(listing.rows.source).all()


def test_links_in_a_circle_end_and_no_photo_is_listed_twice(tmp_path: Path) -> None:
    root = tmp_path / "root"
    photo(root / "p/shop/a.jpg")
    photo(tmp_path / "far/q/shop/b.jpg")
    (root / "p/self").symlink_to(root)
    (root / "a link").symlink_to(root / "p")
    (root / "far").symlink_to(tmp_path / "far")
    (tmp_path / "far/back").symlink_to(tmp_path)  # holds the root, and far again
    listing = read_folder(root)
    assert listing.rows.source.tolist() == ["far/q/shop/b.jpg", "p/shop/a.jpg"]
    assert listing.notes == {"linked folders left out: listed under another path": 2}


def test_a_folder_without_photos(tmp_path: Path) -> None:
    with pytest.raises(FashretError, match="no photo in this folder or below"):
        read_folder(tmp_path)


def test_a_folder_takes_no_root(tmp_path: Path) -> None:
    with pytest.raises(FashretError, match="is itself the root"):
        readers.load(str(tmp_path), CropOptions(root=tmp_path))


def test_a_catalogue_is_a_table_or_a_folder(tmp_path: Path) -> None:
    table = write(tmp_path / "c.csv", "image,product\na.jpg,p")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"")
    assert [is_catalogue(tmp_path / name) for name in ("c.csv", "photos", "none.PARQUET", "a.h5")] == [True] * 3 + [
        False
    ]
    assert (
        read_catalogue(table).root == tmp_path
        and read_catalogue(table, tmp_path / "photos").root == tmp_path / "photos"
    )
    assert read_catalogue(tmp_path / "photos").rows.source.tolist() == ["a.jpg"]
    with pytest.raises(FashretError, match="photos is itself the root"):
        read_catalogue(tmp_path / "photos", tmp_path)
