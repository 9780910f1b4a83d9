"""Work in threads that Ctrl-C does not wait for: a decoder may take seconds for one photo and cannot be stopped.

In: a function and what it is to be called with. Out: its results, in order, while some are made ahead.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, wait
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

GRACE = 0.3  # seconds that threads get to end by themselves when nobody wants their results any more
LISTEN = 0.2  # seconds between two looks for Ctrl-C

T = TypeVar("T")
R = TypeVar("R")


def in_order(
    work: Callable[[T], R], tasks: Iterable[T], threads: int, ahead: int, stop: Callable[[], None]
) -> Generator[R, None, None]:
    """Call `work` with each task in one of several threads; the results in the order of the tasks.

    Parameters
    ----------
    ahead
        Number of tasks that are under way or whose results wait to be taken.
    stop
        Called when the generator is closed or fails: makes `work` return early.
    """
    queue: SimpleQueue[tuple[Future[R], T] | None] = SimpleQueue()
    running = [Thread(target=_serve, args=(work, queue), name=f"photo {i}", daemon=True) for i in range(threads)]
    waiting: deque[Future[R]] = deque()
    for thread in running:
        thread.start()
    try:
        for task in tasks:
            waiting.append(Future())
            queue.put((waiting[-1], task))
            if len(waiting) >= ahead:
                yield _result(waiting.popleft())
        while waiting:
            yield _result(waiting.popleft())
    finally:
        stop()
        for future in waiting:
            future.cancel()
        for _ in running:
            queue.put(None)
        deadline = time.monotonic() + GRACE
        for thread in running:
            thread.join(max(0.0, deadline - time.monotonic()))


def aside(work: Callable[..., R], *arguments: Any, **named: Any) -> R:
    """Call a function in a thread and wait for it, so that Ctrl-C is obeyed meanwhile."""
    future: Future[R] = Future()
    queue: SimpleQueue[tuple[Future[R], None] | None] = SimpleQueue()
    queue.put((future, None))
    queue.put(None)
    Thread(target=_serve, args=(lambda _: work(*arguments, **named), queue), name="photo", daemon=True).start()
    return _result(future)


def _result(future: Future[R]) -> R:
    """The result, when it is there. The system may give a signal to another thread, which does not wake this one."""
    while not future.done():
        wait([future], LISTEN)
    return future.result()


def _serve(work: Callable[[Any], R], queue: SimpleQueue[tuple[Future[R], Any] | None]) -> None:
    while (item := queue.get()) is not None:
        future, task = item
        if not future.set_running_or_notify_cancel():
            continue
        try:
            future.set_result(work(task))
        except BaseException as error:
            future.set_exception(error)
