"""Photos to search for: a folder, a table, a text file; what is none of them is one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from fashret.errors import FashretError
from fashret.files.tables.photo_lists import read_photos
from tests.dataset_case import photo, plain, write


def test_a_folder_gives_all_its_photos(tmp_path: Path) -> None:
    for name in ("a.png", "p/street/b.png", "p/shop/c.png", "d/e.png"):
        photo(tmp_path / name)
    write(tmp_path / "notes.txt", "x")
    listing = read_photos(tmp_path)
    assert listing.rows.source.tolist() == ["a.png", "d/e.png", "p/shop/c.png", "p/street/b.png"]
    assert [(each.ending, each.count) for each in listing.left_out] == [(".txt", 1)]


def test_a_table_needs_no_products_and_may_have_boxes(tmp_path: Path) -> None:
    path = write(tmp_path / "list.csv", "image,x1,y1,x2,y2\nb.png,1,2,3,4\na.png,,,,\nb.png,1,2,3,4\nb.png,,,,\n")
    listing = read_photos(path)
    assert [row[:3] for row in plain(listing.rows)] == [
        ("b.png", (1, 2, 3, 4), ""),
        ("a.png", None, ""),
        ("b.png", None, ""),
    ]
    assert listing.repeats == 1 and listing.root == tmp_path
    with pytest.raises(FashretError, match=r"lacks the column image \(path of the photo\); it has product"):
        read_photos(write(tmp_path / "none.csv", "product\na\n"))


def test_a_parquet_table(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(pa.table({"image": ["b.png", "a.png"]}), tmp_path / "a.parquet")
    assert read_photos(tmp_path / "a.parquet").rows.source.tolist() == ["b.png", "a.png"]


def test_a_text_file_has_a_path_per_line(tmp_path: Path) -> None:
    inside = tmp_path / "dir/d.png"
    path = write(tmp_path / "list.txt", f"\ufeffb c,d.png\r\n\n  ./a.png  \r\nb c,d.png\n{inside}\n")
    listing = read_photos(path)
    assert listing.rows.source.tolist() == ["b c,d.png", "a.png", "dir/d.png"]
    assert listing.repeats == 1 and listing.name == "list" and listing.files == (path,)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a.png\n../b.png\n", "list, line 2: "),
        ("a.png\n\n/etc/passwd\n", "list, line 3: photo '/etc/passwd': is not inside"),
        ("https://a.org/b.jpg\n", "list, line 1: photo .* is not fetched"),
        ("\n \n", "names no photo; give a folder of photos, a table"),
        ("", "names no photo"),
        ("a\0b.png", "is no UTF-8 text; give a folder"),
    ],
)
def test_what_is_no_list_is_one_line(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(FashretError, match=message) as caught:
        read_photos(write(tmp_path / "list", content))
    assert "\n" not in str(caught.value)


def test_other_files_are_no_lists(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"\xe4.png\n")
    photo(tmp_path / "photo.png")
    for name in ("latin", "photo.png"):
        with pytest.raises(FashretError, match="is no UTF-8 text"):
            read_photos(tmp_path / name)
    with pytest.raises(FashretError, match="no such file"):
        read_photos(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FashretError, match="no photo in this folder"):
        read_photos(tmp_path / "empty")
