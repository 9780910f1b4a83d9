"""What is asked of a re-ranking, whatever the method.

In: nothing. Out: :class:`Request`, the parameters of :func:`fashret.retrieval.neighbours.search` as one object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fashret.retrieval.neighbours import MEMORY


@dataclass(frozen=True)
class Request:
    """``k`` results a query; the other fields are the parameters of the same name of the plain search."""

    k: int = 50
    within: Literal["category"] | None = None
    same_matrix: bool = False
    exclude_same_product: bool = False
    positives: bool = False
    memory: int = MEMORY
    device: str = "cpu"
