"""How far a training is, in images, as its progress bar shows it.

In: the task, and the run as it goes on. Out: numbers that only grow, and end at the total.
"""

from __future__ import annotations

from fashret.console import Advance
from fashret.learning.loop import Run
from fashret.learning.task import Task


class ShownImages:
    """Images that a run has seen and will have seen.

    Epochs differ by some batches, which are drawn when they begin, and none is drawn to be counted: every epoch counts
    as many images as the first, and at its end all of them.
    """

    def __init__(self, task: Task) -> None:
        self.a_batch = task.batching.images * (task.batching.products or 1)
        self.an_epoch = self.a_batch * len(task.rows.batches(task.batching, 0, task.machine.place))
        self.total = self.an_epoch * task.options.epochs

    def of(self, run: Run) -> int:
        """Images up to where the run is."""
        return run.epoch * self.an_epoch + min(run.batch * self.a_batch, self.an_epoch)

    def following(self, run: Run, advance: Advance) -> Advance:
        """What a recorder calls after each step: it moves the bar to where the run is."""
        before = self.of(run)

        def follow(units: int = 1, note: str = "") -> None:
            nonlocal before
            now = self.of(run)
            advance(now - before, note)
            before = now

        return follow
