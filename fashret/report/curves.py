"""curves.png of a model folder: how a training run went.

In: the lines of its log.csv. Out: one picture with losses, accuracy, validation scores, length and distance of
features, and learning rate over the epochs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fashret.files.atomic import whole_file

BESIDE = (
    "epoch",
    "step",
    "learning_rate",
    "images_per_second",
    "seconds",
    "norm",
    "distance",
    "accuracy",
)  # neither loss nor score


def draw_curves(lines: Sequence[Mapping[str, str]], path: Path) -> None:
    """Draw the log's columns over the epochs, complete or not at all."""
    from matplotlib.figure import Figure

    names = [name for name in (lines[0] if lines else {}) if name not in BESIDE]
    scores = [name for name in names if name == "mAP" or name.startswith("Acc@")]
    losses = [name for name in names if name not in scores]
    panels: list[tuple[str, list[str]]] = [("loss", losses), ("accuracy", ["accuracy"])]
    panels += [("validation", scores)] if scores else []
    panels += [("features", ["norm", "distance"]), ("learning rate", ["learning_rate"])]
    figure = Figure(figsize=(4.2 * len(panels), 3.4), layout="constrained")
    for axes, (title, columns) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        for column in columns:
            points = [(int(line["epoch"]), float(line[column])) for line in lines if line.get(column)]
            points = [point for point in points if math.isfinite(point[1])]
            if points:
                axes.plot(*zip(*points, strict=True), label=column, marker="." if len(points) < 30 else None)
        _dress(axes, title, len(columns) > 1)
    with whole_file(path) as part:
        figure.savefig(part, format="png", dpi=110)


def _dress(axes: Any, title: str, legend: bool) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("epoch")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if title in ("accuracy", "validation"):
        axes.set_ylim(0, 1)
    if legend and axes.lines:
        axes.legend(fontsize=8, frameon=False)
