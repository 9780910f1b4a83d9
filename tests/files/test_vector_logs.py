"""Vectors of several logs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fashret.files.record_log import Record, Status, open_log
from fashret.files.vector_logs import owners, raw_vectors


def test_each_row_is_read_from_the_log_that_has_it(tmp_path: Path) -> None:
    vectors = np.arange(8, dtype="<f4").reshape(4, 2)
    logs = [open_log(tmp_path / name, 4, {"task": 1}, resume=False, restart=False) for name in "ab"]
    for number, row in ((1, 0), (0, 2), (1, 3)):
        logs[number].append([Record(row, Status.DONE, vectors[row].tobytes())])
    logs[0].append([Record(1, Status.FAILED, b"not a photo")])
    owner = owners(logs, 4)
    assert owner.tolist() == [1, -1, 0, 1]
    np.testing.assert_array_equal(raw_vectors(logs, owner, np.array([3, 0, 2])), vectors[[3, 0, 2]])
    for log in logs:
        log.close()
