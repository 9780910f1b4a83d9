"""Rows become photos with their boxes, upright and inside; what cannot be used is counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from fashret.detection.boxed_photos import (
    CUT,
    MISSING,
    UNREADABLE,
    WITHOUT_AREA,
    WITHOUT_BOX,
    WITHOUT_CLASS,
    annotated_in_part,
    boxed_photos,
    classes_of,
)
from fashret.files.columns import Rows, text_array
from fashret.files.photos.sources import PhotoFolder

NONE = (np.nan,) * 4


def rows_of(entries: list[tuple[str, tuple[float, ...], int]]) -> Rows:
    count = len(entries)
    return Rows(
        text_array(source for source, _, _ in entries),
        np.array([box for _, box, _ in entries], np.float32).reshape(-1, 4),
        text_array([""] * count),
        np.zeros(count, np.uint8),
        np.zeros(count, np.uint8),
        np.array([category for _, _, category in entries], np.int16),
        ("bags", "tops"),
    )


def save(folder: Path, name: str, size: tuple[int, int] = (40, 30), orientation: int = 1) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", size, "white").save(folder / name, exif=exif)


def test_boxes_of_a_photo_are_together_in_the_order_of_their_rows(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        save(tmp_path, name)
    rows = rows_of([("a.png", (0, 0, 9, 9), 1), ("b.png", (1, 1, 5, 5), 0), ("a.png", (2, 2, 8, 8), 0)])
    photos, left_out = boxed_photos(rows, PhotoFolder(tmp_path), rows.category.astype(np.int64))
    assert photos.source.tolist() == ["a.png", "b.png"] and photos.first.tolist() == [0, 2, 3] and not left_out
    assert photos.box.tolist() == [[0, 0, 9, 9], [2, 2, 8, 8], [1, 1, 5, 5]]
    assert photos.label.tolist() == [1, 0, 0] and photos.row.tolist() == [0, 2, 1]
    assert photos.size.tolist() == [[40, 30]] * 2
    taken = photos.take(np.array([1]))
    assert taken.source.tolist() == ["b.png"] and taken.box.tolist() == [[1, 1, 5, 5]] and taken.row.tolist() == [1]
    assert len(photos.take(np.empty(0, np.int64))) == 0
    assert not annotated_in_part(photos) and annotated_in_part(taken)


def test_what_cannot_be_used_is_counted(tmp_path: Path) -> None:
    save(tmp_path, "a.png")
    (tmp_path / "no.png").write_bytes(b"nothing")
    good = (0, 0, 9, 9)
    rows = rows_of(
        [("a.png", good, 0), ("a.png", NONE, 0), ("a.png", good, -1), ("gone.png", good, 0), ("no.png", good, 0),
         ("a.png", (5, 5, 5, 9), 0), ("a.png", (50, 5, 60, 9), 0), ("a.png", (30, 20, 60, 60), 0),
         ("a.png", (9, 9, 2, 2), 0)]
    )  # fmt: skip
    photos, left_out = boxed_photos(rows, PhotoFolder(tmp_path), rows.category.astype(np.int64))
    counts = {WITHOUT_BOX: 1, WITHOUT_CLASS: 1, MISSING: 1, UNREADABLE: 1, WITHOUT_AREA: 3, CUT: 1}
    assert dict(left_out) == counts
    assert photos.box.tolist() == [[0, 0, 9, 9], [30, 20, 40, 30]] and photos.row.tolist() == [0, 7]


def test_boxes_are_in_pixels_of_the_upright_photo(tmp_path: Path) -> None:
    save(tmp_path, "turned.jpg", (40, 30), 6)
    rows = rows_of([("turned.jpg", (0, 20, 10, 30), 0)])  # at the left and the bottom, as stored
    photos, _ = boxed_photos(rows, PhotoFolder(tmp_path), rows.category.astype(np.int64))
    assert photos.size.tolist() == [[30, 40]] and photos.box.tolist() == [[0, 0, 10, 10]]


def test_one_class_is_garment_whatever_the_category() -> None:
    rows = rows_of([("a.png", NONE, 1), ("b.png", NONE, -1)])
    names, label = classes_of(rows, one_class=True)
    assert names == ("garment",) and label.tolist() == [0, 0]
    names, label = classes_of(rows, one_class=False)
    assert names == ("bags", "tops") and label.tolist() == [1, -1]


def test_the_digest_sees_boxes_and_classes(tmp_path: Path) -> None:
    save(tmp_path, "a.png")
    digests = set()
    for box, category in (((0, 0, 9, 9), 0), ((0, 0, 9, 8), 0), ((0, 0, 9, 9), 1)):
        rows = rows_of([("a.png", box, category)])
        digests.add(boxed_photos(rows, PhotoFolder(tmp_path), rows.category.astype(np.int64))[0].digest)
    assert len(digests) == 3
