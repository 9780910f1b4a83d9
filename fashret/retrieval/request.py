"""What is asked of a re-ranking, whatever the method.

In: nothing. Out: :class:`Request`, the parameters of :func:`fashret.retrieval.neighbours.search` as one object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fashret.retrieval.keeping import Keeping
from fashret.retrieval.neighbours import MEMORY


@dataclass(frozen=True)
class Request:
    """As the parameters of the plain search; and what finished work is kept in, under the name ``run``."""

    k: int = 50
    within: Literal["category"] | None = None
    same_matrix: bool = False
    exclude_same_product: bool = False
    positives: bool = False
    memory: int = MEMORY
    device: str = "cpu"
    keeping: Keeping | None = None
    run: str = "gallery"

    @property
    def keep(self) -> tuple[Keeping, str] | None:
        """As :func:`fashret.retrieval.neighbours.all_neighbours` takes it."""
        return (self.keeping, self.run) if self.keeping else None
