"""Spellings of one photo: the exact name first, one row for each file, a hint where a name is nearly there."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from fashret.datasets.readers import load
from fashret.errors import FashretError, MissingPhotoError
from fashret.files.photos.names import on_disk, one_spelling, photo_path, relative_source, twin
from fashret.files.photos.sources import PhotoFolder
from fashret.options import CropOptions

NFC, NFD = (unicodedata.normalize(form, "é/zoë.jpg") for form in ("NFC", "NFD"))


def files(root: Path, *names: str) -> None:
    """Files of these very names, each holding its name; skips where the file system takes them for the same."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    if any((root / name).read_bytes() != name.encode() for name in names):
        pytest.skip("this file system takes two of these names for one")


@pytest.mark.parametrize(
    "spelling", ["a/b.jpg", "./a/b.jpg", "a//b.jpg", "a/./b.jpg", "././a/.//b.jpg", "a/b.jpg/", "a/b.jpg/."]
)
def test_steps_that_lead_nowhere_are_left_out(spelling: str) -> None:
    assert relative_source(spelling) == "a/b.jpg"


@pytest.mark.parametrize("name", ["a..b/c.jpg", "a./b.jpg", ".a/b.jpg", "...", "a b/c.jpg", "a\\b.jpg"])
def test_other_names_are_left_alone(name: str) -> None:
    assert relative_source(name) == name


@pytest.mark.parametrize(
    "name", [".", "./", "./.", "..\\a.jpg", "a\\..\\..\\b", "\\a.jpg", "a/..", "c:\\a.jpg", "a\0b"]
)
def test_names_that_are_none_or_leave_the_root_are_refused(name: str) -> None:
    with pytest.raises(FashretError, match="photo "):
        relative_source(name)


def test_a_backslash_is_a_letter_where_such_a_file_is_there(tmp_path: Path) -> None:
    files(tmp_path, "a/b.jpg", "a\\b.jpg", "c/d.jpg")
    assert on_disk(tmp_path, "a\\b.jpg") == "a\\b.jpg" and on_disk(tmp_path, "c\\d.jpg") == "c/d.jpg"
    assert photo_path(tmp_path, ".\\c\\\\d.jpg") == tmp_path / "c/d.jpg"
    folder = PhotoFolder(tmp_path)
    assert [folder.read(name) for name in ("a/b.jpg", "a\\b.jpg", "c\\d.jpg")] == [b"a/b.jpg", b"a\\b.jpg", b"c/d.jpg"]
    assert folder.present(["a/b.jpg", "a\\b.jpg", "c\\d.jpg", "c\\e.jpg"]).tolist() == [True, True, True, False]


@pytest.mark.parametrize(("there", "expected"), [
    ([NFC, NFD], {NFC: NFC, NFD: NFD}), ([NFC], {NFC: NFC, NFD: NFC}), ([NFD], {NFC: NFD, NFD: NFD}),
    ([], {NFC: NFC, NFD: NFC}),
])  # fmt: skip
def test_forms_of_a_name_are_one_photo_unless_both_are_there(
    tmp_path: Path, there: list[str], expected: dict[str, str]
) -> None:
    files(tmp_path, *there)
    other = one_spelling(tmp_path, [NFC, NFD, "plain.jpg"])
    assert {name: other.get(name, name) for name in (NFC, NFD)} == expected
    assert one_spelling(tmp_path, [NFD]) == {}  # alone it stays what it is


def test_rows_of_one_photo_under_many_spellings_are_one_row(tmp_path: Path) -> None:
    files(tmp_path, "a.jpg", "b/a.jpg", NFC)
    names = ["./a.jpg", "a.jpg", ".\\a.jpg", "b//a.jpg", "b\\a.jpg", "b/a.jpg", NFC, NFD, NFC.replace("/", "\\")]
    rows = [f"{name},p,{side}" for name, side in zip(names, ["street", "shop"] * 5, strict=False)]
    (tmp_path / "a.csv").write_text("\n".join(["image,product,domain", *rows]) + "\n", encoding="utf-8")
    listing = load(str(tmp_path / "a.csv"), CropOptions())
    assert listing.rows.source.tolist() == ["a.jpg", "b/a.jpg", NFC] and listing.repeats == 6
    assert listing.rows.role.tolist() == [6, 6, 6]  # what all their rows are for


def test_two_files_whose_names_differ_in_form_stay_two_rows(tmp_path: Path) -> None:
    files(tmp_path, NFC, NFD)
    assert sorted(load(str(tmp_path), CropOptions()).rows.source) == sorted([NFC, NFD])


HINTS = [
    ("a/B.JPG", "A/b.jpg", "'a/B.JPG' is there, which differs in case"),
    (NFD, NFC, f"{NFD!r} is there, which differs in the Unicode form of its accents"),
    ("a/b.jpg", "a/c.jpg", ""),
    ("a/b.jpg", "a\\B.jpg", "'a/b.jpg' is there, which differs in case"),
]


@pytest.mark.parametrize(("there", "asked", "hint"), HINTS)
def test_a_missing_photo_that_is_nearly_there_is_hinted_at(tmp_path: Path, there: str, asked: str, hint: str) -> None:
    files(tmp_path, there)
    if (tmp_path / asked).exists():
        pytest.skip("this file system takes the two names for one")
    assert twin(tmp_path, asked) == hint
    with pytest.raises(MissingPhotoError) as error:
        PhotoFolder(tmp_path).read(asked)
    assert str(error.value) == (f"no such photo; {hint}" if hint else "no such photo")


def test_a_hint_knows_files_that_came_later(tmp_path: Path) -> None:
    files(tmp_path, "other.jpg")
    assert twin(tmp_path, "A.jpg") == ""
    files(tmp_path, "a.jpg")
    os.utime(tmp_path, (1, 1))
    assert "'a.jpg' is there" in twin(tmp_path, "A.jpg")


@pytest.mark.parametrize("name", ["x" * 5000, "a/" * 2000 + "b", "é" * 200])
def test_names_that_no_file_can_have_are_missing(tmp_path: Path, name: str) -> None:
    assert twin(tmp_path, name) == "" and one_spelling(tmp_path, [name, name + "\\x"]).keys() <= {name + "\\x"}
