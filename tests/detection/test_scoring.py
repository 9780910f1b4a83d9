"""A detector is scored in pixels of the photo, whatever the size of the picture that it is given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fashret.detection.detectors import Found
from fashret.detection.scoring import score_detector
from fashret.files.photos.decoder import Decoder
from tests.detection.test_task import task_of
from tests.detector_case import COLOURS, draw, tiny


class ByColour:
    """Finds the garments of `draw` by their colours."""

    name, classes = "by colour", tuple(COLOURS)

    def find(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Found]:
        return [self._found(picture) for picture in pictures]

    def _found(self, picture: NDArray[np.uint8]) -> Found:
        boxes, labels = [], []
        for label, colour in enumerate(COLOURS.values()):
            y, x = np.nonzero((np.abs(picture.astype(int) - colour) < 40).all(axis=2))
            if len(x):
                boxes.append([x.min(), y.min(), x.max() + 1, y.max() + 1])
                labels.append(label)
        box = np.array(boxes, np.float32).reshape(-1, 4)
        return Found(box, np.ones(len(box), np.float32), np.array(labels, np.int64))

    def record(self) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize("longest", [200, 45])
def test_boxes_are_compared_in_pixels_of_the_photo(tmp_path: Path, longest: int) -> None:
    task = task_of(draw(tmp_path, 11), tiny(holdout=0.0))
    scores = score_detector(ByColour(), task.photos, task.listing.photos, longest, Decoder(workers=2), False)
    assert scores.ap50 == pytest.approx(1) and scores.boxes == 11 and set(scores.per_class) == set(COLOURS)


def test_a_photo_that_cannot_be_decoded_is_one_in_which_nothing_is_found(tmp_path: Path) -> None:
    task = task_of(draw(tmp_path, 10), tiny(holdout=0.0, one_class=True))
    (tmp_path / "2.png").write_bytes(b"x")
    both = score_detector(ByColour(), task.photos, task.listing.photos, 200, Decoder(), False)
    assert both.recall50 == pytest.approx(0.4) and both.boxes == 10  # class 0 is in every second photo
