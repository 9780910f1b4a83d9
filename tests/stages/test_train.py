"""`fashret train`: folders, resume after kills, refusals, workers, validation."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import random
import re
import signal
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from fashret.errors import FashretError
from fashret.files import models
from fashret.files.columns import Role, text_array
from fashret.files.crops import open_crops
from fashret.learning import recorder, task
from fashret.learning.steps import Machine
from fashret.models.embedder import Embedder
from fashret.stages import train
from tests.conftest import invoke, make_rows, write_crops
from tests.files.test_models import full_disk
from tests.training_case import (
    IMAGES,
    TRAIN_PRODUCTS,
    TinyNet,
    add_tiny_backbone,
    die_in_write,
    in_fresh_process,
    tiny_options,
    train_in_process,
    write_training_crops,
)


@pytest.fixture(autouse=True)
def tiny_backbone() -> None:
    add_tiny_backbone()


@pytest.fixture(autouse=True)
def curves_are_drawn_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The picture of its curves takes four times as long as a tiny run; one test has it drawn."""
    if request.function is not test_a_run_writes_its_folder:
        monkeypatch.setattr(train, "draw_curves", lambda lines, path: None)


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_training_crops(tmp_path_factory.mktemp("crops") / "a.crops.h5")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return models.open_model(folder).weights()


def log_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def timeless(lines: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{k: v for k, v in line.items() if k not in ("seconds", "images_per_second")} for line in lines]


class Stop(BaseException):
    """Stands in for whatever ends a process."""


def test_a_run_writes_its_folder(crops: Path, tmp_path: Path) -> None:
    summary = train.run(crops, tmp_path / "model", tiny_options(validate_every=1))
    assert summary is not None
    model = models.open_model(tmp_path / "model")
    assert model.about["classes"] == [f"p{i}" for i in range(TRAIN_PRODUCTS)]
    assert model.about["trained_on"]["dataset"] == "test" and model.about["trained_on"]["name"] == "a.crops.h5"
    assert model.images_per_product == model.about["trained_on"]["images_per_product"] == IMAGES
    assert model.about["threads"] == summary.threads == 1 and summary.precision == "float32"
    assert model.settings["classes"] == TRAIN_PRODUCTS and model.settings["backbone"] == "tiny"
    assert set(model.weights()) == set(task.start(task.network_settings(tiny_options(), 6)).state_dict())
    lines = log_of(tmp_path / "model")
    assert [line["epoch"] for line in lines] == ["1", "2"] and summary.steps == int(lines[-1]["step"])
    assert 0 <= float(lines[-1]["mAP"]) <= float(lines[-1]["Acc@5"]) <= 1
    parts = sum(float(lines[0][name]) for name in ("softmax", "triplet", "center"))
    assert float(lines[0]["loss"]) == pytest.approx(parts, rel=1e-4)
    assert (tmp_path / "model" / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "model" / "checkpoints" / "last.pt").exists()


def test_training_learns(crops: Path, tmp_path: Path) -> None:
    options = tiny_options(epochs=12, erase=0.0, pad=0, validate_every=0)
    train.run(crops, tmp_path / "model", options)
    lines = log_of(tmp_path / "model")
    assert float(lines[-1]["loss"]) < 0.8 * float(lines[0]["loss"])
    assert float(lines[-1]["accuracy"]) > 0.5 > float(lines[0]["accuracy"])


