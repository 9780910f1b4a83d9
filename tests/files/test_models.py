"""Model folders and checkpoints: whole or not at all, never code, one line for what is wrong."""

from __future__ import annotations

import json
import os
import pickle
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from fashret.errors import FashretError
from fashret.files import models

TENSORS = {"a.weight": torch.arange(6, dtype=torch.float32).reshape(2, 3), "b": torch.tensor(7)}
ABOUT = {"settings": {"backbone": "tiny"}}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def full_disk(bytes_left: int) -> Iterator[None]:
    """Files cannot grow beyond a size, which the system reports as it reports a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_model_comes_back(tmp_path: Path) -> None:
    written = models.write_model(tmp_path, TENSORS, ABOUT)
    assert names(tmp_path) == ["model.json", "model.safetensors"]
    for path in (tmp_path, tmp_path / "model.json"):
        model = models.open_model(path)
        weights = model.weights()
        assert model.digest == written.digest and model.settings == {"backbone": "tiny"}
        assert all(torch.equal(weights[name], tensor) for name, tensor in TENSORS.items())


def test_the_digest_sees_names_shapes_types_and_values() -> None:
    base = {"a": torch.zeros(2, 2)}
    others = [{"b": torch.zeros(2, 2)}, {"a": torch.zeros(4)}, {"a": torch.zeros(2, 2, dtype=torch.int32)},
              {"a": torch.eye(2) * 1e-40}, {"a": torch.zeros(2, 2), "b": torch.zeros(0)}]  # fmt: skip
    digests = {models.weights_digest(tensors) for tensors in [base, *others]}
    assert len(digests) == 6
    assert models.weights_digest({"a": torch.zeros(2, 4)[:, ::2]}) == models.weights_digest(base)


def broken_model(folder: Path, how: str) -> Path:
    models.write_model(folder, TENSORS, ABOUT)
    file, weights = folder / "model.json", folder / "model.safetensors"
    if how == "no json":
        file.unlink()
    elif how == "unfinished":
        file.unlink()
        (folder / "checkpoints").mkdir()
    elif how == "json cut off":
        file.write_text(file.read_text()[:-20])
    elif how == "another json":
        file.write_text('{"name": "something"}')
    elif how == "newer":
        file.write_text(json.dumps(json.loads(file.read_text()) | {"format_version": 99}))
    elif how == "no weights":
        weights.unlink()
    elif how == "weights cut off":
        weights.write_bytes(weights.read_bytes()[:-5])
    elif how == "other weights":
        models.write_tensors(weights, {**TENSORS, "b": torch.tensor(8)})
    elif how == "no folder":
        return folder / "nowhere"
    elif how == "a file":
        return weights
    return folder


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("no json", "has no model.json; is it a folder that"),
        ("unfinished", "has no model.json; its training has not ended"),
        ("json cut off", "does not describe a model"),
        ("another json", "does not describe a model"),
        ("newer", "format version 99"),
        ("no weights", "no such file"),
        ("weights cut off", "is damaged"),
        ("other weights", "is not the file that model.json"),
        ("no folder", "no such model folder"),
        ("a file", "is a file, not a model folder"),
    ],
)
def test_a_bad_model_is_one_line(tmp_path: Path, how: str, words: str) -> None:
    with pytest.raises(FashretError, match=words) as caught:
        models.open_model(broken_model(tmp_path, how)).weights()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"options": json.loads("[" * 50 + "]" * 50)}, "JSON of more than 32 levels, so it does not describe a model"),
        ({"format_version": "x"}, "does not describe a model"),
        ({"format_version": None}, "does not describe a model"),
        ({"settings": []}, "does not describe a model"),
        ({"settings": "backbone"}, "does not describe a model"),
        ({"digest": 5}, "does not describe a model"),
        ({"trained_on": "bags"}, "does not describe a model"),
        ({"classes": 7}, "does not describe a model"),
    ],
)
def test_values_of_another_type_are_one_line(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    models.write_model(tmp_path, TENSORS, ABOUT)
    file = tmp_path / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(FashretError, match=words) as caught:
        models.open_model(file)
    assert "\n" not in str(caught.value)


def test_one_is_one(tmp_path: Path) -> None:
    models.write_model(tmp_path, TENSORS, ABOUT)
    file = tmp_path / "model.json"
    for version in (1.0, "1"):
        file.write_text(json.dumps(json.loads(file.read_text()) | {"format_version": version}))
        assert models.open_model(tmp_path).settings["backbone"]


@pytest.mark.parametrize("name", ["model.json", "model.safetensors", "checkpoints/last.pt"])
def test_a_pipe_in_a_model_folder_is_not_waited_for(tmp_path: Path, name: str) -> None:
    models.write_model(tmp_path, TENSORS, ABOUT)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(FashretError, match=f"{name}: is a pipe, not a file"):
        models.open_model(tmp_path).weights()
        models.read_training_state(tmp_path / "checkpoints/last.pt")


def test_a_checkpoint_comes_back(tmp_path: Path) -> None:
    state = {"tensor": torch.ones(3), "numbers": {"step": 4, "rate": 0.1}, "list": [1, (2.5, None)]}
    models.write_training_state(tmp_path / "last.pt", state)
    found = models.read_training_state(tmp_path / "last.pt")
    assert torch.equal(found.pop("tensor"), state.pop("tensor")) and found == state
    assert names(tmp_path) == ["last.pt"]


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    (tmp_path / "last.pt").write_bytes(pickle.dumps(Trap()))
    torch.save({"x": Trap()}, tmp_path / "other.pt")
    for name in ("last.pt", "other.pt"):
        with pytest.raises(FashretError, match="damaged"):
            models.read_training_state(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path: Path) -> None:
    models.write_training_state(tmp_path / "last.pt", {"step": 1})
    for write in (models.write_training_state, models.write_tensors):
        with full_disk(20_000), pytest.raises(FashretError, match="the disk is full"):
            write(tmp_path / "last.pt", {"a": torch.zeros(100_000)})
    assert names(tmp_path) == ["last.pt"]
    assert models.read_training_state(tmp_path / "last.pt") == {"step": 1}
