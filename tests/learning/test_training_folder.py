"""The folder of a training run: refused where it is something else, left as it was where nothing came of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from fashret.errors import FashretError
from fashret.files.locks import lock_path
from fashret.files.models import DETECTOR, MODEL, FolderKind, write_model, write_training_state
from fashret.learning.checkpoints import LAST
from fashret.learning.training_folder import check_folder, training_folder


def hold(output: Path, kind: FolderKind = DETECTOR, resume: bool = False, restart: bool = False) -> None:
    with training_folder(output, kind, resume=resume, restart=restart):
        assert (output / "checkpoints").is_dir()


def test_a_folder_without_result_goes_again(tmp_path: Path) -> None:
    hold(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    (tmp_path / "old").mkdir()
    hold(tmp_path / "old")
    assert list((tmp_path / "old").iterdir()) == []


def test_an_interrupted_run_is_kept_until_restart(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    write_training_state(folder / "checkpoints" / LAST, {"step": 1})
    with pytest.raises(FashretError, match=r"interrupted run.*--resume.*--restart"):
        hold(folder)
    hold(folder, resume=True)
    assert (folder / "checkpoints" / LAST).exists()
    hold(folder, restart=True)
    assert not (folder / "checkpoints").exists()


@pytest.mark.parametrize(("kind", "other"), [(DETECTOR, MODEL), (MODEL, DETECTOR)])
def test_a_folder_of_the_other_kind_is_left_alone(tmp_path: Path, kind: FolderKind, other: FolderKind) -> None:
    write_model(tmp_path, {"a": torch.zeros(1)}, {"settings": {other.setting: "x"}}, other)
    words = f"{tmp_path}: holds a {other.what}; give another folder for the {kind.what}"
    with pytest.raises(FashretError, match=re.escape(words)):
        hold(tmp_path, kind)
    assert sorted(path.name for path in tmp_path.iterdir()) == [other.description, other.weights]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(FashretError, match="is a file; give a folder for the detector"):
        check_folder(tmp_path / "file", DETECTOR)


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with training_folder(tmp_path / "run", DETECTOR, resume=False, restart=False):
        assert lock_path(tmp_path / "run" / "detector.json").exists()
