"""The numbers of a training's progress bar: they grow, never pass the total and end there, whatever epochs have."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fashret.learning.batches import Batching
from fashret.learning.shown_images import ShownImages
from fashret.loading.processes import Place


def shown_of(batches: list[int], batching: Batching) -> tuple[ShownImages, Any]:
    """A training whose epochs have so many batches, and its run before the first step."""
    rows = SimpleNamespace(batches=lambda batching, epoch, place: [np.arange(6)] * batches[epoch])
    options, machine = SimpleNamespace(epochs=len(batches)), SimpleNamespace(place=Place())
    task: Any = SimpleNamespace(rows=rows, options=options, machine=machine, batching=batching)
    return ShownImages(task), SimpleNamespace(epoch=0, batch=0)


@pytest.mark.parametrize("batches", [[3, 3], [3, 5, 1, 4], [4, 2, 1], [1, 9]])
@pytest.mark.parametrize("batching", [Batching(3, 2), Batching(0, 6)])
@pytest.mark.parametrize("begun", [(0, 0), (1, 0), (1, 1)])
def test_they_grow_and_end_at_the_total(batches: list[int], batching: Batching, begun: tuple[int, int]) -> None:
    shown, run = shown_of(batches, batching)
    assert shown.total == 6 * batches[0] * len(batches)
    run.epoch, run.batch = begun
    done = [shown.of(run)]
    follow = shown.following(run, lambda units=1, note="": done.append(done[-1] + units))
    for epoch in range(run.epoch, len(batches)):
        for batch in range(run.batch if epoch == begun[0] else 0, batches[epoch]):
            last = batch + 1 == batches[epoch]
            run.epoch, run.batch = (epoch + 1, 0) if last else (epoch, batch + 1)
            follow(6, "note")
            assert done[-1] == shown.of(run)
    assert done == sorted(done) and done[-1] == shown.total


def test_an_epoch_of_the_same_length_counts_batch_by_batch() -> None:
    shown, run = shown_of([2, 2], Batching(3, 2))
    assert [shown.of(SimpleNamespace(epoch=e, batch=b)) for e, b in ((0, 0), (0, 1), (1, 0), (1, 1), (2, 0))] == [
        0, 6, 12, 18, 24,
    ]  # fmt: skip
