"""Loops over rows in threads: ranges cover all rows once."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashret.knn.threads import cores, over_rows, ranges


@pytest.mark.parametrize("rows", [0, 1, 2, 7, 1000])
def test_ranges_cover_every_row_once_and_answers_keep_their_order(rows: int) -> None:
    seen, lock = np.zeros(rows, int), threading.Lock()

    def count(start: int, stop: int, by: int) -> tuple[int, int]:
        with lock:
            seen[start:stop] += by
        return start, stop

    answers = over_rows(count, rows, 3)
    assert (seen == 3).all()
    assert [row for start, stop in answers for row in range(start, stop)] == list(range(rows))
    assert all(start < stop for start, stop in answers)


def test_an_error_in_a_thread_comes_through() -> None:
    def fail(start: int, stop: int) -> None:
        if start:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        over_rows(fail, 100 * cores())


@given(sizes=st.lists(st.integers(0, 9), max_size=30), limit=st.integers(0, 20))
def test_cut_by_size(sizes: list[int], limit: int) -> None:
    expected: list[list[int]] = []
    for index, size in enumerate(sizes):
        if not expected or sum(sizes[i] for i in expected[-1]) + size > limit:
            expected.append([])
        expected[-1].append(index)
    found = [list(range(len(sizes)))[part] for part in ranges(np.array(sizes, np.int64), limit)]
    assert found == expected
