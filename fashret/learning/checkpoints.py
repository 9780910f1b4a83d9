"""The checkpoints of a training run: the one to resume from, and the weights that were best at a validation.

In: a run, its scores. Out: checkpoints/last.pt, checkpoints/best.safetensors; and at the end the weights to keep.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from fashret.console import log
from fashret.files.models import CHECKPOINTS, read_tensors, write_tensors, write_training_state

if TYPE_CHECKING:
    from torch import Tensor, nn

LAST = "last.pt"
BEST = "best.safetensors"


class Trained(Protocol):
    """A run that is under way."""

    network: Any
    epoch: int
    step: int
    best: dict[str, float]  # scores of the best validation, its epoch (from 1) and step
    stalled: int  # validations since the best one

    def state(self) -> dict[str, Any]:
        """Tensors and plain values, all that a run is resumed from."""


class Checkpoints:
    """What a training run keeps below its `output`."""

    output: Path

    @property
    def identity(self) -> dict[str, Any]:
        """What must be the same when the run is resumed."""
        raise NotImplementedError

    @property
    def last(self) -> Path:
        """The checkpoint to resume from."""
        return self.output / CHECKPOINTS / LAST

    @property
    def best(self) -> Path:
        """The weights with the best validation score so far."""
        return self.output / CHECKPOINTS / BEST

    def save(self, run: Trained) -> None:
        """Write the checkpoint to resume from."""
        write_training_state(self.last, {"identity": self.identity, "run": run.state()})

    def keep_best(self, run: Trained, scores: dict[str, float], chosen: str) -> None:
        """Take note of a validation after an epoch; if none was better by the chosen score, keep the weights."""
        log.info("epoch %d: %s", run.epoch, ", ".join(f"{name} {value:.4f}" for name, value in scores.items()))
        run.stalled += 1
        if scores[chosen] > run.best.get(chosen, -1.0):
            run.stalled = 0
            run.best = {**scores, "epoch": run.epoch, "step": run.step}
            write_tensors(self.best, _weights(run), run.best)

    def to_keep(self, run: Trained) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The weights that training ends with, those of the best validation, and its scores; others are kept, too."""
        if not run.best or run.best["step"] == run.step:
            return _weights(run), dict(run.best)
        write_tensors(self.last.with_name("last.safetensors"), _weights(run), {"epoch": run.epoch, "step": run.step})
        return read_tensors(self.best)


def _weights(run: Trained) -> dict[str, Tensor]:
    network: nn.Module = run.network
    return network.state_dict()
