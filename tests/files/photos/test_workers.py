"""Threads: results in order, work ahead bounded, errors passed on, nobody waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from fashret.files.photos.workers import GRACE, aside, in_order


def nothing() -> None:
    """Stops nothing."""


def test_results_are_in_order_and_made_ahead_within_bounds() -> None:
    drawn: list[int] = []

    def tasks() -> Iterator[int]:
        for i in range(20):
            drawn.append(i)
            yield i

    results = in_order(lambda i: i * i, tasks(), 3, 5, nothing)
    assert next(results) == 0 and len(drawn) == 5
    assert list(results) == [i * i for i in range(1, 20)]


def test_an_error_is_raised_where_its_result_would_be() -> None:
    def work(i: int) -> int:
        if i == 2:
            raise ValueError("two")
        return i

    results = in_order(work, range(5), 2, 4, nothing)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(results)
    with pytest.raises(ValueError, match="aside"):
        aside(lambda: (_ for _ in ()).throw(ValueError("aside")))


def test_threads_end_with_the_results_and_when_they_are_left() -> None:
    before = threading.active_count()
    assert list(in_order(str, range(9), 3, 4, nothing)) == list("012345678")
    left = in_order(str, range(9), 3, 4, nothing)
    next(left)
    left.close()
    assert threading.active_count() == before


def test_a_thread_that_does_not_end_is_not_waited_for() -> None:
    release, stopped = threading.Event(), []
    results = in_order(lambda i: release.wait(60) if i else True, range(3), 1, 2, lambda: stopped.append(True))
    assert next(results)
    started = time.monotonic()
    results.close()
    assert stopped and time.monotonic() - started < GRACE + 1
    release.set()


def test_work_aside_gets_its_arguments() -> None:
    assert aside(lambda a, b: (a, b, threading.current_thread().daemon), 1, b=2) == (1, 2, True)
