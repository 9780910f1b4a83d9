"""`fashret train-detector`: the folder, the same weights after a kill, and refusals that leave nothing behind."""

from __future__ import annotations

import csv
import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fashret.detection import recorder
from fashret.detection.detectors import open_detector
from fashret.errors import FashretError
from fashret.files import models
from fashret.files.training_log import read_log
from fashret.stages import train_detector
from tests.conftest import invoke
from tests.detector_case import ARCHITECTURE, draw, tiny
from tests.training_case import die_in_write, in_fresh_process, in_processes


class Stop(BaseException):
    """Ends a run in a test."""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("photos"))


def train(table: Path, output: Path, **changes: Any) -> train_detector.DetectorSummary:
    summary = train_detector.run(str(table), output, tiny(**changes))
    assert summary is not None
    return summary


def weights(folder: Path) -> dict[str, Any]:
    return models.open_model(folder, models.DETECTOR).weights()


def timeless(folder: Path) -> list[dict[str, str]]:
    return [
        {name: value for name, value in line.items() if "second" not in name} for line in read_log(folder / "log.csv")
    ]


def assert_same_run(folder: Path, whole: Path) -> None:
    expected = weights(whole)
    assert all(tensor.equal(expected[name]) for name, tensor in weights(folder).items())
    assert timeless(folder) == timeless(whole)


def interrupted(table: Path, output: Path, monkeypatch: pytest.MonkeyPatch, after: int, **changes: Any) -> None:
    """A run that ends without warning after some steps."""
    real = recorder.Recorder.after_step

    def after_step(self: Any, run: Any, *rest: Any) -> None:
        real(self, run, *rest)
        if run.step == after:
            raise Stop

    with monkeypatch.context() as patch, pytest.raises(Stop):
        patch.setattr(recorder.Recorder, "after_step", after_step)
        train(table, output, **changes)


def test_a_run_writes_a_folder_that_finds_garments(table: Path, tmp_path: Path) -> None:
    summary = train(table, tmp_path / "d", precision="auto")
    assert (summary.photos, summary.boxes, summary.validation_photos, summary.epochs, summary.steps) == (6, 6, 2, 2, 6)
    assert summary.classes == ("bags", "tops") and summary.annotated == "one garment of many"
    about = json.loads((tmp_path / "d/detector.json").read_text())
    assert about["precision"] == "float32"
    assert about["settings"]["architecture"] == ARCHITECTURE and about["trained_on"]["photos"] == 6
    assert {"mAP", "AP50", "AP75", "recall", "epoch"} <= set(about["validation"])
    assert not list((tmp_path / "d").rglob("*.partial")) and not (tmp_path / "d/checkpoints/last.pt").exists()
    picture = Image.open(table.parent / "0.png").convert("RGB")
    [found] = open_detector(tmp_path / "d", "cpu").find([np.asarray(picture)])
    assert len(found.boxes) and set(found.labels) <= {0, 1}


