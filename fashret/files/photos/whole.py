"""Whole photos in memory, upright, for what looks at all of a photo: read and decoded by several workers, in order.

In: names of photos. Out: each as pixels of bounded size that know where they are in the photo as stored, or why not.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashret.errors import PhotoError
from fashret.files.photos.cuts import cut_crops
from fashret.files.photos.decoder import Decoder
from fashret.files.photos.orientation import Pixels, stored_box, turn_box, upright_size
from fashret.files.photos.picture import Frame, Picture, decoding_errors
from fashret.files.photos.sources import PhotoSource
from fashret.files.photos.workers import in_order

TASK = 2  # photos that a worker takes at a time
TASKS = 2  # per worker


@dataclass(frozen=True)
class WholePhoto:
    """An upright photo, shrunk if it was larger than asked for, and how it is stored."""

    pixels: Pixels  # H×W×3 uint8
    frame: Frame  # size as stored, and orientation

    def boxes_as_stored(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """N×4 boxes in these pixels, as they are in pixels of the photo as stored."""
        height, width = self.pixels.shape[:2]
        full = upright_size(*self.frame)
        scale = np.array([full[0] / width, full[1] / height] * 2)
        inside = np.clip(boxes * scale, 0, np.array([*full, *full]))
        stored = [stored_box(box, *self.frame) for box in inside.tolist()]
        return np.array(stored, np.float32).reshape(-1, 4)


def boxes_upright(boxes: NDArray[np.float32], frame: Frame) -> NDArray[np.float32]:
    """N×4 boxes in pixels of a photo as stored, as viewers show them."""
    return np.array([turn_box(box, *frame) for box in boxes.tolist()], np.float32).reshape(-1, 4)


def read_whole(data: bytes, size: int, decoder: Decoder) -> WholePhoto:
    """Decode a photo, its longer side at most `size` pixels. Raises PhotoError."""
    with decoding_errors(empty=not data), Picture(data) as picture:
        frame = picture.size, picture.orientation
    pixels = cut_crops(data, [None], size, decoder)[0]
    if isinstance(pixels, PhotoError):
        raise pixels
    return WholePhoto(pixels, frame)


def stream_whole(
    photos: PhotoSource, sources: Sequence[str], size: int, order: Iterable[int], decoder: Decoder
) -> Generator[tuple[int, WholePhoto | PhotoError], None, None]:
    """Read photos, several at a time, and return them in order.

    Parameters
    ----------
    order
        Positions in `sources` of those to read.
    decoder
        What they decode with, and how many work at a time. It cannot be used again after the generator is closed.

    Yields
    ------
    Position, and the photo or why there is none. No more than `TASK` × `TASKS` photos per worker are under way.
    """

    def read(task: list[int]) -> list[tuple[int, WholePhoto | PhotoError]]:
        return [(i, _attempt(photos, sources[i], size, decoder)) for i in task if not decoder.stopped]

    def tasks() -> Iterator[list[int]]:
        waiting = iter(order)
        while task := [int(i) for i in itertools.islice(waiting, TASK)]:
            yield task

    results = in_order(read, tasks(), decoder.workers, TASKS * decoder.workers, decoder.stop)
    try:
        for done in results:
            yield from done
    finally:
        results.close()


def _attempt(photos: PhotoSource, source: str, size: int, decoder: Decoder) -> WholePhoto | PhotoError:
    try:
        return read_whole(photos.read(source), size, decoder)
    except PhotoError as error:
        return error
