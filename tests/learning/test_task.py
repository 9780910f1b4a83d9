"""What is to be trained: checked before any work, the same when a run is resumed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch

from fashret.errors import FashretError
from fashret.files.crops import open_crops
from fashret.learning.steps import Machine
from fashret.learning.task import FREE, Task, begin, check_same, make_task, model_folder, network_settings
from fashret.options import TrainOptions
from tests.training_case import TRAIN_PRODUCTS, add_tiny_backbone, tiny_options, write_training_crops


@pytest.fixture(autouse=True)
def tiny() -> None:
    add_tiny_backbone()


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_training_crops(tmp_path_factory.mktemp("crops") / "a.crops.h5")


def task_of(crops: Path, output: Path, **changes: Any) -> Task:
    with open_crops(crops) as file:
        return make_task(file, output, tiny_options(**changes), Machine(torch.device("cpu")))


def test_a_task_knows_its_crops_and_its_files(crops: Path, tmp_path: Path) -> None:
    task = task_of(crops, tmp_path / "m")
    assert task.trained_on["dataset"] == "test" and task.trained_on["name"] == "a.crops.h5"
    assert len(task.rows.products) == TRAIN_PRODUCTS and task.crop_size == 16
    assert task.last == tmp_path / "m/checkpoints/last.pt" and task.best.parent == task.last.parent


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"accumulate": 0}, "--accumulate 0: must be 1 or more"),
        ({"checkpoint_every": -1}, "--checkpoint-every -1: must be 0 or more"),
        ({"freeze": -1}, "--freeze -1: must be 0 or more"),
        ({"sync_bn": True}, "--sync-bn: only on GPUs, not on cpu"),
        ({"resume": True, "restart": True}, "exclude each other"),
        ({"seed": -1}, "--seed"),
    ],
)
def test_what_makes_no_sense_is_said_before_any_work(
    crops: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(FashretError, match=message):
        task_of(crops, tmp_path / "m", **changes)
    assert list(tmp_path.iterdir()) == []


def test_the_identity_is_of_what_decides_the_weights(crops: Path, tmp_path: Path) -> None:
    task = task_of(crops, tmp_path / "m")
    other = task_of(crops, tmp_path / "n", workers=3, checkpoint_every=9, resume=True, tensorboard=True)
    assert task.identity == other.identity and not set(FREE) & set(task.identity)
    for changes in ({"lr": 0.5}, {"seed": 1}, {"epochs": 3}, {"flip": 0.1}):
        assert task_of(crops, tmp_path / "m", **changes).identity != task.identity
    names = {field.name for field in dataclasses.fields(TrainOptions)}
    assert set(task.identity) == names - set(FREE) | {"digest of the crops"}


def test_what_differs_is_listed(crops: Path, tmp_path: Path) -> None:
    task = task_of(crops, tmp_path / "m")
    check_same(task, task.identity)
    with pytest.raises(FashretError, match="lr 0.5 → 0.01"):
        check_same(task, task.identity | {"lr": 0.5})
    with pytest.raises(FashretError, match="seed 1 → 0; --old 7 → None"):
        check_same(task, task.identity | {"old": 7, "seed": 1})


@pytest.mark.parametrize(
    ("before", "now", "same"),
    [
        ("quadruplet", "quadruplet", False),
        ("quadruplet", "quadruplet:margin1=1.0,margin2=0.5,normalise=no", True),
        ("quadruplet:margin1=0.4", "quadruplet:margin1=0.4,margin2=0.5,normalise=no", True),
        ("triplet:margin=0.3", "triplet", True),
    ],
)
def test_a_run_of_version_0_1_goes_on_with_its_own_loss(
    crops: Path, tmp_path: Path, before: str, now: str, same: bool
) -> None:
    task = task_of(crops, tmp_path / "m", loss=("softmax", now))
    begun = {name: value for name, value in task.identity.items() if name != "holdout"} | {"loss": ["softmax", before]}
    if same:
        check_same(task, begun)
    else:
        with pytest.raises(FashretError, match=r"--loss .*margin1=1.0,margin2=0.5,normalise=no'\] → .*'quadruplet'\]"):
            check_same(task, begun)


def test_an_interrupted_run_is_kept_unless_it_is_resumed_or_restarted(crops: Path, tmp_path: Path) -> None:
    task = task_of(crops, tmp_path / "m")
    with model_folder(task):
        assert task.last.parent.is_dir()
        task.last.write_bytes(b"a checkpoint")
    with pytest.raises(FashretError, match="interrupted run.*--resume.*--restart"), model_folder(task):
        pass
    with model_folder(task_of(crops, tmp_path / "m", resume=True)):
        assert task.last.exists()
    with model_folder(task_of(crops, tmp_path / "m", restart=True)):
        assert not task.last.exists()


def test_one_run_trains_in_a_folder(crops: Path, tmp_path: Path) -> None:
    task = task_of(crops, tmp_path / "m")
    with model_folder(task):
        assert "is writing it; wait for it" in _train_too(task_of(crops, tmp_path / "m"))
        task.last.write_bytes(b"a checkpoint")
        assert "is writing it; wait for it" in _train_too(task_of(crops, tmp_path / "m", restart=True))
    assert task.last.exists()


def _train_too(task: Task) -> str:
    """What another run is told, in a thread of its own: within one, a run may ask again."""
    said = []

    def run() -> None:
        try:
            with model_folder(task):
                said.append("both train")
        except FashretError as error:
            said.append(str(error))

    thread = Thread(target=run)
    thread.start()
    thread.join()
    return said[0]


def test_a_run_that_made_nothing_leaves_nothing(crops: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyError), model_folder(task_of(crops, tmp_path / "m")):
        raise KeyError
    assert not (tmp_path / "m").exists()
    (tmp_path / "m").mkdir()
    with pytest.raises(KeyError), model_folder(task_of(crops, tmp_path / "m", resume=True)):
        raise KeyError
    assert list((tmp_path / "m").iterdir()) == []


def test_a_file_is_no_folder_for_a_model(crops: Path, tmp_path: Path) -> None:
    (tmp_path / "m").touch()
    refused = pytest.raises(FashretError, match="is a file; give a folder for the model")
    with refused, model_folder(task_of(crops, tmp_path / "m")):
        pass


def test_a_run_begins_as_it_was_saved(crops: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    task = task_of(crops, tmp_path / "m", resume=True)
    task.last.parent.mkdir(parents=True)
    run = begin(task)
    assert run.step == 0 and run.network.classifier is not None
    with torch.no_grad():
        run.network.backbone.conv.weight.fill_(0.25)
    run.step, run.epoch = 5, 1
    task.save(run)
    with caplog.at_level("INFO", "fashret"):
        again = begin(task)
    assert again.step == 5 and bool((again.network.backbone.conv.weight == 0.25).all())
    assert "after step 5, in epoch 2" in caplog.text
    with pytest.raises(FashretError, match="lr 0.01 → 0.5"):
        begin(task_of(crops, tmp_path / "m", resume=True, lr=0.5))


def test_only_losses_on_logits_need_a_classifier(crops: Path, tmp_path: Path) -> None:
    for losses, there in ((("triplet",), False), (("softmax",), True)):
        run = begin(task_of(crops, tmp_path / losses[0], loss=losses))
        assert (run.network.classifier is not None) == there


def test_the_network_is_the_one_that_the_options_describe() -> None:
    options = tiny_options(pooling="gem", neck="none", dim=7, fit="pad", seed=3)
    settings = network_settings(options, 5)
    assert (settings.pooling, settings.neck, settings.dim, settings.classes) == ("gem", "none", 7, 5)
    assert (settings.fit, settings.seed, settings.height, settings.width) == ("pad", 3, 16, 16)
    assert network_settings(tiny_options(dim=0), 5).dim is None
