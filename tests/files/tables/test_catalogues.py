"""Anybody's catalogue as a folder, and the door to both."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashret.datasets import readers
from fashret.errors import FashretError
from fashret.files.crops import open_crops
from fashret.files.photos import kinds as photo_kinds
from fashret.files.photos.kinds import EXTENSIONS
from fashret.files.tables.catalogues import MOST_KINDS, is_catalogue, read_catalogue, read_folder
from fashret.files.tables.manifests import LeftOut, counts_of
from fashret.options import CropOptions
from fashret.stages import crop
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
    with pytest.raises(FashretError, match="no photo in this folder or below; it holds nothing$"):
        read_folder(tmp_path)
    for i in range(3):
        write(tmp_path / f"{i}.txt", "")
    with pytest.raises(FashretError, match=r"it holds 3 \.txt \(no photo\)$"):
        read_folder(tmp_path)


SYSTEM = (".ipynb_checkpoints", "@eaDir", ".Trash-1000", ".git", "__MACOSX", "$RECYCLE.BIN")
SYSTEM = (*SYSTEM, "System Volume Information")


def test_folders_of_systems_and_programs_are_skipped_and_counted(tmp_path: Path) -> None:
    for folder in ("good", "good/deep", *SYSTEM, *(f"good/{name}" for name in SYSTEM)):
        photo(tmp_path / folder / "a.jpg")
    listing = read_folder(tmp_path)
    assert listing.rows.source.tolist() == ["good/a.jpg", "good/deep/a.jpg"]
    assert listing.left_out == (LeftOut("folder", "hidden, or of a system", 14, "$RECYCLE.BIN"),)
    assert read_folder(tmp_path / "@eaDir").rows.source.tolist() == ["a.jpg"]  # asked for by its name


def test_contents_decide_where_the_ending_does_not(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    for name in ("b.jpg_large", "c", "d.jpg-large", "e.txt", "f.PHOTO"):
        (tmp_path / name).write_bytes(data)
    for name in ("notes.txt", "more.txt", "film.mp4", "Thumbs.db"):
        (tmp_path / name).write_bytes(b"II is not TIFF")
    (tmp_path / "raw.dng").write_bytes(b"II*\0")
    (tmp_path / ".DS_Store").write_bytes(data)
    (tmp_path / "._a.jpg").write_bytes(data)
    (tmp_path / "empty").touch()
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    listing = read_folder(tmp_path)
    assert listing.rows.source.tolist() == ["a.jpg", "b.jpg_large", "c", "d.jpg-large", "e.txt", "f.PHOTO"]
    assert counts_of(listing.left_out) == {
        ".txt (no photo)": 2,
        "no ending (no photo)": 2,
        ".db (no photo)": 1,
        ".dng (camera raw, of which no picture is made here)": 1,
        ".jpg (hidden)": 1,
        ".mp4 (no photo)": 1,
        "no ending (cannot be read (No such file or directory))": 1,
        "no ending (hidden)": 1,
    }
    summary = crop.run(str(tmp_path), tmp_path / "out.h5", CropOptions())
    assert (summary.crops, summary.failed) == (6, 0) and summary.left_out == counts_of(listing.left_out)
    lines = [json.loads(line) for line in (tmp_path / "out.h5.errors.jsonl").read_text().splitlines()]
    assert {"source": "film.mp4", "status": "left out", "reason": "no photo", "ending": ".mp4", "files": 1} in lines
    assert len(lines) == 8


def test_very_many_endings_are_counted_as_others(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    for i in range(MOST_KINDS + 5):
        (tmp_path / f"a.{i:03}").write_bytes(b"")
    left_out = read_folder(tmp_path).left_out
    assert len(left_out) == MOST_KINDS + 1 and left_out[-1] == LeftOut("other", "no photo", 5, "a.020")


def heic(path: Path, colour: str) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(Image.new("RGB", (64, 48), colour)).save(path)


def test_heic_is_read_with_the_extra(tmp_path: Path) -> None:
    heic(tmp_path / "a.heic", "red")
    heic(tmp_path / "b.jpg", "blue")  # as some programs name it
    heic(tmp_path / "c", "lime")
    summary = crop.run(str(tmp_path), tmp_path / "out.h5", CropOptions(encoding="raw", size=8))
    assert (summary.crops, summary.failed, summary.left_out) == (3, 0, {})
    with open_crops(tmp_path / "out.h5") as found:
        for row, colour in enumerate([(255, 0, 0), (0, 0, 255), (0, 255, 0)]):
            assert np.abs(found.image(row)[3, 3].astype(int) - colour).max() < 6


def test_heic_without_the_extra_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a.heic", "b.HEIF", "c"):
        heic(tmp_path / name, "red")
    monkeypatch.setattr(photo_kinds, "reads_heif", lambda: False)
    with pytest.raises(FashretError, match=r"no photo .* 1 \.heic \(HEIC needs the extra heif: pip install 'fashret"):
        read_folder(tmp_path)
    photo(tmp_path / "d.jpg")
    heic(tmp_path / "e.jpg", "red")
    summary = crop.run(str(tmp_path), tmp_path / "out.h5", CropOptions(max_errors=0.5))
    assert "3 photos are left out: HEIC needs the extra heif: pip install 'fashret[heif]'" in caplog.text
    assert (summary.crops, summary.failed, sum(summary.left_out.values())) == (1, 1, 3)
    reasons = [json.loads(line)["reason"] for line in (tmp_path / "out.h5.errors.jsonl").read_text().splitlines()]
    assert set(reasons) == {photo_kinds.NEEDS_HEIF}


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
