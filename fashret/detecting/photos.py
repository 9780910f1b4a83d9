"""What is found in one photo, as logs keep it and as people see it.

In: a photo in memory, the garments found in it. Out: `Seen`, in pixels as stored; `FoundGarment`, in upright pixels.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fashret.errors import FashretError
from fashret.files.photos.decoder import Decoder, warn_of_scaled
from fashret.files.photos.picture import Frame
from fashret.files.photos.sources import PhotoError, file_bytes
from fashret.files.photos.whole import WholePhoto, boxes_upright, read_whole
from fashret.files.photos.workers import aside
from fashret.options import DetectOptions

if TYPE_CHECKING:
    from fashret.detection.ensemble import Ensemble, Garments

DECIMALS, SCORE_DECIMALS = 2, 4  # of boxes, of scores in files


@dataclass(frozen=True)
class Seen:
    """What is kept of one photo: its frame, and its garments in pixels as stored, best first."""

    frame: Frame
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int32]
    left_out: Counter[str]

    @classmethod
    def of(cls, photo: WholePhoto, garments: Garments) -> Seen:
        """What was found in a photo's pixels; boxes of less than a pixel are left out."""
        found = garments.found
        boxes = np.round(photo.boxes_as_stored(found.boxes), DECIMALS)
        whole = np.rint(boxes)
        there = (whole[:, 2] > whole[:, 0]) & (whole[:, 3] > whole[:, 1])
        scores, labels = found.scores[there].astype(np.float32), found.labels[there].astype(np.int32)
        return cls(photo.frame, boxes[there], scores, labels, garments.left_out)

    def packed(self) -> bytes:
        """As the log keeps it."""
        head = {"size": self.frame[0], "orientation": self.frame[1], "garments": len(self.scores)}
        arrays = b"".join((self.boxes.tobytes(), self.scores.tobytes(), self.labels.tobytes()))
        return json.dumps({**head, "left_out": self.left_out}).encode() + b"\n" + arrays

    @classmethod
    def unpacked(cls, data: bytes) -> Seen:
        """What `packed` made."""
        line, _, arrays = data.partition(b"\n")
        head = json.loads(line)
        count = head["garments"]
        boxes = np.frombuffer(arrays, np.float32, 4 * count).reshape(-1, 4)
        scores = np.frombuffer(arrays, np.float32, count, 16 * count)
        labels = np.frombuffer(arrays, np.int32, count, 20 * count)
        width, height = head["size"]
        return cls(((width, height), head["orientation"]), boxes, scores, labels, Counter(head["left_out"]))

    def best(self, options: DetectOptions) -> NDArray[np.int64]:
        """Positions of the garments that the output has."""
        return np.flatnonzero(self.scores >= np.float32(options.min_score))[: options.max_garments]

    def kept(self, options: DetectOptions) -> Seen:
        """What the log keeps: all of it where all of it is scored, else what the output has."""
        if options.evaluate:
            return self
        best = self.best(options)
        return replace(self, boxes=self.boxes[best], scores=self.scores[best], labels=self.labels[best])


@dataclass(frozen=True)
class FoundGarment:
    """One garment of one photo, as people see it: the box is in pixels of the upright photo."""

    number: int  # from 1, best first
    category: str  # empty = it can be several
    label: str  # what it is called
    score: float
    box: tuple[float, float, float, float]


def shown(seen: Seen, options: DetectOptions, ensemble: Ensemble) -> tuple[FoundGarment, ...]:
    """The garments that a run keeps of a photo, numbered, in upright pixels."""
    chosen = seen.best(options)
    boxes = boxes_upright(seen.boxes[chosen], seen.frame).tolist()
    kinds = [ensemble.kinds[label] for label in seen.labels[chosen]]
    scores = [round(score, SCORE_DECIMALS) for score in seen.scores[chosen].tolist()]
    rows = zip(kinds, scores, boxes, strict=True)
    return tuple(
        FoundGarment(i, kind.category, kind.name, score, tuple(box)) for i, (kind, score, box) in enumerate(rows, 1)
    )


def find_in_photo(ensemble: Ensemble, photo: Path, options: DetectOptions) -> tuple[WholePhoto, Seen]:
    """Look at one photo. Raises FashretError if it cannot be read."""
    decoder = Decoder(options.max_pixels)
    try:
        whole = aside(read_whole, file_bytes(photo), options.photo_size, decoder)
    except PhotoError as error:
        raise FashretError(f"{photo}: {error}") from None
    warn_of_scaled(decoder.scaled, str(photo))
    return whole, Seen.of(whole, ensemble.find([whole.pixels])[0])
