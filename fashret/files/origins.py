"""Which photo each row's crop was cut from: optional columns of crops.h5 and embeddings.h5, N each.

    content      utf-8, digest of the crop, `xxh3:<hex>`: of the photo's bytes and of the box; `crop-xxh3:<hex>`: of the
                 stored crop, whose file does not tell of its photo; empty = not known. The same for two crops means
                 that they show the same, whatever their photos are called
    photo_stamp  N×2 int64: size of the photo's file in bytes, and time of its last change in ns; 0 = not known

In: the bytes of photos, or a file with these columns. Out: the columns, and which photos have changed since.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import xxhash
from numpy.typing import NDArray

from fashret.console import counted, log, progress
from fashret.errors import FashretError
from fashret.files import stored
from fashret.files.columns import Rows
from fashret.files.photos.sources import PhotoError, PhotoSource

CONTENT, STAMP = "content", "photo_stamp"
OF_PHOTOS, OF_CROPS = "xxh3", "crop-xxh3"  # kinds of digests
UNKNOWN = bytes(16)  # instead of a digest
PACKED = struct.Struct("<16sqq")  # digest, size, time: the origin of one row in a log


@dataclass(frozen=True)
class Origins:
    """What N crops were cut from; see the module's docstring."""

    content: NDArray[np.object_]
    stamp: NDArray[np.int64]

    @classmethod
    def unknown(cls, count: int) -> Origins:
        """Nothing is known of any row."""
        return cls(np.full(count, "", object), np.zeros((count, 2), np.int64))

    def __len__(self) -> int:
        return len(self.content)

    def take(self, index: NDArray[np.int64]) -> Origins:
        """Those of some rows; −1: of a row of which nothing is known."""
        there = index >= 0
        taken = Origins.unknown(len(index))
        taken.content[there], taken.stamp[there] = self.content[index[there]], self.stamp[index[there]]
        return taken

    def packed(self, row: int, digest: bytes) -> bytes:
        """The origin of one row, whose digest is known now, as logs keep it."""
        return PACKED.pack(digest, *self.stamp[row].tolist())

    def replaced(self, rows: NDArray[np.int64], packed: Iterable[bytes]) -> Origins:
        """With the origins of some rows as logs keep them; b"" = not known."""
        new = Origins(self.content.copy(), self.stamp.copy())
        for row, data in zip(rows, packed, strict=True):
            digest, size, time = PACKED.unpack(data) if data else (UNKNOWN, 0, 0)
            new.content[row], new.stamp[row] = in_words(digest), (size, time)
        return new

    def write(self, file: h5py.File) -> None:
        """Write both columns."""
        file.create_dataset(CONTENT, data=self.content, dtype=h5py.string_dtype("utf-8"))
        file.create_dataset(STAMP, data=self.stamp)


def read_origins(file: h5py.File, count: int) -> Origins:
    """The columns of a file of `count` rows; a column that it lacks is not known.

    Raises
    ------
    FashretError
        If one is of another type or length.
    """
    origins = Origins.unknown(count)
    if CONTENT in file:
        shape = getattr(file[CONTENT], "shape", None)
        if shape != (count,):
            raise FashretError(f"{file.filename}: {CONTENT} should be one text per row and is of shape {shape}")
        origins = Origins(stored.read_text(file, CONTENT), origins.stamp)
    if STAMP in file:
        stamp = stored.read(file, STAMP)
        if stamp.shape != (count, 2) or stamp.dtype.kind not in "iu":
            kind = f"{stamp.dtype} of shape {stamp.shape}"
            raise FashretError(f"{file.filename}: {STAMP} should be N×2 whole numbers and is {kind}")
        origins = Origins(origins.content, stamp.astype(np.int64))
    return origins


def photo_digest(data: bytes) -> bytes:
    """What tells the bytes of a photo from others: 16 bytes."""
    return xxhash.xxh3_128(data).digest()


def crop_digest(photo: bytes, box: NDArray[np.float32]) -> bytes:
    """What tells a crop from others, from the digest of its photo and its box: 16 bytes."""
    corners = b"" if np.isnan(box).any() else np.asarray(box, "<f4").tobytes()
    return xxhash.xxh3_128(photo + corners).digest()