def test_the_best_weights_are_kept(crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([0.6, 0.3, 0.7, 0.7, 0.5])  # the first one before training
    monkeypatch.setattr(train, "score", lambda *_: dict.fromkeys(train.SCORES, next(scores)))
    states: list[dict[str, torch.Tensor]] = []
    real = recorder.Recorder._end_epoch

    def end_epoch(self: Any, run: Any, epoch: int) -> None:
        states.append({name: tensor.clone() for name, tensor in run.network.state_dict().items()})
        real(self, run, epoch)

    monkeypatch.setattr(recorder.Recorder, "_end_epoch", end_epoch)
    summary = train.run(crops, tmp_path / "m", tiny_options(epochs=4, validate_every=1))
    assert summary is not None and summary.validation["mAP"] == 0.7 and summary.validation["epoch"] == 2
    assert summary.before_training["mAP"] == 0.6 and not summary.worse_than_start
    assert models.open_model(tmp_path / "m").about["start"]["mAP"] == 0.6
    assert models.read_tensors(tmp_path / "m" / "checkpoints" / "best.safetensors")[1]["epoch"] == 2
    assert models.open_model(tmp_path / "m").about["validation"]["epoch"] == 2 and summary.epochs == 4
    assert all(tensor.equal(states[1][name]) for name, tensor in weights(tmp_path / "m").items())
    last, about = models.read_tensors(tmp_path / "m" / "checkpoints" / "last.safetensors")
    assert about["epoch"] == 4 and all(tensor.equal(states[3][name]) for name, tensor in last.items())


def test_a_model_worse_than_its_start_is_named_so(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scores = iter([0.6, 0.3, 0.5])
    monkeypatch.setattr(train, "score", lambda *_: dict.fromkeys(train.SCORES, next(scores)))
    summary = train.run(crops, tmp_path / "m", tiny_options(validate_every=1))
    assert summary is not None and summary.worse_than_start
    assert models.open_model(tmp_path / "m").about["worse_than_start"] is True
    assert "is worse than the network it started from: mAP 0.5000, before training 0.6000" in caplog.text


def test_training_stops_when_validations_get_no_better(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scored() -> None:
        values = iter([0.1, 0.3, 0.2, 0.5, 0.4, 0.5, 0.6])
        monkeypatch.setattr(train, "score", lambda *_: dict.fromkeys(train.SCORES, next(values)))

    options = tiny_options(epochs=9, validate_every=1, patience=2)
    scored()
    summary = train.run(crops, tmp_path / "m", options)
    assert summary is not None and (summary.epochs, summary.validation["epoch"]) == (5, 3)
    scored()  # killed when it has stopped, before its model is written
    with monkeypatch.context() as patch, pytest.raises(Stop):
        patch.setattr(train, "_write_model", lambda *_: (_ for _ in ()).throw(Stop()))
        train.run(crops, tmp_path / "again", options)
    train.run(crops, tmp_path / "again", dataclasses.replace(options, resume=True))
    assert_same_run(tmp_path / "again", tmp_path / "m")
    again, whole = (models.open_model(tmp_path / name).about for name in ("again", "m"))
    assert again["steps"] == whole["steps"] == summary.steps  # not one more


def test_the_same_products_are_held_out_after_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = make_rows(33, product=text_array(f"p{i // 4}" for i in range(33)), role=np.full(33, 1, np.uint8))
    crops = write_crops(tmp_path / "a.crops.h5", rows, size=16)  # p8 has one image
    values = {"holdout": 0.25, "validate_every": 1, "seed": 3}
    summary = train.run(crops, tmp_path / "whole", tiny_options(**values))
    about = models.open_model(tmp_path / "whole").about
    assert summary is not None and summary.validation and summary.products == 7
    assert len(about["held_out"]) == 2 and not {*about["held_out"], "p8"} <= {*about["classes"]}
    assert set(about["held_out"]) | set(about["classes"]) == {f"p{i}" for i in range(9)}
    interrupted(crops, tmp_path / "m", monkeypatch, **values)
    train.run(crops, tmp_path / "m", tiny_options(**values, resume=True))
    assert_same_run(tmp_path / "m", tmp_path / "whole")
    assert models.open_model(tmp_path / "m").about["held_out"] == about["held_out"]


def test_products_are_only_held_out_where_there_is_nothing_else_to_validate_on(crops: Path, tmp_path: Path) -> None:
    train.run(crops, tmp_path / "m", tiny_options(holdout=0.5, validate_every=1))
    assert models.open_model(tmp_path / "m").about["held_out"] == []
    train.run(crops, tmp_path / "n", tiny_options(holdout=0.5, validate_every=0))
    assert models.open_model(tmp_path / "n").about["held_out"] == []


def test_steps_are_reached_in_whole_epochs_and_the_rate_follows_them(crops: Path, tmp_path: Path) -> None:
    options = tiny_options(total_steps=9, epochs=50, schedule="cosine", warmup=0)
    summary = train.run(crops, tmp_path / "m", options)
    assert summary is not None and (summary.steps, summary.epochs) == (11, 3)
    last_steps = [int(line["step"]) - 1 for line in log_of(tmp_path / "m")]
    assert last_steps == [3, 6, 10]  # of 4, 3 and 4
    rates = [float(line["learning_rate"]) for line in log_of(tmp_path / "m")]
    assert rates == pytest.approx([0.01 * (1 + np.cos(np.pi * step / 11)) / 2 for step in last_steps])


def test_validation_scores_against_brute_force() -> None:
    random_numbers = np.random.default_rng(3)
    product = np.array([0, 0, 1, 1, 1, 2, -1, 3, 0])
    query = np.array([1, 0, 1, 0, 1, 1, 0, 0, 1], bool)
    gallery = np.array([0, 1, 1, 1, 1, 0, 1, 1, 1], bool)
    vectors = random_numbers.normal(size=(9, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[3] = vectors[2]
    role = (query * int(Role.VAL_QUERY) + gallery * int(Role.VAL_GALLERY)).astype(np.uint8)
    found = train.score(vectors, train.Validation(np.arange(9), role, product))
    precisions, firsts = [], []
    for q in np.flatnonzero(query):
        candidates = [g for g in np.flatnonzero(gallery) if g != q]
        ranked = sorted(candidates, key=lambda g: (float(1 - vectors[q].astype(float) @ vectors[g].astype(float)), g))
        hits = [rank for rank, g in enumerate(ranked, 1) if product[g] == product[q] >= 0]
        if hits:
            precisions.append(np.mean([(i + 1) / rank for i, rank in enumerate(hits)]))
            firsts.append(hits[0])
    expected = {"mAP": np.mean(precisions)} | {f"Acc@{k}": np.mean(np.array(firsts) <= k) for k in train.KS}
    assert found == pytest.approx(expected)


def test_a_model_that_trains_on_all_products_is_compared_with_its_start_on_some_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rows = make_rows(12, product=text_array(f"p{i // 4}" for i in range(12)), role=np.full(12, 1, np.uint8))
    crops = write_crops(tmp_path / "a.crops.h5", rows, size=16)
    values = {"epochs": 2, "validate_every": 1, "holdout": 0.0}
    with caplog.at_level("INFO", "fashret"):
        summary = train.run(crops, tmp_path / "m", tiny_options(**values))
    assert summary is not None and summary.products == 3 and summary.validated_on == "3 of the products trained on"
    assert summary.before_training["mAP"] > 0 and summary.validation["step"] == summary.steps  # the last weights
    assert "mAP" not in log_of(tmp_path / "m")[0] and "compared with the first on 3 of the products" in caplog.text
    with open_crops(crops) as file:
        asked = task.make_task(file, tmp_path / "m", tiny_options(**values), Machine(torch.device("cpu")))
    assert asked.validation is not None
    assert train._scores(asked, task.begin(asked), asked.validation, 0) == summary.before_training
    interrupted(crops, tmp_path / "again", monkeypatch, **values)
    train.run(crops, tmp_path / "again", tiny_options(**values, resume=True))
    again, whole = (models.open_model(tmp_path / name).about for name in ("again", "m"))
    assert again["start"] == whole["start"] and again["validation"] == whole["validation"]


def test_what_cannot_be_compared_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = make_rows(5, product=text_array("aaabc"), role=np.full(5, 1, np.uint8))
    crops = write_crops(tmp_path / "a.crops.h5", rows, size=16)
    options = tiny_options(validate_every=1, holdout=0.1, batch_products=0, batch_images=3, loss=("softmax",))
    summary = train.run(crops, tmp_path / "m", options)
    assert summary is not None and summary.validation == {} == summary.before_training
    assert "too few products of two images to hold any out, and nothing tells whether" in caplog.text


@pytest.fixture(scope="module")
def uninterrupted(crops: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A finished run, and how many Python calls it took."""
    folder = tmp_path_factory.mktemp("whole")
    report = folder / "calls"
    assert in_fresh_process(count_calls, crops, folder / "model", report, validate_every=1) == 0
    return folder / "model", int(report.read_text())


def count_calls(crops: Path, output: Path, report: Path, **changes: Any) -> None:
    report.write_text(str(train_in_process(crops, output, counting=True, **changes)))


@pytest.mark.slow
def test_kills_at_random_points_lose_nothing(crops: Path, tmp_path: Path, uninterrupted: tuple[Path, int]) -> None:
    """kill -9 at any Python call; the resumed run ends with the same bits as one that was left alone."""
    whole, calls = uninterrupted
    points = random.Random(7)
    kills = 0
    while kills < 12:
        at = points.randrange(calls // 3)
        if in_fresh_process(train_in_process, crops, tmp_path / "m", kill_at=at, resume=True, validate_every=1) == 0:
            break  # the last leg was short enough
        kills += 1
        assert not (tmp_path / "m" / "model.json").exists()
    assert kills >= 10
    assert in_fresh_process(train_in_process, crops, tmp_path / "m", resume=True, validate_every=1) == 0
    assert_same_run(tmp_path / "m", whole)


def assert_same_run(folder: Path, whole: Path) -> None:
    expected = weights(whole)
    assert all(tensor.equal(expected[name]) for name, tensor in weights(folder).items())
    assert models.open_model(folder).digest == models.open_model(whole).digest
    assert timeless(log_of(folder)) == timeless(log_of(whole))


def kill_in_write(crops: Path, output: Path, name: str, write: int) -> None:
    die_in_write(name, write)
    train_in_process(crops, output, resume=True, validate_every=1)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to know which file is written")
@pytest.mark.parametrize(
    ("name", "write"),
    [("last.pt", 6), ("best.safetensors", 1), ("model.safetensors", 1), ("model.json", 1)],
)
def test_a_kill_while_a_file_is_written(
    crops: Path, tmp_path: Path, uninterrupted: tuple[Path, int], name: str, write: int
) -> None:
    assert in_fresh_process(kill_in_write, crops, tmp_path / "m", name, write) == -signal.SIGKILL
    assert not (tmp_path / "m" / "model.json").exists()
    assert in_fresh_process(train_in_process, crops, tmp_path / "m", resume=True, validate_every=1) == 0
    assert_same_run(tmp_path / "m", uninterrupted[0])
    assert not list((tmp_path / "m").rglob("*.partial"))


def interrupted(crops: Path, output: Path, monkeypatch: pytest.MonkeyPatch, after: int = 3, **changes: Any) -> None:
    """A run that ends without warning after some steps."""
    real = recorder.Recorder.after_step

    def after_step(self: Any, run: Any, *rest: Any) -> None:
        real(self, run, *rest)
        if run.step == after:
            raise Stop

    with monkeypatch.context() as patch, pytest.raises(Stop):
        patch.setattr(recorder.Recorder, "after_step", after_step)
        train.run(crops, output, tiny_options(**changes))


@pytest.mark.parametrize("changes", [{"workers": 2}, {"accumulate": 2, "freeze": 1}, {"precision": "bf16"}])
def test_a_resumed_run_is_the_same_with_other_options_too(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    """With worker processes too, and whatever their number: a resumed run may have another."""
    train.run(crops, tmp_path / "whole", tiny_options(**(changes | {"workers": 0})))
    interrupted(crops, tmp_path / "m", monkeypatch, **changes)
    train.run(crops, tmp_path / "m", tiny_options(**changes, resume=True))
    assert_same_run_but_identity(tmp_path / "m", tmp_path / "whole")


def assert_same_run_but_identity(folder: Path, whole: Path) -> None:
    expected = weights(whole)
    assert all(tensor.equal(expected[name]) for name, tensor in weights(folder).items())
    assert timeless(log_of(folder)) == timeless(log_of(whole))


def test_a_checkpoint_in_the_middle_of_an_epoch(crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(crops, tmp_path / "m", monkeypatch, after=5, checkpoint_every=2)
    saved = models.read_training_state(tmp_path / "m" / "checkpoints" / "last.pt")["run"]
    assert saved["step"] == 4 and saved["epoch"] == 1 or saved["batch"] > 0


def test_a_resumed_run_names_the_epoch_it_is_in(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    interrupted(crops, tmp_path / "m", monkeypatch, after=2)
    with caplog.at_level("INFO", "fashret"):
        train.run(crops, tmp_path / "m", tiny_options(resume=True))
    assert "resuming after step 2, in epoch 1" in caplog.text
    assert [line["epoch"] for line in log_of(tmp_path / "m")] == ["1", "2"]


@pytest.mark.parametrize("checkpoint_every", [1, 0])
def test_a_checkpoint_is_promised_only_where_there_is_one(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkpoint_every: int
) -> None:
    real = train.train.__globals__["take_step"]

    def take_step(run: Any, *rest: Any) -> Any:
        result = real(run, *rest)
        return result._replace(loss=result.loss * torch.nan) if run.step == 2 else result

    monkeypatch.setitem(train.train.__globals__, "take_step", take_step)
    with pytest.raises(FashretError, match="the loss is nan at step 3 .*; try a lower --lr") as caught:
        train.run(crops, tmp_path / "m", tiny_options(checkpoint_every=checkpoint_every))
    there = (tmp_path / "m" / "checkpoints" / "last.pt").exists()
    assert there == bool(checkpoint_every)
    assert str(caught.value).endswith(", in a new folder; the last good checkpoint is kept") == there
    assert ("checkpoint" in str(caught.value)) == there


@pytest.mark.parametrize("validate_every", [1, 2])
def test_validation_vectors_that_are_not_finite(crops: Path, tmp_path: Path, validate_every: int) -> None:
    describe, calls = Embedder.describe, iter(range(9))

    def broken(self: Embedder, images: torch.Tensor) -> torch.Tensor:
        return describe(self, images) * (torch.nan if next(calls) else 1.0)  # not before training

    with pytest.MonkeyPatch.context() as patch, pytest.raises(FashretError, match="vectors are not finite") as caught:
        patch.setattr(Embedder, "describe", broken)
        train.run(crops, tmp_path / "m", tiny_options(validate_every=validate_every, checkpoint_every=0))
    assert ("checkpoint is kept" in str(caught.value)) == (validate_every == 2)  # that of the first epoch


def test_an_unfinished_run_is_not_thrown_away(crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(crops, tmp_path / "m", monkeypatch)
    with pytest.raises(FashretError, match="was left by an interrupted run: resume it with --resume"):
        train.run(crops, tmp_path / "m", tiny_options())
    assert (tmp_path / "m" / "checkpoints" / "last.pt").exists()
    summary = train.run(crops, tmp_path / "m", tiny_options(restart=True, epochs=1))
    assert summary is not None and summary.epochs == 1


def test_resume_with_changed_options_lists_them(crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(crops, tmp_path / "m", monkeypatch)
    with pytest.raises(FashretError, match=r"--lr 0.01 → 0.02; --seed 0 → 5"):
        train.run(crops, tmp_path / "m", tiny_options(resume=True, lr=0.02, seed=5, workers=1))
    other = write_training_crops(tmp_path / "b.crops.h5", seed=1)
    with pytest.raises(FashretError, match="cannot be resumed: other crops"):
        train.run(other, tmp_path / "m", tiny_options(resume=True))


def test_resume_of_a_finished_run_does_nothing(crops: Path, tmp_path: Path) -> None:
    first = train.run(crops, tmp_path / "m", tiny_options(resume=True))  # with nothing to resume it begins
    before = (tmp_path / "m" / "model.safetensors").stat().st_mtime_ns
    again = train.run(crops, tmp_path / "m", tiny_options(resume=True))
    assert first is not None and again is not None
    assert again.steps == first.steps and again.validation == first.validation
    assert (tmp_path / "m" / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(FashretError, match="epochs 2 → 3"):
        train.run(crops, tmp_path / "m", tiny_options(resume=True, epochs=3))


def test_a_damaged_checkpoint_is_one_line(crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(crops, tmp_path / "m", monkeypatch)
    last = tmp_path / "m" / "checkpoints" / "last.pt"
    last.write_bytes(last.read_bytes()[:-100])
    with pytest.raises(FashretError, match="the checkpoint is damaged"):
        train.run(crops, tmp_path / "m", tiny_options(resume=True))


def test_memory_that_does_not_suffice_loses_nothing(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train.run(crops, tmp_path / "whole", tiny_options(checkpoint_every=0))
    real, steps = train.train.__globals__["take_step"], []

    def take_step(*arguments: Any) -> Any:
        result = real(*arguments)
        steps.append(1)
        if len(steps) == 4:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return result

    with monkeypatch.context() as patch, pytest.raises(FashretError, match=r"6 images per batch at step 3; lower"):
        patch.setitem(train.train.__globals__, "take_step", take_step)
        train.run(crops, tmp_path / "m", tiny_options(checkpoint_every=0))
    train.run(crops, tmp_path / "m", tiny_options(checkpoint_every=0, resume=True))
    assert_same_run_but_identity(tmp_path / "m", tmp_path / "whole")


def test_memory_that_does_not_suffice_for_validation_loses_nothing(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*given: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    options = tiny_options(checkpoint_every=0, validate_every=1)
    with (
        monkeypatch.context() as patch,
        pytest.raises(
            FashretError, match="out of memory on cpu while validating after step .* with 64 crops per batch"
        ),
    ):
        patch.setattr(recorder.Recorder, "_end_epoch", no_room)
        train.run(crops, tmp_path / "m", options)
    train.run(crops, tmp_path / "m", dataclasses.replace(options, resume=True))
    train.run(crops, tmp_path / "whole", options)
    assert timeless(log_of(tmp_path / "m")) == timeless(log_of(tmp_path / "whole"))[1:]  # all but its first epoch


def test_a_finished_run_is_marked_as_newer_than_its_crops(crops: Path, tmp_path: Path) -> None:
    """So that make does not come back to it again and again."""
    train.run(crops, tmp_path / "m", tiny_options(epochs=1))
    os.utime(tmp_path / "m" / "model.json", (0, 0))
    train.run(crops, tmp_path / "m", tiny_options(epochs=1, resume=True))
    assert (tmp_path / "m" / "model.json").stat().st_mtime > 0


def test_a_full_disk_at_a_checkpoint_is_one_line(crops: Path, tmp_path: Path) -> None:
    train.run(crops, tmp_path / "small", tiny_options(epochs=1))
    with full_disk(1000), pytest.raises(FashretError, match=r"the disk is full or a size limit is reached"):
        train.run(crops, tmp_path / "m", tiny_options())
    assert not list((tmp_path / "m").rglob("*.partial")) and not (tmp_path / "m" / "model.json").exists()


def test_crops_that_change_under_way_stop_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crops = write_training_crops(tmp_path / "a.crops.h5")
    real = recorder.Recorder._end_epoch

    def end_epoch(self: Any, run: Any, epoch: int) -> None:
        write_training_crops(crops, seed=9)
        real(self, run, epoch)

    monkeypatch.setattr(recorder.Recorder, "_end_epoch", end_epoch)
    with pytest.raises(FashretError, match="changed while it was in use"):
        train.run(crops, tmp_path / "m", tiny_options())


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_crop_is_one_line(tmp_path: Path, workers: int) -> None:
    crops = write_training_crops(tmp_path / "a.crops.h5")
    with h5py.File(crops, "r+") as file:
        file["images"][2] = np.frombuffer(b"<html>not found</html>", np.uint8)
    with pytest.raises(FashretError, match="image of row 2 cannot be decoded") as caught:
        train.run(crops, tmp_path / "m", tiny_options(workers=workers))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"device": "cuda:7"}, "no GPU|counted from cuda:0"),
        ({"device": "toaster"}, "auto, cpu, cuda, cuda:N or mps"),
        ({"precision": "fp16"}, "slow on a CPU"),
        ({"precision": "int3"}, "there are auto, float32, bf16, fp16"),
        ({"accumulate": 0}, "--accumulate"),
        ({"workers": -2}, "--workers -2"),
        ({"sync_bn": True}, "only on GPUs"),
        ({"resume": True, "restart": True}, "exclude each other"),
        ({"batch_products": 50}, "batches of 50 products"),
        ({"batch_images": 1}, "needs two images"),
        ({"seed": -1}, "--seed -1: must be 0 or more"),
        ({"pooling": "cls"}, "tiny has no class token; use --pooling avg"),
        ({"flip": 1.5}, "--flip 1.5: must be 0 to 1"),
        ({"loss": ("nonsense",)}, "no loss 'nonsense'"),
        ({"backbone": "resnet1"}, "no backbone 'resnet1'"),
        ({"weights": "nowhere.pth"}, "no such file"),
    ],
)
def test_nonsense_is_one_line(crops: Path, tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(FashretError, match=words) as caught:
        train.run(crops, tmp_path / "m", tiny_options(**changes))
    assert "\n" not in str(caught.value) and not (tmp_path / "m" / "model.json").exists()


def test_crops_that_cannot_be_trained_on(tmp_path: Path) -> None:
    nothing = write_crops(tmp_path / "a.crops.h5", make_rows(4))
    with pytest.raises(FashretError, match="no row has the role train and a product \\(4 rows"):
        train.run(nothing, tmp_path / "m", tiny_options())
    one = write_crops(tmp_path / "b.crops.h5", make_rows(2, role=np.full(2, 1, np.uint8)))
    with pytest.raises(FashretError, match="only one product"):
        train.run(one, tmp_path / "m", tiny_options())
    with pytest.raises(FashretError, match="the folder .* does not exist"):
        train.run(write_training_crops(tmp_path / "c.crops.h5"), tmp_path / "no" / "m", tiny_options())
    with pytest.raises(FashretError, match="no such file"):
        train.run(tmp_path / "nowhere.h5", tmp_path / "m", tiny_options())


def test_small_crops_are_said(crops: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    train.run(crops, tmp_path / "m", tiny_options(input="32x24", epochs=1, validate_every=0))
    assert "16 pixels long, the input of tiny is 32x24" in caplog.text


def test_without_a_classifier_there_is_no_accuracy(crops: Path, tmp_path: Path) -> None:
    values = {"backbone": "small", "weights": "none", "input": "16x16", "loss": "triplet", "epochs": "1", "pad": "0"}
    flags = [text for name, value in values.items() for text in (f"--{name}", value)]
    command = ["train", crops, *flags, "--batch-products", "3", "--batch-images", "2", "--workers", "0"]
    done = invoke(*command, "--json", "-o", tmp_path / "a")
    assert json.loads(done.stdout, parse_constant=pytest.fail)["accuracy"] is None
    shown = invoke(*command, "--validate-every", "1", "-o", tmp_path / "b").stdout
    assert "accuracy" not in shown and "{" not in shown
    assert re.search(r"^validation +mAP [0-9.]+, Acc@1 [0-9.]+, .*, epoch 1, step \d+$", shown, re.MULTILINE)


def test_tensorboard_events(crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    options = tiny_options(epochs=3, tensorboard=True)
    interrupted(crops, tmp_path / "m", monkeypatch, after=5, epochs=3, tensorboard=True)
    train.run(crops, tmp_path / "m", dataclasses.replace(options, resume=True))
    events = EventAccumulator(str(tmp_path / "m"))
    events.Reload()
    lines = log_of(tmp_path / "m")
    found = {event.step: event.value for event in events.Scalars("loss")}
    assert found == pytest.approx({int(line["step"]): float(line["loss"]) for line in lines}, rel=1e-4)


def test_interrupts_wait_for_the_step(crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle of a step: the step ends, its checkpoint is written, nothing is lost."""
    real, steps = train.train.__globals__["take_step"], []

    def take_step(*arguments: Any) -> Any:
        result = real(*arguments)
        steps.append(1)
        if len(steps) == 3:
            signal.raise_signal(signal.SIGINT)
        return result

    train.run(crops, tmp_path / "whole", tiny_options(checkpoint_every=0))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setitem(train.train.__globals__, "take_step", take_step)
        train.run(crops, tmp_path / "m", tiny_options(checkpoint_every=0))
    assert models.read_training_state(tmp_path / "m" / "checkpoints" / "last.pt")["run"]["step"] == 3
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    train.run(crops, tmp_path / "m", tiny_options(checkpoint_every=0, resume=True))
    assert_same_run_but_identity(tmp_path / "m", tmp_path / "whole")


def test_a_loss_that_outweighs_and_a_collapse_are_said(
    crops: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    raw = ("softmax", "quadruplet:margin1=200,margin2=100,normalise=no")
    train.run(crops, tmp_path / "m", tiny_options(loss=raw))
    assert caplog.text.count("it decides alone; give it normalise=yes") == 1
    line = log_of(tmp_path / "m")[-1]
    assert float(line["norm"]) > 0 and float(line["distance"]) > 0
    caplog.clear()
    collapsed = tiny_options(loss=("triplet",), lr=1e-9)
    patch = pytest.MonkeyPatch()
    forward = TinyNet.forward
    calls = iter(range(99))
    patch.setattr(TinyNet, "forward", lambda self, x: forward(self, x) * (1e-6 if next(calls) else 1.0))
    with patch.context():
        train.run(crops, tmp_path / "n", collapsed)
    patch.undo()
    assert "epoch 2: the features have collapsed: the triplet loss is 0.3" in caplog.text
    caplog.clear()
    train.run(crops, tmp_path / "o", tiny_options())
    assert not caplog.text
