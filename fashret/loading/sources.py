"""What can be embedded: the rows of a crops file, or garments cut out of photos on the fly.

In: crops.h5, or the listing of a table or folder. Out: a `Source`: rows, and their images in the input size of each
network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from fashret.files.columns import RowFile, Rows
from fashret.files.crops import Crops
from fashret.files.digests import Content
from fashret.files.origins import (
    OF_CROPS,
    UNKNOWN,
    DigestedPhotos,
    Origins,
    crop_digest,
    in_words,
    photo_digest,
    read_origins,
    stamps_of,
)
from fashret.files.photos.cuts import cut_crops, same_photo
from fashret.files.photos.decoder import Decoder
from fashret.files.photos.sources import PhotoError, PhotoSource
from fashret.files.photos.workers import aside
from fashret.files.tables.manifests import LeftOut, Listing
from fashret.loading.batches import CropReader, CropsFile
from fashret.models.preprocessing import prepare
from fashret.models.settings import ModelSettings
from fashret.options import EmbedOptions

ROWS_AT_ONCE = 64  # crops in memory while their bytes are digested


class Prepared(NamedTuple):
    """Some rows, ready to be embedded."""

    rows: NDArray[np.int64]  # their numbers in the source
    images: list[Tensor]  # for each network B×H×W×3 uint8; zeros where a row failed
    failures: dict[int, str]  # position in the batch → reason
    scaled: Sequence[str] = ()  # for each photo whose colours were scaled to 8 bits, how
    digests: tuple[bytes, ...] = ()  # of crops that were cut out of photos, `UNKNOWN` where there is none


class CropImages(CropReader):
    """Images of a crops file; a damaged one is an error of the file."""

    def __init__(self, file: CropsFile, settings: Sequence[ModelSettings]) -> None:
        super().__init__(file)
        self.settings = settings

    def __getitem__(self, rows: NDArray[np.int64]) -> Prepared:
        start, stop = int(rows[0]), int(rows[-1]) + 1
        if stop - start == len(rows):
            crops = self.crops.images(start, stop)
        else:
            crops = [self.crops.image(int(row)) for row in rows]
        fitted = [prepare(crop, self.settings) for crop in crops]
        images = [torch.from_numpy(np.stack(column)) for column in zip(*fitted, strict=True)]
        return Prepared(rows, images, {}, self.crops.decoder.take_scaled())


class PhotoImages(Dataset):
    """Garments cut out of photos; a photo that cannot be read is a failure of its rows."""

    def __init__(self, listing: Listing, size: int, settings: Sequence[ModelSettings], decoder: Decoder) -> None:
        self.photos, self.rows = listing.photos, replace(listing.rows, further={})  # which go to every worker
        self.size, self.settings = size, settings
        self.decoder = decoder

    def __getitem__(self, request: NDArray[np.int64]) -> Prepared:
        images = [torch.zeros(len(request), s.height, s.width, 3, dtype=torch.uint8) for s in self.settings]
        failures: dict[int, str] = {}
        photos, boxes = DigestedPhotos(self.photos), self.rows.box
        crops = (crop for same in same_photo(self.rows, request.tolist()) for crop in self._crops(photos, same))
        for i, crop in enumerate(crops):
            if isinstance(crop, PhotoError):
                failures[i] = str(crop)
            else:
                for tensor, fitted in zip(images, prepare(crop, self.settings), strict=True):
                    tensor[i] = torch.from_numpy(np.array(fitted))
        asked = [(photos.digests.get(self.rows.source[row]), boxes[row]) for row in request.tolist()]
        digests = tuple(UNKNOWN if photo is None else crop_digest(photo, box) for photo, box in asked)
        return Prepared(request, images, failures, self.decoder.take_scaled(), digests)

    def _crops(self, photos: PhotoSource, rows: list[int]) -> Sequence[NDArray[np.uint8] | PhotoError]:
        """The crops of rows that share a photo, which is decoded once."""
        try:
            data = photos.read(self.rows.source[rows[0]])
        except PhotoError as error:
            return [error] * len(rows)
        boxes = [self.rows.box[row] for row in rows]
        if get_worker_info() is None:  # Ctrl-C reaches this process
            return aside(cut_crops, data, boxes, self.size, self.decoder)
        return cut_crops(data, boxes, self.size, self.decoder)


@dataclass(frozen=True)
class Source:
    """Rows and where their images come from."""

    rows: Rows | RowFile
    images: Dataset
    dataset: str
    crop_size: int  # longer side of a crop in pixels; 0 = unknown
    inputs: tuple[dict[str, Any], ...]  # files that the rows come from: name, size, digest
    identity: dict[str, Any]  # part of the task, which must be the same when a run is resumed
    origins: Origins  # of the rows; the contents of photos are known when they have been read
    photos: PhotoSource | None = None  # None: crops that were cut before
    crops: CropsFile | None = None
    left_out: tuple[LeftOut, ...] = ()  # files of a folder that are no rows
    root: Path | None = None  # folder that the photos' paths start from

    def check(self) -> None:
        """Raise FashretError if the crops file has changed."""
        if self.crops is not None:
            self.crops.check()


def _origins_of_crops(crops: Crops) -> Origins:
    """What the crops were cut from; a crop of which the file does not tell is known by its own stored bytes."""
    origins = read_origins(crops.file, len(crops))
    untold = np.flatnonzero(origins.content == "")
    for start in range(0, len(untold), ROWS_AT_ONCE):
        part = untold[start : start + ROWS_AT_ONCE]
        stored = crops.encoded(int(part[0]), int(part[-1]) + 1)
        for row in part:
            origins.content[row] = in_words(photo_digest(stored[row - part[0]].tobytes()), OF_CROPS)
    return origins


def crops_source(crops: Crops, settings: Sequence[ModelSettings]) -> Source:
    """The rows of an open crops file, whose columns stay there; what they hold is checked before any work."""
    crops.check_values()
    file = CropsFile.of(crops.path)
    inputs = (crops.content.record(),)
    identity = {"digest of the crops": crops.content}
    origins, images = _origins_of_crops(crops), CropImages(file, settings)
    return Source(crops, images, crops.dataset, crops.size, inputs, identity, origins, crops=file)


def shared_decoder(max_pixels: str, workers: int) -> Decoder:
    """A decoder for processes that decode at the same time; 0 workers: this one."""
    return Decoder(max_pixels, workers, get_context().Lock())


def listing_source(
    listing: Listing, size: int, settings: Sequence[ModelSettings], decoder: Decoder | None = None
) -> Source:
    """The rows of a table or folder, cut out at most `size` pixels long."""
    decoder = decoder or shared_decoder(EmbedOptions.max_pixels, 1)
    names = hashlib.sha256("\n".join(listing.rows.crop_id).encode(errors="surrogatepass")).hexdigest()
    inputs = tuple(Content(path).record() for path in listing.files)
    identity = {"rows of the source": names[:32], "root": str(listing.root.resolve())}
    rows, photos = listing.rows, listing.photos
    origins = Origins(Origins.unknown(len(rows)).content, stamps_of(photos, rows.source))
    images = PhotoImages(listing, size, settings, decoder)
    about = Source(rows, images, listing.name, size, inputs, identity, origins, photos)
    return replace(about, left_out=listing.left_out, root=listing.root)


def chosen_rows(source: Source, rows: NDArray[np.int64]) -> Prepared:
    """Some rows' images, read in this process, which keeps no file open."""
    try:
        return source.images[rows]
    finally:
        if isinstance(source.images, CropReader):
            source.images.close()
