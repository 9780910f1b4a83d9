"""`fashret losses`: the losses that `fashret train --loss` takes.

In: nothing, or a loss's name. Out: all of them, or the one, with what they do, their keys and the keys' defaults.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fashret.errors import FashretError
from fashret.learning.losses import LOSSES, loss_keys


@dataclass(frozen=True)
class LossKind:
    """One loss."""

    name: str
    about: str
    keys: dict[str, float | bool]  # that --loss NAME:key=value takes, with their defaults
    needs_pairs: bool  # two images of a product in a batch


@dataclass(frozen=True)
class LossTable:
    """All losses."""

    losses: tuple[LossKind, ...]

    def as_json(self) -> list[dict[str, Any]]:
        """Plain values."""
        return [asdict(loss) for loss in self.losses]


def run(name: str = "") -> LossTable | LossKind:
    """Describe one loss, or list them all.

    Raises
    ------
    FashretError
        If there is no loss of that name.
    """
    losses = {known: LossKind(known, kind.about, loss_keys(known), kind.pairs) for known, kind in LOSSES.items()}
    if name and name not in losses:
        raise FashretError(f"{name}: no such loss; there are {', '.join(losses)}")
    return losses[name] if name else LossTable(tuple(losses.values()))
