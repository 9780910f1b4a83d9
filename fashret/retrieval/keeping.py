"""Keeping the finished part of a comparison of all rows, so that an interrupted run can go on.

In: arrays that fill up row by row. Out: the same arrays as an earlier run left them, and how many rows that run had
done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


class Keeping(Protocol):
    """Where arrays are kept, under a name; `fashret.files.unfinished` has one."""

    def load(self, name: str) -> Arrays:
        """The arrays kept under a name; none if there are none."""

    def offer(self, name: str, arrays: Arrays) -> None:
        """Arrays to keep under a name, in place of those before; may be declined."""


@dataclass(frozen=True)
class Kept:
    """The state of one comparison, under its name: arrays that are filled in place, and how many rows are done."""

    where: Keeping
    name: str
    state: Arrays

    def load(self) -> int:
        """Take up what was kept; the number of rows done, 0 if nothing was."""
        found = self.where.load(self.name)
        if not found:
            return 0
        for name, array in self.state.items():
            array[:] = found[name]
        return int(found["done"])

    def offer(self, done: int) -> None:
        """Keep the state, all pairs with one of the first ``done`` rows being compared."""
        self.where.offer(self.name, {**self.state, "done": np.array(done)})
