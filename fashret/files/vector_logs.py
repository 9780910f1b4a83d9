"""The vectors in the logs of one run of `fashret embed`, one log per process (`fashret.files.record_log`).

In: the logs. Out: which of them has a row's vector, and the vectors as the networks gave them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fashret.files.record_log import RecordLog, Status


def owners(logs: Sequence[RecordLog], count: int) -> NDArray[np.int64]:
    """For each of `count` rows the number of the log that has its vector, −1 for none."""
    owner = np.full(count, -1, np.int64)
    for number, finished in enumerate(logs):
        owner[finished.status == Status.DONE] = number
    return owner


def raw_vectors(logs: Sequence[RecordLog], owner: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Vectors of some rows, each of which has an owner."""
    data = [logs[owner[row]].read(int(row)) for row in rows]
    return np.frombuffer(b"".join(data), "<f4").reshape(len(rows), -1)
