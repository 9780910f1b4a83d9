"""Several processes train and embed as one would."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fashret.files import models
from fashret.files.embeddings import open_embeddings
from fashret.loading import processes
from tests.training_case import embed_in_process, in_fresh_process, in_processes, train_in_process, write_training_crops


def test_alone_nothing_is_exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert processes.place() == processes.Place(0, 1, 0) and processes.place().first
    values = torch.tensor([1.0, 3.0])
    with processes.together(torch.device("cpu")) as place:
        assert place.first and not torch.distributed.is_initialized()
        assert processes.gather(values, 1) is values
        processes.average_(values, 1)
        processes.wait(1)
    assert values.tolist() == [1.0, 3.0]


def test_torchrun_says_which_process_this_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("RANK", "4"), ("WORLD_SIZE", "8"), ("LOCAL_RANK", "0")):
        monkeypatch.setenv(name, value)
    assert processes.place() == processes.Place(4, 8, 0) and not processes.place().first


# augmentation and dropout off, batch-norm statistics frozen: what is left must be the same up to rounding
PLAIN: dict[str, Any] = {
    "backbone": "tiny-plain",
    "neck": "none",
    "freeze_bn": True,
    "flip": 0.0,
    "pad": 0,
    "erase": 0.0,
    "optimiser": "sgd",
    "batch_products": 4,
    "warmup": 0,
    "loss": ("softmax", "triplet", "quadruplet", "center:weight=0.01", "arcface:weight=0.1"),
}


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_training_crops(tmp_path_factory.mktemp("crops") / "a.crops.h5")


def losses_and_weights(folder: Path) -> tuple[list[float], dict[str, torch.Tensor], int]:
    with (folder / "log.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    return [float(line["loss"]) for line in lines], models.open_model(folder).weights(), int(lines[-1]["step"])


@pytest.mark.parametrize(
    "changes",
    [
        {"validate_every": 3},
        pytest.param({"accumulate": 2, "freeze": 1}, marks=pytest.mark.slow),
        pytest.param(
            {"batch_products": 0, "batch_images": 8, "loss": ("softmax", "center:weight=0.01")}, marks=pytest.mark.slow
        ),
    ],
)
def test_two_processes_train_as_one(crops: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    options = PLAIN | {"epochs": 3} | changes
    assert in_fresh_process(train_in_process, crops, tmp_path / "one", **options) == 0
    assert in_processes(2, train_in_process, crops, tmp_path / "two", **options) == [0, 0]
    (loss, weights, steps), (other_loss, other, _) = map(losses_and_weights, (tmp_path / "one", tmp_path / "two"))
    assert steps >= 5
    assert other_loss == pytest.approx(loss, abs=1e-5)
    assert max(float(tensor.abs().max()) for tensor in weights.values()) > 0.01
    for name, tensor in weights.items():
        torch.testing.assert_close(other[name], tensor, rtol=0, atol=1e-4)
    scores = [models.open_model(tmp_path / name).about["validation"] for name in ("one", "two")]
    assert scores[0] == pytest.approx(scores[1]) and bool(scores[0]) == ("validate_every" in changes)


def kill_one_rank(crops: Path, output: Path, **options: Any) -> None:
    """Rank 1 dies after its third step."""
    from fashret.learning import recorder

    real = recorder.Recorder.after_step

    def after_step(self: Any, run: Any, *rest: Any) -> None:
        if run.step == 3 and os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        real(self, run, *rest)

    recorder.Recorder.after_step = after_step  # type: ignore[method-assign]
    train_in_process(crops, output, **options)


@pytest.mark.slow
def test_a_dead_process_stops_the_others_and_the_run_goes_on(crops: Path, tmp_path: Path) -> None:
    options = PLAIN | {"epochs": 2}
    assert in_fresh_process(train_in_process, crops, tmp_path / "one", **options) == 0
    codes = in_processes(2, kill_one_rank, crops, tmp_path / "two", **options)
    assert codes[0] not in (0, -signal.SIGKILL) and codes[1] == -signal.SIGKILL
    assert in_processes(2, train_in_process, crops, tmp_path / "two", **options, resume=True) == [0, 0]
    (_, weights, steps), (_, other, other_steps) = map(losses_and_weights, (tmp_path / "one", tmp_path / "two"))
    assert steps == other_steps
    for name, tensor in weights.items():
        torch.testing.assert_close(other[name], tensor, rtol=0, atol=1e-4)


DRIVER = """
import os, pathlib, sys
import torch
from fashret.loading.processes import together
from tests.loading.test_processes import kill_one_rank
from tests.training_case import train_in_process, embed_in_process
crops, folder = map(pathlib.Path, sys.argv[1:])
first = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
with together(torch.device("cpu")):  # once for both stages
    (kill_one_rank if first else train_in_process)(crops, folder / "m", resume=True, batch_products=4)
    embed_in_process(crops, folder / "two.emb.h5", model=(folder / "m",), batch_size=5)
"""


@pytest.mark.slow
def test_torchrun_starts_again_and_resumes(crops: Path, tmp_path: Path) -> None:
    (tmp_path / "driver.py").write_text(DRIVER)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=1"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, str(tmp_path / "driver.py"), str(crops), str(tmp_path)],
        capture_output=True, text=True, timeout=300, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-20000:]
    assert models.open_model(tmp_path / "m").about["epochs"] == 2
    assert (
        in_fresh_process(embed_in_process, crops, tmp_path / "one.emb.h5", model=(tmp_path / "m",), batch_size=5) == 0
    )
    with open_embeddings(tmp_path / "one.emb.h5") as one, open_embeddings(tmp_path / "two.emb.h5") as two:
        np.testing.assert_array_equal(two.vectors, one.vectors)
        np.testing.assert_array_equal(two.crop_id, one.crop_id)
        assert two.model["digest"] == one.model["digest"]
    assert sorted(path.name for path in tmp_path.glob("*.h5*")) == ["one.emb.h5", "two.emb.h5"]
