"""Compiled loops over rows, on all cores.

In: a function compiled with ``numba.njit(nogil=True)`` whose first two parameters are the first row and the row to
stop at. Out: what it writes into its arrays. (Threads over ranges of rows compile five times faster than numba's
own parallel loops and give the same bits: no sum ever runs across rows.)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

RANGES_A_THREAD = 2  # more ranges than threads, so that one slow range does not keep the others waiting


def cores() -> int:
    """Number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def over_rows(kernel: Callable[..., Any], rows: int, *arguments: Any) -> list[Any]:
    """Call ``kernel(start, stop, *arguments)`` on ranges that cover ``0 … rows`` once, in threads.

    The kernel must write only to the entries of its own rows; what it returns comes back in the order of the ranges.
    """
    count = range_count(rows)
    edges = [rows * part // max(count, 1) for part in range(count + 1)]
    pool = _pool(os.getpid())
    running = [pool.submit(kernel, start, stop, *arguments) for start, stop in zip(edges[:-1], edges[1:], strict=True)]
    return [one.result() for one in running]


def range_count(rows: int) -> int:
    """How many ranges so many rows are cut into."""
    return min(rows, cores() * RANGES_A_THREAD)


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """The threads of a process, made once: a scan calls for them thousands of times."""
    return ThreadPoolExecutor(cores())


def ranges(sizes: NDArray[np.int64], limit: int) -> Iterator[slice]:
    """Cut a sequence into ranges whose sizes sum to at most ``limit``, or of one entry.

    >>> list(ranges(np.array([2, 2, 9, 1]), 4))
    [slice(0, 2, None), slice(2, 3, None), slice(3, 4, None)]
    """
    edges, start = np.concatenate([[0], np.cumsum(sizes)]), 0
    while start < len(sizes):
        stop = max(start + 1, int(np.searchsorted(edges, edges[start] + limit, side="right")) - 1)
        yield slice(start, stop)
        start = stop
