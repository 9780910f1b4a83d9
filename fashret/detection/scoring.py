"""How well a detector finds the boxes of photos.

In: a detector, photos with boxes. Out: COCO's scores (`fashret.evaluation.detection`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fashret.console import progress
from fashret.detection.boxed_photos import BoxedPhotos
from fashret.detection.detectors import Detector
from fashret.detection.samples import read_picture
from fashret.errors import PhotoError
from fashret.evaluation.detection import DetectionScores, FoundBoxes, TrueBoxes, score_boxes
from fashret.files.photos.decoder import Decoder
from fashret.files.photos.sources import PhotoSource
from fashret.files.photos.workers import in_order

BATCH = 8  # photos that are looked at together


def score_detector(
    detector: Detector, photos: BoxedPhotos, source: PhotoSource, longest: int, decoder: Decoder, in_part: bool
) -> DetectionScores:
    """Find the garments of photos and compare them with the boxes that are there.

    Parameters
    ----------
    longest
        Side of a picture that the detector is given, in pixels.
    in_part
        Whether only some of a photo's garments have a box.

    Photos that cannot be decoded count as photos in which nothing is found.
    """
    truth = [_truth(photos, i) for i in range(len(photos))]
    found: list[FoundBoxes] = []

    def read(start: int) -> list[np.ndarray | None]:
        stop = min(start + BATCH, len(photos))
        return [_picture(photos, i, source, longest, decoder) for i in range(start, stop)]

    starts = range(0, len(photos), BATCH)
    batches = in_order(read, starts, decoder.workers, decoder.workers + 1, decoder.stop)
    try:
        with progress(len(photos), "validate", "photos") as advance:
            for start, pictures in zip(starts, batches, strict=True):
                found += _found(detector, photos, start, pictures)
                advance(len(pictures))
    finally:
        batches.close()
    return score_boxes(truth, found, detector.classes, in_part)


def _truth(photos: BoxedPhotos, photo: int) -> TrueBoxes:
    mine = photos.boxes_of(photo)
    return TrueBoxes(photos.box[mine], photos.label[mine], photos.crowd[mine])


def _picture(photos: BoxedPhotos, photo: int, source: PhotoSource, longest: int, decoder: Decoder) -> np.ndarray | None:
    try:
        return read_picture(photos, photo, source, longest, decoder)
    except PhotoError:
        return None


def _found(
    detector: Detector, photos: BoxedPhotos, start: int, pictures: list[np.ndarray | None]
) -> Iterator[FoundBoxes]:
    """What is found, in pixels of the upright photos."""
    results = iter(detector.find([picture for picture in pictures if picture is not None]))
    for i, picture in enumerate(pictures, start=start):
        if picture is None:
            nothing = np.empty(0, np.float32)
            yield FoundBoxes(np.empty((0, 4), np.float32), nothing, nothing.astype(np.int64))
            continue
        result = next(results)
        scale = photos.size[i] / (picture.shape[1], picture.shape[0])
        yield FoundBoxes(result.boxes * np.tile(scale, 2).astype(np.float32), result.scores, result.labels)
