"""All photos of a run are looked at: batch by batch, once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fashret.detecting.job import Job, seen_in
from fashret.detecting.look import look
from fashret.detection.detectors import Found
from fashret.detection.ensemble import Ensemble, Fusion
from fashret.detection.labels import LabelMap
from fashret.files.record_log import RecordLog, Status
from fashret.files.tables.catalogues import read_folder
from fashret.options import DetectOptions
from tests.painted_case import PaintedDetector, painted


def test_photos_are_looked_at_once_and_errors_are_tried_again(tmp_path: Path) -> None:
    for i in range(5):
        painted(tmp_path / f"shop/{i}.png", {"red": (i, 10, 50, 90)})
    (tmp_path / "shop/2.png").write_bytes(b"no photo")
    detector = PaintedDetector()
    ensemble = Ensemble([detector], LabelMap(), Fusion())
    job = Job(read_folder(tmp_path / "shop"), tmp_path / "f.csv", DetectOptions(batch_size=2), ensemble)
    with RecordLog(tmp_path / "log", len(job.sources), job.task) as done:
        assert look(job, done) == 4 and detector.looked_at == 4
        assert done.status.tolist() == [Status.DONE, Status.DONE, Status.FAILED, Status.DONE, Status.DONE]
        assert '"2.png"' in (tmp_path / "f.csv.errors.jsonl").read_text()
        painted(tmp_path / "shop/2.png", {"red": (2, 10, 50, 90)})
        assert look(job, done) == 1 and detector.looked_at == 5
        boxes = np.concatenate([seen.boxes for _, seen in seen_in(done)])
    assert boxes[:, 0].tolist() == [0, 1, 2, 3, 4] and not (tmp_path / "f.csv.errors.jsonl").exists()


class Thin(PaintedDetector):
    """Sees two lines of less than a pixel before the red rectangle."""

    def find(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Found]:
        boxes = np.array([[5, 5, 5.2, 50], [0, 5, 0.2, 50], [10, 10, 50, 90], [20, 20, 30, 90]], np.float32)
        return [Found(boxes, np.array([0.95, 0.9, 0.85, 0.8], np.float32), np.zeros(4, np.int64)) for _ in pictures]


@pytest.mark.parametrize(("evaluate", "kept"), [(False, 1), (True, 2)])
def test_the_best_are_those_of_the_boxes_that_are_there(tmp_path: Path, evaluate: bool, kept: int) -> None:
    painted(tmp_path / "shop/0.png", {"red": (10, 10, 50, 90)})
    options = DetectOptions(max_garments=1, evaluate=evaluate)
    job = Job(read_folder(tmp_path / "shop"), tmp_path / "f.csv", options, Ensemble([Thin()], LabelMap(), Fusion()))
    with RecordLog(tmp_path / "log", 1, job.task) as done:
        look(job, done)
        [(_, seen)] = seen_in(done)
    assert len(seen.scores) == kept and seen.boxes[seen.best(options)].tolist() == [[10, 10, 50, 90]]
