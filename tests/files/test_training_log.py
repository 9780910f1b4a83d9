"""log.csv: cut to the step of the checkpoint, and one line for what is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from fashret.errors import FashretError
from fashret.files.training_log import TrainingLog, read_log


def test_the_log_is_cut_to_the_step_of_the_checkpoint(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path / "log.csv", ["epoch", "step", "loss", "mAP"])
    log.begin()
    for epoch in range(3):
        log.append({"epoch": epoch, "step": 10 * (epoch + 1), "loss": 0.5, "unknown": 3})
    log.begin(step=20)
    assert [line["step"] for line in read_log(log.path)] == ["10", "20"]
    log.append({"epoch": 2, "step": 30, "loss": 0.25, "mAP": 0.125})
    assert log.path.read_text().splitlines() == ["epoch,step,loss,mAP", "0,10,0.5,", "1,20,0.5,", "2,30,0.25,0.125"]
    log.begin()
    assert read_log(log.path) == []


def test_a_log_of_something_else_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(FashretError, match="no log of a training run"):
        read_log(tmp_path / "nowhere.csv")
    for content in ("a,b\n1,2\n", "epoch,step\n1,\n", "epoch,step\n1,²\n", f"epoch,step\n1,{'9' * 5000}\n"):
        (tmp_path / "log.csv").write_text(content, encoding="utf-8")
        with pytest.raises(FashretError, match="no log of a training run"):
            read_log(tmp_path / "log.csv")
