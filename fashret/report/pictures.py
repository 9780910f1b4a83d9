"""The pictures behind rows of embeddings: from crops.h5, or cut from the photos again.

In: an open embeddings.h5, and where its pictures are. Out: one H×W×3 uint8 RGB array per row, or a small JPEG.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fashret.errors import FashretError
from fashret.files import crops as crop_files
from fashret.files import hdf5
from fashret.files.crops import Crops, open_crops
from fashret.files.embeddings import Embeddings
from fashret.files.photos.cuts import cut_crops, read_crop
from fashret.files.photos.in_parquet import ParquetPhotos
from fashret.files.photos.sources import photo_path

IN_TABLE = re.compile(r"\.parquet#\d+$")  # a photo in a table
THUMBNAIL = 176  # longer side in pixels, twice what the page shows
QUALITY = 82


class Pictures(Protocol):
    """Where the pictures of one embeddings.h5 come from."""

    def image(self, row: int) -> NDArray[np.uint8]:
        """H×W×3 uint8 RGB picture of a row of the embeddings."""


class CropPictures:
    """Pictures out of a crops.h5, found by crop_id: the file may hold other rows, and in another order."""

    def __init__(self, embeddings: Embeddings, crops: Crops) -> None:
        self.embeddings, self.crops = embeddings, crops

    @cached_property
    def place(self) -> dict[str, int]:
        """crop_id → row of the crops."""
        return {name: i for i, name in enumerate(self.crops.crop_id.tolist())}

    def image(self, row: int) -> NDArray[np.uint8]:
        """H×W×3 uint8 RGB crop of a row of the embeddings; `FashretError` if the crops lack it."""
        name = self.embeddings.crop_id[row]
        if name not in self.place:
            raise FashretError(
                f"{self.crops.path}: has no crop {name}; these are not the crops of {self.embeddings.path}, "
                "give those with --crops"
            )
        return self.crops.image(self.place[name])


class PhotoPictures:
    """Pictures cut from the photos under a folder, or in Parquet tables there."""

    def __init__(self, embeddings: Embeddings, root: Path, size: int = 2 * THUMBNAIL) -> None:
        self.embeddings, self.root, self.size = embeddings, root, size
        self.photos = ParquetPhotos(root) if len(embeddings) and IN_TABLE.search(embeddings.source[0]) else None

    def image(self, row: int) -> NDArray[np.uint8]:
        """H×W×3 uint8 RGB crop of a row, cut from its photo; `FashretError` if that cannot be read."""
        source = self.embeddings.source[row]
        box = self.embeddings.box[row]
        try:
            if self.photos is None:
                return read_crop(photo_path(self.root, source), box, self.size)
            crop = cut_crops(self.photos.read(source), [box], self.size)[0]
            if isinstance(crop, FashretError):
                raise crop
            return crop
        except FashretError as error:
            raise FashretError(f"{self.root / source}: {error}; give its crops.h5 or folder with --crops") from error


@contextmanager
def pictures_of(embeddings: Embeddings, places: Sequence[Path], size: int = 2 * THUMBNAIL) -> Iterator[Pictures]:
    """Find the pictures of an embeddings.h5; their file is open inside the context.

    Parameters
    ----------
    places
        crops.h5 files or folders of photos that the user named; none = the crops.h5 that the embeddings were made
        from, beside them, or the folder of the photos that they were made from.
    size
        Longer side, in pixels, of what is cut from photos; crops have their own.

    Raises
    ------
    FashretError
        If they are not there: asks for --crops.
    """
    for place in places or _beside(embeddings):
        if place.is_dir():
            yield PhotoPictures(embeddings, place, size)
            return
        with open_crops(place) as crops:
            pictures = CropPictures(embeddings, crops)
            if not len(embeddings) or embeddings.crop_id[0] in pictures.place:
                yield pictures
                return
    if places:
        raise FashretError(f"{embeddings.path}: its crops are in none of {', '.join(str(p) for p in places)}")
    if embeddings.root is not None:
        if embeddings.root.is_dir():
            yield PhotoPictures(embeddings, embeddings.root, size)
            return
        raise FashretError(
            f"{embeddings.path}: the folder of its photos is no longer {os.path.normpath(embeddings.root)}; "
            "give it with --crops"
        )
    names = ", ".join(_input_names(embeddings)) or "not recorded"
    raise FashretError(
        f"{embeddings.path.resolve()}: the crops that it was made from ({names}) "
        "are not beside it; give the crops.h5, or the folder of the photos, with --crops"
    )


def _input_names(embeddings: Embeddings) -> list[str]:
    inputs = hdf5.read_json(embeddings.file, "inputs", [])
    return [str(each.get("name", "")) for each in inputs if isinstance(each, dict)]


def _beside(embeddings: Embeddings) -> list[Path]:
    near = [embeddings.path.resolve().parent / Path(name).name for name in _input_names(embeddings) if name]
    return [path for path in near if path.is_file() and _is_crops(path)]


def _is_crops(path: Path) -> bool:
    try:
        return hdf5.kind_of(path) == crop_files.KIND
    except FashretError:
        return False


def thumbnail(image: NDArray[np.uint8], longer_side: int = THUMBNAIL) -> bytes:
    """A small JPEG of an H×W×3 uint8 RGB picture; it is never enlarged."""
    from PIL import Image

    small = Image.fromarray(image)
    small.thumbnail((longer_side, longer_side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=QUALITY, optimize=True)
    return stream.getvalue()
