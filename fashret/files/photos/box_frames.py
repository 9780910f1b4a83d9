"""Boxes in pixels of the upright photo become boxes in pixels of the photo as stored, which is what files hold.

In: rows whose boxes are, or may be, in upright pixels. Out: the same rows with boxes in pixels as stored. The photos'
headers are read, where a box depends on them.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fashret.console import counted, log, progress
from fashret.errors import FashretError
from fashret.files.columns import Rows
from fashret.files.photos.orientation import stored_box, upright_size
from fashret.files.photos.picture import Frame, picture_frame
from fashret.files.photos.sources import PhotoError, PhotoFolder, PhotoSource

Size = tuple[int, int]  # width and height


def refuse_fractions(boxes: NDArray[np.float32], name: str) -> None:
    """Raise FashretError if there are boxes and all lie within 0 … 1: shares of the photo's sides."""
    there = boxes[np.isfinite(boxes).all(axis=1)]
    if len(there) and there.min() >= 0 and there.max() <= 1:
        said = f"all {len(there):,} boxes lie" if len(there) > 1 else "the only box lies"
        raise FashretError(f"{name}: {said} within 0 and 1; are these fractions? give pixels")


def boxes_as_stored(rows: Rows, photos: PhotoSource) -> Rows:
    """Rows whose boxes are in upright pixels, with boxes in pixels as stored. Unreadable photos keep theirs."""
    frames = frames_of(rows, photos)
    return _turned(rows, frames, set(frames))


def boxes_by_size(rows: Rows, photos: PhotoSource, declared: Mapping[str, Size], name: str) -> Rows:
    """Rows of a file that says how large its photos are, with boxes in pixels as stored.

    A size that is that of the upright photo and not of the stored one means boxes in upright pixels. Photos whose size
    does not tell (turned by 180°, mirrored, square) are as the others of the file. What is unsure is said with a count.

    Parameters
    ----------
    declared
        source → width and height.
    """
    frames = frames_of(rows, photos, lambda source: source in declared)
    upright: set[str] = set()
    stored: set[str] = set()
    unsure: set[str] = set()
    other = 0
    for source, (size, orientation) in frames.items():
        turned = upright_size(size, orientation)
        if declared[source] not in (size, turned):
            other += 1
        elif size != turned:
            (stored if declared[source] == size else upright).add(source)
        elif orientation != 1:
            unsure.add(source)
    if other:
        log.warning(
            "%s: %s of another size than it says; boxes taken as they are",
            name,
            counted(other, "photo with boxes is", "photos with boxes are"),
        )
    follow = bool(upright) and not stored
    if unsure:
        how = "upright" if follow else "stored"
        log.warning(
            "%s: %s turned, and the size does not tell how; boxes taken as %s",
            name,
            counted(len(unsure), "photo is", "photos are"),
            how,
        )
    if upright:
        log.info("%s: boxes of %s are in pixels of the upright photo", name, counted(len(upright), "photo"))
    return _turned(rows, frames, upright | unsure if follow else upright)


def _turned(rows: Rows, frames: Mapping[str, Frame], upright: set[str]) -> Rows:
    box = rows.box.copy()
    for i, source in enumerate(rows.source):
        if source in upright and np.isfinite(box[i]).all():
            box[i] = stored_box(box[i].tolist(), *frames[source])
    return replace(rows, box=box)


def frames_of(rows: Rows, photos: PhotoSource, wanted: Callable[[str], bool] = lambda source: True) -> dict[str, Frame]:
    """Size as stored and orientation of each photo that has a box and can be read."""
    boxed = np.isfinite(rows.box).all(axis=1)
    sources = [source for source in dict.fromkeys(rows.source[boxed].tolist()) if wanted(source)]
    if not sources:
        return {}
    found: dict[str, Frame] = {}
    with ThreadPoolExecutor() as pool, progress(len(sources), "orientation of photos", "photos") as advance:
        for source, frame in zip(sources, pool.map(lambda source: _frame(photos, source), sources), strict=True):
            advance()
            if frame is not None:
                found[source] = frame
    return found


def _frame(photos: PhotoSource, source: str) -> Frame | None:
    if isinstance(photos, PhotoFolder):
        return picture_frame(photos.path(source))
    try:
        return picture_frame(io.BytesIO(photos.read(source)))
    except PhotoError:
        return None
