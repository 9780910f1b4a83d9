"""Requests that come together are worked on together.

In: single items, each with a key that says what it can be joined with. Out: the result of each. While one batch is
under way, the items that come meanwhile wait and make the next: alone an item never waits for others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

I = TypeVar("I")  # noqa: E741
R = TypeVar("R")


@dataclass(eq=False)  # two askers are two, whatever they ask; arrays cannot be compared
class _Waiting(Generic[I, R]):
    key: Hashable
    item: I
    result: asyncio.Future[R]


class Batcher(Generic[I, R]):
    """Collects items and works on them in a thread of its own, one batch after the other.

    Parameters
    ----------
    work
        From a key and some items of that key to as many results.
    most
        Items of a batch.
    start
        What the thread does first.
    count
        Is told how many items each batch has.
    """

    def __init__(
        self,
        work: Callable[[Hashable, Sequence[I]], Sequence[R]],
        most: int,
        start: Callable[[], object] = lambda: None,
        count: Callable[[int], object] = lambda _: None,
    ) -> None:
        self.work, self.most, self.count = work, most, count
        self.waiting: list[_Waiting[I, R]] = []
        self.busy = False
        self.thread = ThreadPoolExecutor(1, initializer=start)

    async def __call__(self, key: Hashable, item: I) -> R:
        """The result for one item; what `work` raises is raised here."""
        mine = _Waiting(key, item, asyncio.get_running_loop().create_future())
        self.waiting.append(mine)
        if not self.busy:
            self._next()
        return await mine.result

    def close(self) -> None:
        """End the thread when it has done what it is doing."""
        self.thread.shutdown(wait=True, cancel_futures=True)

    def _next(self) -> None:
        """Begin the next batch, if something waits whose asker is still there."""
        self.waiting = [each for each in self.waiting if not each.result.done()]
        self.busy = bool(self.waiting)
        if not self.busy:
            return
        key = self.waiting[0].key
        batch = [each for each in self.waiting if each.key == key][: self.most]
        self.waiting = [each for each in self.waiting if each not in batch]
        self.count(len(batch))
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self.thread, self.work, key, [each.item for each in batch])
        running.add_done_callback(lambda done: self._finish(batch, done))

    def _finish(self, batch: list[_Waiting[I, R]], done: asyncio.Future[Sequence[R]]) -> None:
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        for i, each in enumerate(batch):
            if each.result.done():
                continue
            if error is None:
                each.result.set_result(done.result()[i])
            else:
                each.result.set_exception(error)
        self._next()


def padded(items: Sequence[I]) -> list[I]:
    """The items, the last one repeated, so that their number is a power of two: networks then see few sizes of batches.

    >>> padded(["a", "b", "c"])
    ['a', 'b', 'c', 'c']
    """
    size = 1 << max(0, len(items) - 1).bit_length()
    return [*items, *[items[-1]] * (size - len(items))]
