"""What crops were cut from: the same digest for the same photo and box, changes found, columns read again."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.files.origins import (
    UNKNOWN,
    DigestedPhotos,
    Origins,
    changed_photos,
    crop_digest,
    in_words,
    photo_digest,
    read_origins,
    stamps_of,
)
from fashret.files.photos.sources import PhotoFolder
from tests.conftest import make_rows

NAN = np.full(4, np.nan, np.float32)
BOX = np.array([1, 2, 3, 4], np.float32)


def test_a_digest_is_of_the_photo_and_the_box() -> None:
    one, other = photo_digest(b"one"), photo_digest(b"other")
    digests = {crop_digest(photo, box) for photo in (one, other) for box in (NAN, BOX, BOX + 1)}
    assert len(digests) == 6 and crop_digest(photo_digest(b"one"), BOX.copy()) in digests


def test_columns_are_read_again_and_a_file_without_them_knows_nothing(tmp_path: Path) -> None:
    origins = Origins(np.array(["xxh3:00", "", "xxh3:é"], object), np.arange(6).reshape(3, 2))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        assert read_origins(file, 3).content.tolist() == ["", "", ""] and not read_origins(file, 3).stamp.any()
        origins.write(file)
        found = read_origins(file, 3)
        assert found.content.tolist() == origins.content.tolist() and (found.stamp == origins.stamp).all()
        with pytest.raises(FashretError, match="content should be one text per row"):
            read_origins(file, 4)
        del file["content"], file["photo_stamp"]
        file["photo_stamp"] = np.zeros((3, 3))
        with pytest.raises(FashretError, match="photo_stamp should be N×2 whole numbers"):
            read_origins(file, 3)
        file["content"] = np.arange(3)
        with pytest.raises(FashretError, match="content should be text"):
            read_origins(file, 3)


def test_logs_keep_an_origin_of_a_row() -> None:
    digest = photo_digest(b"one")
    origins = Origins(Origins.unknown(3).content, np.array([[5, 6], [7, 8], [9, 10]]))
    found = Origins.unknown(3).replaced(np.array([1, 2]), [origins.packed(1, digest), b""])
    assert found.content.tolist() == ["", in_words(digest), ""] and found.stamp.tolist() == [[0, 0], [7, 8], [0, 0]]
    assert found.take(np.array([1, -1])).content.tolist() == [in_words(digest), ""]


def test_photos_leave_their_digest_when_they_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"one")
    photos = DigestedPhotos(PhotoFolder(tmp_path))
    assert photos.digest_of("a.jpg", BOX) == UNKNOWN and photos.present(["a.jpg", "b.jpg"]).tolist() == [True, False]
    assert photos.read("a.jpg") == b"one"
    assert photos.digest_of("a.jpg", BOX) == crop_digest(photo_digest(b"one"), BOX)
    assert photos.digest_of("b.jpg", BOX) == UNKNOWN and not photos.digests  # nothing is kept that is done


def test_what_has_changed_is_read_only_where_size_or_time_differ(tmp_path: Path) -> None:
    names = ["same", "touched", "other", "hidden", "gone", "untold"]
    rows = make_rows(6, source=np.array(names, object))
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    photos = PhotoFolder(tmp_path)
    stamp = stamps_of(photos, rows.source)
    content = [in_words(crop_digest(photo_digest(name.encode()), NAN)) for name in names[:5]] + [""]
    before = Origins(np.array(content, object), stamp)
    os.utime(tmp_path / "touched", ns=(7, 7))
    (tmp_path / "other").write_bytes(b"rehto")
    os.utime(tmp_path / "other", ns=(7, 7))
    (tmp_path / "hidden").write_bytes(b"neddih")
    os.utime(tmp_path / "hidden", ns=(0, int(stamp[3, 1])))
    (tmp_path / "gone").unlink()
    now = stamps_of(photos, rows.source)
    assert now[4].tolist() == [0, 0] and now[1].tolist() == [7, 7]
    read: list[str] = []

    class Watched(PhotoFolder):
        def read(self, source: str) -> bytes:
            read.append(source)
            return super().read(source)

    changed = changed_photos(Watched(tmp_path), rows, before, now, verify=False)
    assert [name for name, is_so in zip(names, changed, strict=True) if is_so] == ["other", "gone"]
    assert read == ["touched", "other", "gone"]
    changed = changed_photos(photos, rows, before, now, verify=True)
    assert [name for name, is_so in zip(names, changed, strict=True) if is_so] == ["other", "hidden", "gone", "untold"]
