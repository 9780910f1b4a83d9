"""What a training run keeps: the checkpoint to resume from, the best weights, and those that it ends with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from fashret.files.models import read_tensors, read_training_state
from fashret.learning.checkpoints import Checkpoints


class Kept(Checkpoints):
    """A task."""

    identity = {"lr": 0.1}

    def __init__(self, output: Path) -> None:
        self.output = output
        (output / "checkpoints").mkdir()


@dataclass
class Run:
    """A network of one number, its epoch."""

    network: nn.Module = field(default_factory=lambda: nn.Linear(1, 1, bias=False))
    epoch: int = 0
    step: int = 0
    best: dict[str, float] = field(default_factory=dict)
    stalled: int = 0

    def state(self) -> dict[str, Any]:
        return {"step": self.step}

    def next_epoch(self) -> None:
        self.epoch, self.step = self.epoch + 1, self.step + 10
        torch.nn.init.constant_(self.network.weight, float(self.epoch))


def test_the_checkpoint_to_resume_from(tmp_path: Path) -> None:
    task = Kept(tmp_path)
    task.save(Run(step=7))
    saved = read_training_state(tmp_path / "checkpoints/last.pt")
    assert saved == {"identity": {"lr": 0.1}, "run": {"step": 7}}


@pytest.mark.parametrize(
    ("scores", "best", "stalled"),
    [([0.1, 0.3, 0.2, 0.3], 2, 2), ([0.1, 0.2], 2, 0), ([0.0], 1, 0), ([0.3, 0.2], 1, 1)],
)
def test_the_best_weights_are_kept_and_the_last_beside_them(
    tmp_path: Path, scores: list[float], best: int, stalled: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "fashret")
    task, run = Kept(tmp_path), Run()
    for score in scores:
        run.next_epoch()
        task.keep_best(run, {"mAP": score, "AP50": 1 - score}, "mAP")
    assert run.stalled == stalled and (run.best["epoch"], run.best["step"]) == (best, 10 * best)
    assert f"epoch {len(scores)}: mAP {scores[-1]:.4f}" in caplog.text
    weights, kept = task.to_keep(run)
    assert float(weights["weight"]) == best and kept == run.best and kept["mAP"] == scores[best - 1]
    last = tmp_path / "checkpoints/last.safetensors"
    assert last.exists() == (best < len(scores))
    if last.exists():
        tensors, about = read_tensors(last)
        assert float(tensors["weight"]) == about["epoch"] == len(scores)


def test_without_validation_the_last_weights_are_kept(tmp_path: Path) -> None:
    run = Run()
    run.next_epoch()
    weights, scores = Kept(tmp_path).to_keep(run)
    assert float(weights["weight"]) == 1 and scores == {} and not list((tmp_path / "checkpoints").iterdir())
