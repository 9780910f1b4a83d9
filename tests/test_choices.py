"""The names of `fashret.choices` are those that the modules that give them a meaning know."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from typing import get_args

import pytest

from fashret import choices
from fashret.demo.layouts import LAYOUTS
from fashret.detection.architectures import ARCHITECTURES
from fashret.knn.distance import METRICS, Metric
from fashret.learning.losses import LOSSES
from fashret.learning.optimisers import OPTIMISERS
from fashret.learning.schedules import SCHEDULES
from fashret.models.backbones import BACKBONES
from fashret.models.devices import PRECISIONS
from fashret.models.poolings import POOLINGS
from fashret.models.preprocessing import FILTERS
from fashret.models.presets import PRESETS
from fashret.stages.train import SCORES


@pytest.mark.parametrize(
    ("names", "known"),  # as they are before any test adds one
    [
        (choices.LAYOUTS, tuple(LAYOUTS)),
        (choices.BACKBONES, tuple(BACKBONES)),
        (choices.PRESETS, tuple(PRESETS)),
        (choices.RESAMPLINGS, tuple(FILTERS)),
        (choices.ARCHITECTURES, tuple(ARCHITECTURES)),
        (choices.LOSSES, tuple(LOSSES)),
        (choices.POOLINGS, tuple(POOLINGS)),
        (choices.PRECISIONS, tuple(PRECISIONS)),
        (choices.OPTIMISERS, tuple(OPTIMISERS)),
        (choices.SCHEDULES, tuple(SCHEDULES)),
        (choices.METRICS, tuple(METRICS)),
        (choices.METRICS, tuple(get_args(Metric))),
    ],
)
def test_the_names_are_those_of_the_table(names: tuple[str, ...], known: Iterable[str]) -> None:
    assert names == tuple(known)


def test_a_checkpoint_can_be_chosen_by_every_deciding_score() -> None:
    assert set(choices.DECIDING_SCORES) <= set(SCORES)


def test_importing_options_loads_nothing_heavy() -> None:
    code = "import sys, fashret.datasets.flags as f; print(sorted(m for m in sys.modules if m.startswith('fashret')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = ["fashret", *(f"fashret.{m}" for m in ("choices", "datasets", "datasets.flags", "errors", "options"))]
    assert done.stdout.strip() == str(loaded)
