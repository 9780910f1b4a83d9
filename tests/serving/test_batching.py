"""Items that come together are worked on together, and each gets its own result."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Hashable, Sequence

import numpy as np
import pytest

from fashret.serving.batching import Batcher, padded


class Doubling:
    """Waits for `go`, then doubles numbers; notes its batches."""

    def __init__(self) -> None:
        self.batches: list[tuple[Hashable, list[int]]] = []
        self.go = threading.Event()

    def __call__(self, key: Hashable, items: Sequence[int]) -> list[int]:
        self.batches.append((key, list(items)))
        self.go.wait(5)
        if 13 in items:
            raise ValueError("thirteen")
        return [2 * item for item in items]


def ask(work: Doubling, *questions: tuple[str, int], most: int = 3) -> list[int | BaseException]:
    async def run() -> list[int | BaseException]:
        batcher: Batcher[int, int] = Batcher(work, most)
        asked = [asyncio.ensure_future(batcher(*question)) for question in questions]
        await asyncio.sleep(0)
        work.go.set()
        results = await asyncio.gather(*asked, return_exceptions=True)
        batcher.close()
        return results

    return asyncio.run(run())


def test_what_comes_meanwhile_is_the_next_batch() -> None:
    work = Doubling()
    assert ask(work, *(("a", i) for i in range(6))) == [0, 2, 4, 6, 8, 10]
    assert work.batches == [("a", [0]), ("a", [1, 2, 3]), ("a", [4, 5])]


def test_only_items_of_one_key_are_together() -> None:
    work = Doubling()
    assert ask(work, ("a", 1), ("b", 2), ("a", 3), ("b", 4)) == [2, 4, 6, 8]
    assert work.batches == [("a", [1]), ("b", [2, 4]), ("a", [3])]


def test_arrays_are_items() -> None:
    async def run() -> list[np.ndarray]:
        batcher: Batcher[np.ndarray, np.ndarray] = Batcher(lambda _, items: items, 2)
        found = await asyncio.gather(*(batcher("a", np.full(3, i % 2)) for i in range(5)))
        batcher.close()
        return found

    async def soon() -> list[np.ndarray]:
        return await asyncio.wait_for(run(), 5)

    assert [each.tolist() for each in asyncio.run(soon())] == [[i % 2] * 3 for i in range(5)]


def test_an_error_is_that_of_its_batch_alone() -> None:
    first, second, third = ask(Doubling(), ("a", 1), ("a", 13), ("b", 5))
    assert (first, third) == (2, 10) and isinstance(second, ValueError)


def test_an_asker_who_went_away_is_not_worked_for() -> None:
    work = Doubling()

    async def run() -> None:
        batcher: Batcher[int, int] = Batcher(work, 3)
        asked = [asyncio.ensure_future(batcher("a", i)) for i in range(3)]
        await asyncio.sleep(0)
        asked[1].cancel()
        work.go.set()
        assert await asked[0] == 0 and await asked[2] == 4
        with pytest.raises(asyncio.CancelledError):
            await asked[1]
        batcher.close()

    asyncio.run(run())
    assert work.batches == [("a", [0]), ("a", [2])]


@pytest.mark.parametrize(("count", "size"), [(1, 1), (2, 2), (3, 4), (5, 8), (16, 16)])
def test_batches_have_few_sizes(count: int, size: int) -> None:
    items = padded(range(count))
    assert len(items) == size and items[:count] == list(range(count)) and set(items[count:]) <= {count - 1}
