"""Photos with the boxes of their garments, upright: what a detector learns from and is scored on.

In: rows of a manifest, each a photo and perhaps a box. Out: `BoxedPhotos`, one entry per photo that can be read, with
all of its boxes; and counts of what could not be used.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashret.files.columns import Rows, text_array
from fashret.files.photos.box_frames import frames_of
from fashret.files.photos.orientation import turn_box, upright_size
from fashret.files.photos.sources import PhotoSource

ONE_CLASS = "garment"
WITHOUT_BOX = "rows without a box"
WITHOUT_CLASS = "boxes without a category"
MISSING = "boxes whose photo is not there"
UNREADABLE = "boxes whose photo cannot be read"
WITHOUT_AREA = "boxes without area in the photo"
CUT = "boxes that reach beyond the photo, cut at its edge"


@dataclass(frozen=True)
class BoxedPhotos:
    """P photos and their N boxes, those of a photo side by side."""

    source: NDArray[np.object_]  # P
    size: NDArray[np.int64]  # P×2, width and height, upright
    orientation: NDArray[np.int64]  # P, from stored to upright
    first: NDArray[np.int64]  # P+1: boxes first[i] ≤ b < first[i+1] are of photo i
    box: NDArray[np.float32]  # N×4, x1 y1 x2 y2 in pixels of the upright photo, inside of it
    label: NDArray[np.int64]  # N, number of the class
    crowd: NDArray[np.bool_]  # N: a box round many garments
    row: NDArray[np.int64]  # N, the row of the manifest
    outline: NDArray[np.object_] | None = None  # N, each an `Outline`; None where masks are not learned

    def __len__(self) -> int:
        return len(self.source)

    def boxes_of(self, photo: int) -> slice:
        """Where the boxes of one photo are."""
        return slice(int(self.first[photo]), int(self.first[photo + 1]))

    def take(self, photos: NDArray[np.int64]) -> BoxedPhotos:
        """Some of the photos, by position."""
        count = np.diff(self.first)[photos]
        boxes = np.concatenate([np.arange(self.first[i], self.first[i + 1]) for i in photos] or [np.empty(0, np.int64)])
        return BoxedPhotos(
            self.source[photos],
            self.size[photos],
            self.orientation[photos],
            np.concatenate([[0], np.cumsum(count)]).astype(np.int64),
            **self.of_boxes(boxes),
        )

    def of_boxes(self, boxes: NDArray[Any]) -> dict[str, Any]:
        """The columns of boxes, of some of them by position or mask."""
        columns = {name: getattr(self, name) for name in ("box", "label", "crowd", "row", "outline")}
        return {name: None if column is None else column[boxes] for name, column in columns.items()}

    @property
    def digest(self) -> str:
        """Of everything but the pixels."""
        total = hashlib.sha256("\0".join(self.source).encode(errors="surrogatepass"))
        for name in ("size", "orientation", "first", "box", "label", "crowd"):
            total.update(np.ascontiguousarray(getattr(self, name)).tobytes())
        return f"sha256:{total.hexdigest()}"


def classes_of(rows: Rows, one_class: bool) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The classes that rows have, and the class of each row; −1 = none."""
    if one_class:
        return (ONE_CLASS,), np.zeros(len(rows), np.int64)
    return rows.categories, rows.category.astype(np.int64)


def boxed_photos(
    rows: Rows, photos: PhotoSource, label: NDArray[np.int64], crowd: NDArray[np.bool_] | None = None
) -> tuple[BoxedPhotos, Counter[str]]:
    """The photos of rows that have boxes, in the order of their first row.

    Parameters
    ----------
    label
        N, the class of each row; −1 = none: such boxes are left out.
    crowd
        N; None: there is none.

    Returns
    -------
    The photos, and how many boxes were left out or changed, by reason.
    """
    found: Counter[str] = Counter()
    boxed = np.isfinite(rows.box).all(axis=1)
    found[WITHOUT_BOX] = int((~boxed).sum())
    found[WITHOUT_CLASS] = int((boxed & (label < 0)).sum())
    kept = np.flatnonzero(boxed & (label >= 0))
    there = photos.present(rows.source[kept])
    found[MISSING] = int((~there).sum())
    kept = kept[there]
    frames = frames_of(rows.take(kept), photos)
    names = {name: i for i, name in enumerate(dict.fromkeys(rows.source[kept].tolist())) if name in frames}
    number = np.array([names.get(name, -1) for name in rows.source[kept]], np.int64)
    found[UNREADABLE] = int((number < 0).sum())
    kept, number = kept[number >= 0], number[number >= 0]
    order = np.argsort(number, kind="stable")
    kept = kept[order]
    box, cut = _upright(rows, kept, frames)
    area = (box[:, 2] > box[:, 0]) & (box[:, 3] > box[:, 1])
    found[WITHOUT_AREA], found[CUT] = int((~area).sum()), int((cut & area).sum())
    kept, box = kept[area], box[area]
    sources = list(dict.fromkeys(rows.source[kept].tolist()))
    counts = Counter(rows.source[kept].tolist())
    boxes = BoxedPhotos(
        text_array(sources),
        np.array([upright_size(*frames[name]) for name in sources], np.int64).reshape(-1, 2),
        np.array([frames[name][1] for name in sources], np.int64),
        np.concatenate([[0], np.cumsum([counts[name] for name in sources])]).astype(np.int64),
        box,
        label[kept],
        np.zeros(len(kept), np.bool_) if crowd is None else crowd[kept],
        kept,
    )
    return boxes, +found


def _upright(rows: Rows, kept: NDArray[np.int64], frames: Any) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Boxes in pixels of the upright photo, cut at its edge, and which were cut."""
    box = np.empty((len(kept), 4), np.float32)
    cut = np.zeros(len(kept), np.bool_)
    for i, row in enumerate(kept):
        size, orientation = frames[rows.source[row]]
        x1, y1, x2, y2 = turn_box(rows.box[row].tolist(), size, orientation)
        width, height = upright_size(size, orientation)
        box[i] = max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)
        cut[i] = min(x1, y1) < -1 or x2 > width + 1 or y2 > height + 1  # a pixel is rounding
    return box, cut


def annotated_in_part(photos: BoxedPhotos) -> bool:
    """Whether no photo has two boxes: then others of its garments may have none."""
    return bool(len(photos)) and int(np.diff(photos.first).max()) == 1
