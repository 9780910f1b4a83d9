"""crops.h5: garments cut out of photos, one row per (photo, box, product).

    images    N × variable-length uint8, encoded JPEG or PNG bytes (`encoding` "jpeg"), or N×H×W×3 uint8 RGB ("raw")
    extent    only in raw files: N×2 uint16, height and width of the crop, at the top left of its H×W frame; the rest of
              the frame is white. Without it every crop fills its frame
    content, photo_stamp  what each crop was cut from (`fashret.files.origins`); may be missing
    and the columns of `fashret.files.columns`
    attributes: those of every file, `encoding`, `size` (longer side in pixels), `dataset`, `categories` (JSON)

In: rows and their images. Out: the file, or its rows and images again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fashret.errors import FashretError, PhotoError
from fashret.files import hdf5, stored
from fashret.files.column_checks import Column, check_columns, check_lengths
from fashret.files.columns import RowFile, Rows, append_columns, create_columns
from fashret.files.photos.decoder import Decoder

KIND = "fashret.crops"
VERSION = 1


class Crops(RowFile):
    """An open crops.h5."""

    kind = KIND
    version = VERSION
    needed = ("images",)

    def check_needed(self) -> None:
        """The images are bytes, or arrays of one size."""
        dataset = self._dataset("images")
        if h5py.check_vlen_dtype(dataset.dtype) == np.uint8 and dataset.ndim == 1:
            return
        if dataset.dtype != np.uint8 or dataset.ndim != 4 or dataset.shape[3] != 3:
            found = f"{dataset.dtype} of shape {dataset.shape}"
            raise FashretError(
                f"{self.path}: images should be N variable-length uint8 or N×H×W×3 uint8 and are {found}"
            )
        if "extent" in self.file:
            check_columns(self.file, {"extent": Column("whole numbers", (2,))})
            check_lengths(self.file, ("images", "extent"))

    @property
    def encoding(self) -> str:
        """ "jpeg" (bytes of any format that Pillow reads) or "raw" (arrays of one size)."""
        return "raw" if self._dataset("images").ndim == 4 else "jpeg"

    @property
    def size(self) -> int:
        """Longer side of the crops in pixels; 0 if the file does not say."""
        return hdf5.setting(self.file, "size", 0)

    @cached_property
    def decoder(self) -> Decoder:
        """What decodes the images, and notes which of them were scaled."""
        return Decoder()

    def images(self, start: int, stop: int) -> list[NDArray[np.uint8]]:
        """Images of the rows start ≤ i < stop as H×W×3 uint8 RGB arrays."""
        images = self.encoded(start, stop)
        if self.encoding == "raw":
            if "extent" not in self.file:
                return list(images)
            extent = stored.read_slice(self.file, "extent", start, stop)
            return [frame[:height, :width] for frame, (height, width) in zip(images, extent, strict=True)]
        return [self.decode(data, start + i) for i, data in enumerate(images)]

    def encoded(self, start: int, stop: int) -> Sequence[NDArray[np.uint8]]:
        """The stored form of rows start ≤ i < stop: bytes as uint8 vectors, or raw H×W×3 arrays."""
        images: Any = stored.read_slice(self.file, "images", start, stop)
        return images

    def decode(self, data: NDArray[np.uint8], row: int) -> NDArray[np.uint8]:
        """Turn the stored form of one image into an H×W×3 uint8 RGB array."""
        if data.ndim == 3:
            return data
        try:
            return self.decoder.whole(data.tobytes())
        except PhotoError as error:
            raise FashretError(f"{self.path}: the image of row {row} {error}; make the file again") from None

    def image(self, row: int) -> NDArray[np.uint8]:
        """Image of one row as an H×W×3 uint8 RGB array."""
        return self.images(row, row + 1)[0]


def open_crops(path: Path | str) -> Crops:
    """Open a crops.h5 for reading.

    Raises
    ------
    FashretError
        If it is missing, damaged, or another kind of file.
    """
    return Crops(path)


def create_crops(
    file: h5py.File, categories: tuple[str, ...], encoding: str, size: int, dataset: str, chunk: int = 4096
) -> None:
    """Create the datasets and attributes of an empty crops.h5 in a new file."""
    raw = encoding == "raw"
    shape: tuple[int, ...] = (size, size, 3) if raw else ()
    kind = np.dtype("uint8") if raw else h5py.vlen_dtype(np.uint8)
    rows_a_chunk = max(1, (1 << 20) // (size * size * 3)) if raw else 64
    file.create_dataset("images", (0, *shape), kind, maxshape=(None, *shape), chunks=(rows_a_chunk, *shape))
    if raw:
        file.create_dataset("extent", (0, 2), np.uint16, maxshape=(None, 2), chunks=(chunk, 2))
    create_columns(file, categories, chunk)
    file.attrs["encoding"] = encoding
    file.attrs["size"] = size
    file.attrs["dataset"] = dataset


def append_crops(file: h5py.File, rows: Rows, images: Sequence[Any]) -> None:
    """Append rows and their images to those that are there.

    Parameters
    ----------
    images
        Encoded bytes (bytes or uint8 vectors) or, in a raw file, H×W×3 uint8 arrays, H, W ≤ size; one per row.
    """
    append_columns(file, rows)
    dataset = file["images"]
    start = len(dataset)
    dataset.resize(start + len(images), axis=0)
    if not len(images):
        return
    if dataset.ndim == 4:
        _append_raw(file, images, start)
        return
    block = np.empty(len(images), dataset.dtype)
    for i, image in enumerate(images):
        block[i] = np.frombuffer(image, np.uint8)
    # not dataset[start:] = block, which fails where all lengths are equal, and where there is one image
    space = dataset.id.get_space()
    space.select_hyperslab((start,), (len(images),))
    dataset.id.write(h5py.h5s.create_simple((len(images),)), space, block, h5py.h5t.py_create(dataset.dtype))


def _append_raw(file: h5py.File, images: Sequence[NDArray[np.uint8]], start: int) -> None:
    frames = np.full((len(images), *file["images"].shape[1:]), 255, np.uint8)
    for frame, image in zip(frames, images, strict=True):
        frame[: image.shape[0], : image.shape[1]] = image
    file["images"][start:] = frames
    file["extent"].resize(start + len(images), axis=0)
    file["extent"][start:] = [image.shape[:2] for image in images]