@pytest.mark.parametrize("after", [pytest.param(2, marks=pytest.mark.slow), 3, pytest.param(5, marks=pytest.mark.slow)])
def test_a_resumed_run_is_the_same(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """In the middle of an epoch, where the last checkpoint is older, and at its end."""
    train(table, tmp_path / "whole", zoom=0.5)
    interrupted(table, tmp_path / "d", monkeypatch, after, checkpoint_every=2, zoom=0.5)
    assert not (tmp_path / "d/detector.json").exists()
    with pytest.raises(FashretError, match=r"interrupted run.*--resume"):
        train(table, tmp_path / "d", zoom=0.5)
    with pytest.raises(FashretError, match=r"cannot be resumed: .*--lr 0.0005 → 0.01"):
        train(table, tmp_path / "d", resume=True, zoom=0.5, lr=0.01)
    train(table, tmp_path / "d", resume=True, zoom=0.5, workers=2)
    assert_same_run(tmp_path / "d", tmp_path / "whole")


def kill_in_write(table: Path, output: Path, name: str, write: int) -> None:
    die_in_write(name, write)
    train_detector.run(str(table), output, tiny(resume=True))


def train_anew(table: Path, output: Path, **changes: Any) -> None:
    train_detector.run(str(table), output, tiny(**changes))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to know which file is written")
@pytest.mark.parametrize(
    ("name", "write"),
    [("last.pt", 2), ("best.safetensors", 1), ("detector.safetensors", 1), ("detector.json", 1)],
)
def test_a_kill_while_a_file_is_written(table: Path, tmp_path: Path, name: str, write: int) -> None:
    assert in_fresh_process(train_anew, table, tmp_path / "whole") == 0
    assert in_fresh_process(kill_in_write, table, tmp_path / "d", name, write) == -signal.SIGKILL
    assert not (tmp_path / "d/detector.json").exists()
    assert in_fresh_process(train_anew, table, tmp_path / "d", resume=True) == 0
    assert_same_run(tmp_path / "d", tmp_path / "whole")
    assert not list((tmp_path / "d").rglob("*.partial"))


@pytest.mark.slow
def test_two_processes_train_one_detector(table: Path, tmp_path: Path) -> None:
    assert in_processes(2, train_anew, table, tmp_path / "d") == [0, 0]
    assert weights(tmp_path / "d") and len(read_log(tmp_path / "d/log.csv")) == 2


@pytest.mark.slow
def test_training_learns(tmp_path: Path) -> None:
    table = draw(tmp_path / "photos", 24)
    changes = {"one_class": True, "annotated": "all", "zoom": 0.8, "lr": 1e-3, "schedule": "constant"}
    summary = train(table, tmp_path / "d", epochs=24, validate_every=12, batch_size=6, side=96, holdout=0.2, **changes)
    assert summary.validation["AP50"] > 0.4, summary.validation


def test_the_best_weights_are_kept(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([0.2, 0.7, 0.4])
    monkeypatch.setattr(train_detector, "_scores", lambda *_: dict.fromkeys(recorder.SCORES, next(values)))
    summary = train(table, tmp_path / "d", epochs=3)
    assert summary.validation["mAP"] == 0.7 and summary.validation["epoch"] == 2 and summary.epochs == 3
    best, about = models.read_tensors(tmp_path / "d/checkpoints/best.safetensors")
    assert about["epoch"] == 2 and all(tensor.equal(best[name]) for name, tensor in weights(tmp_path / "d").items())
    assert models.read_tensors(tmp_path / "d/checkpoints/last.safetensors")[1]["epoch"] == 3


def test_stopping_early_is_said(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "fashret")
    values = iter([0.7, 0.4])
    monkeypatch.setattr(train_detector, "_scores", lambda *_: dict.fromkeys(recorder.SCORES, next(values)))
    assert train(table, tmp_path / "d", epochs=3, patience=1).epochs == 2
    assert "stopped early: 1 validation without a better mAP" in caplog.text


def test_resume_of_a_finished_run_does_nothing(table: Path, tmp_path: Path) -> None:
    train(table, tmp_path / "d")
    before = weights(tmp_path / "d")
    summary = train(table, tmp_path / "d", resume=True)
    assert summary.steps == 6 and all(tensor.equal(before[name]) for name, tensor in weights(tmp_path / "d").items())
    with pytest.raises(FashretError, match=r"--epochs 2 → 3"):
        train(table, tmp_path / "d", resume=True, epochs=3)


@pytest.mark.slow
def test_interrupts_wait_for_the_step(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = train_detector.train

    def with_signal(run: Any, batches: Any, learning: Any, machine: Any, after_step: Any) -> None:
        def after(run: Any, batch: Any) -> None:
            if run.step == 2:
                signal.raise_signal(signal.SIGINT)
            after_step(run, batch)

        real(run, batches, learning, machine, after)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(train_detector, "train", with_signal)
        train(table, tmp_path / "d")
    assert models.read_training_state(tmp_path / "d/checkpoints/last.pt")["run"]["step"] == 2
    train(table, tmp_path / "d", resume=True)
    train(table, tmp_path / "whole")
    assert_same_run(tmp_path / "d", tmp_path / "whole")


def test_other_arithmetic(table: Path, tmp_path: Path) -> None:
    train(table, tmp_path / "d", precision="bf16", epochs=1)
    assert json.loads((tmp_path / "d/detector.json").read_text())["precision"] == "bf16"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--architecture", "maskrcnn_resnet50_fpn_v2"], "learns masks, and photos has none"),
        (["--weights", "gone.pth"], "--weights gone.pth: no such file; give none, or the path of a file"),
        (["--side", "9"], "size 9: must be 32 to 2,048 pixels"),
        (["--zoom", "0"], "--zoom 0: must be 0.1 to 1"),
        (["--device", "tpu"], "--device tpu: write auto, cpu"),
        (["--resume", "--restart"], "exclude each other"),
    ],
)
def test_nonsense_is_one_line_and_leaves_nothing(table: Path, tmp_path: Path, words: list[str], message: str) -> None:
    done = invoke("train-detector", table, "-o", tmp_path / "d", *words)
    assert done.returncode == 1 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / "d").exists()


def test_the_command_prints_its_summary(table: Path, tmp_path: Path) -> None:
    words = ["--architecture", ARCHITECTURE, "--side", 64, "--epochs", 1, "--batch-size", 3, "--one-class", "--json"]
    done = invoke("train-detector", table, "-o", tmp_path / "d", "--device", "cpu", *words)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["classes"] == ["garment"] and summary["photos"] == 7 and summary["validation"]["epoch"] == 1


def test_a_model_is_not_overwritten(table: Path, tmp_path: Path) -> None:
    models.write_model(tmp_path, {"a": torch.zeros(1)}, {"settings": {"backbone": "x"}})
    with pytest.raises(FashretError, match="holds a model; give another folder for the detector"):
        train(table, tmp_path)


@pytest.mark.slow
def test_masks_are_learned_from_polygons(tmp_path: Path) -> None:
    table = draw(tmp_path / "photos", 4)
    rows = list(csv.DictReader(table.open()))
    notes = []
    for i, row in enumerate(rows):
        x1, y1, x2, y2 = (int(row[name]) for name in ("x1", "y1", "x2", "y2"))
        polygon = [[x1, y1, x2, y1, x2, y2, x1, y2]]
        notes.append({"image_id": i, "category_id": 1, "bbox": [x1, y1, x2 - x1, y2 - y1], "segmentation": polygon})
    notes.append({"image_id": 0, "category_id": 1, "bbox": [1, 1, 9, 9], "segmentation": {"counts": "a"}})
    images = [{"id": i, "file_name": row["image"]} for i, row in enumerate(rows)]
    content = {"images": images, "annotations": notes, "categories": [{"id": 1, "name": "bag"}]}
    (tmp_path / "notes.json").write_text(json.dumps(content))
    options = tiny(architecture="maskrcnn_resnet50_fpn_v2", epochs=1, root=table.parent)
    summary = train_detector.run(str(tmp_path / "notes.json"), tmp_path / "d", options)
    assert summary is not None and summary.boxes == 3 and "loss_mask" in read_log(tmp_path / "d/log.csv")[0]
    [found] = open_detector(tmp_path / "d", "cpu").find([np.zeros((64, 70, 3), np.uint8)])
    assert found.masks is not None and found.masks.shape == (len(found.boxes), 64, 70)
