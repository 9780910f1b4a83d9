"""The curves of a training run."""

from __future__ import annotations

from pathlib import Path

import pytest

from fashret.report.curves import draw_curves


def test_the_curves_begin_at_epoch_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, list[int]] = {}
    monkeypatch.setattr("matplotlib.axes.Axes.plot", lambda self, x, y, label, marker: drawn.update({label: list(x)}))
    lines = [{"epoch": str(e), "step": "4", "loss": "0.5", "mAP": "0.1" if e == 2 else ""} for e in (1, 2, 3)]
    draw_curves(lines, tmp_path / "curves.png")
    assert drawn == {"loss": [1, 2, 3], "mAP": [2]}