def in_words(digest: bytes, kind: str = OF_PHOTOS) -> str:
    """A digest as the column holds it; empty if it is not known. Digests of two kinds cannot be compared.

    >>> in_words(bytes(range(16))), in_words(UNKNOWN)
    ('xxh3:000102030405060708090a0b0c0d0e0f', '')
    """
    return f"{kind}:{digest.hex()}" if digest != UNKNOWN else ""


def comparable(contents: Iterable[str]) -> bool:
    """Whether all are known, and digests of one kind.

    >>> comparable(["xxh3:1", "xxh3:2"]), comparable(["xxh3:1", "crop-xxh3:1"]), comparable(["xxh3:1", ""])
    (True, False, False)
    """
    known = list(contents)
    return all(known) and len({content.rpartition(":")[0] for content in known}) <= 1


class DigestedPhotos:
    """Photos that leave their digest when they are read; safe to use from several threads."""

    def __init__(self, photos: PhotoSource) -> None:
        self.photos = photos
        self.digests: dict[str, bytes] = {}  # by source, of the photos that may still be asked for
        self.last = ""

    def read(self, source: str) -> bytes:
        """The encoded photo. Raises PhotoError."""
        data = self.photos.read(source)
        self.digests[source] = photo_digest(data)
        return data

    def present(self, sources: Iterable[str]) -> NDArray[np.bool_]:
        """Which photos are there, without reading them."""
        return self.photos.present(sources)

    def file_of(self, source: str) -> Path:
        """The file that holds a photo."""
        return self.photos.file_of(source)

    def digest_of(self, source: str, box: NDArray[np.float32]) -> bytes:
        """Digest of a crop whose photo was read, `UNKNOWN` if it was not; crops of one photo are asked for in a row."""
        if source != self.last:
            self.digests.pop(self.last, None)
            self.last = source
        return crop_digest(self.digests[source], box) if source in self.digests else UNKNOWN


def stamps_of(photos: PhotoSource, sources: Iterable[str]) -> NDArray[np.int64]:
    """Size and time of the last change of each photo's file, N×2; 0 where they cannot be told."""
    known: dict[str, tuple[int, int]] = {}
    for source in sources:
        if source not in known:
            known[source] = _stamp(photos, source)
    return np.array([known[source] for source in sources], np.int64).reshape(-1, 2)


def _stamp(photos: PhotoSource, source: str) -> tuple[int, int]:
    try:
        status = photos.file_of(source).stat()
    except (FashretError, OSError, ValueError):
        return 0, 0
    return status.st_size, status.st_mtime_ns


def changed_photos(
    photos: PhotoSource, rows: Rows, before: Origins, now: NDArray[np.int64], verify: bool
) -> NDArray[np.bool_]:
    """Rows whose photo is not what it was `before`, when its digest was known.

    A photo whose stamp, `now`, is that of before is not read, unless all are to be verified; then one whose digest was
    not known has changed too. One that cannot be read has changed.
    """
    changed = np.zeros(len(rows), np.bool_)
    known = before.content != ""
    asked = known if verify else known & ((now != before.stamp).any(axis=1) | (now == 0).any(axis=1))
    changed[~known] = verify
    digests: dict[str, bytes] = {}  # by source: a photo is read once
    with progress(int(asked.sum()), "check", "photos") as advance:
        for row in np.flatnonzero(asked):
            source = rows.source[row]
            if source not in digests:
                digests[source] = _digest_now(photos, source)
            photo = digests[source]
            changed[row] = not photo or in_words(crop_digest(photo, rows.box[row])) != before.content[row]
            advance(1)
    return changed


def warn_of_untold(path: Path, before: Origins, verify: bool) -> None:
    """Say of how many rows a file does not tell whether their photos have changed."""
    untold = int(np.count_nonzero(before.content == ""))
    if untold and not verify:
        log.warning("%s: does not tell whether the photos of %s changed; --verify makes these again",
                    path, counted(untold, "row has", "rows have"))  # fmt: skip


def _digest_now(photos: PhotoSource, source: str) -> bytes:
    try:
        return photo_digest(photos.read(source))
    except PhotoError:
        return b""
