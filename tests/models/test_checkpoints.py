"""Files of weights under the network's own names, whichever training code wrote them."""

from __future__ import annotations

import pickle
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from fashret.errors import FashretError
from fashret.models.checkpoints import LAYOUTS, PARAMETERS_UNDER, read_checkpoint

ONE, TWO, THREE = (torch.full((2,), float(i)) for i in (1, 2, 3))


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.parametrize(
    ("layout", "names"),
    [
        ("backbone", ("conv1.weight", "layer1.0.bias", "fc.weight")),
        ("strong baseline", ("base.conv1.weight", "bottleneck.bias", "classifier.weight")),
        ("centroids", ("backbone.base.conv1.weight", "bn.bias", "fc_query.weight")),
        ("fashret", ("backbone.conv1.weight", "neck.bias", "classifier.weight")),
    ],
)
def test_each_layout_is_told_by_its_names(tmp_path: Path, layout: str, names: tuple[str, ...]) -> None:
    found = read_checkpoint(saved(tmp_path / "a.pth", dict(zip(names, (ONE, TWO, THREE), strict=True))))
    assert found.layout == layout and found.path == tmp_path / "a.pth"
    expected = ("backbone.layer1.0.bias", "backbone.fc.weight") if layout == "backbone" else None
    assert tuple(found.tensors) == ("backbone.conv1.weight", *(expected or ("neck.bias", "classifier.weight")))
    assert found.tensors["backbone.conv1.weight"].equal(ONE)


def test_every_layout_has_a_backbone() -> None:
    assert all("backbone." in layout.prefixes.values() for layout in LAYOUTS)


@pytest.mark.parametrize("key", PARAMETERS_UNDER)
def test_parameters_may_be_beside_other_things(tmp_path: Path, key: str) -> None:
    path = saved(tmp_path / "a.pth", {"epoch": 3, key: OrderedDict({"module.conv1.weight": ONE}), "best": ONE})
    assert list(read_checkpoint(path).tensors) == ["backbone.conv1.weight"]


def test_parameters_of_losses_are_left_out(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "a.ckpt", {"state_dict": {"backbone.base.a": ONE, "center_loss.centers": TWO, "xent.x": ONE}}
    )
    assert list(read_checkpoint(path).tensors) == ["backbone.a"]


def test_safetensors(tmp_path: Path) -> None:
    save_file({"conv1.weight": ONE}, tmp_path / "a.safetensors")
    assert read_checkpoint(tmp_path / "a.safetensors").tensors["backbone.conv1.weight"].equal(ONE)


def test_a_pickled_network_is_refused(tmp_path):
    path = saved(tmp_path / "whole.pth", torch.nn.Sequential(torch.nn.Linear(2, 2)))
    with pytest.raises(FashretError, match="state_dict"):
        read_checkpoint(path)


class Own:
    """What a training code may have saved along, in a form that safe reading does not know."""

    def __reduce_ex__(self, protocol: int) -> tuple[Any, ...]:
        return eval, ("1",)


@pytest.mark.parametrize("content", [Own(), {"conv1.weight": Own()}, [Own()], torch.nn.Linear(2, 2)])
@pytest.mark.parametrize("old", [False, True])
def test_nobody_is_told_to_switch_safety_off(tmp_path: Path, content: Any, old: bool) -> None:
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=not old)
    with warnings.catch_warnings(action="ignore"):
        torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "script.pth"))
    (tmp_path / "pickle.pth").write_bytes(pickle.dumps({"a": {1, 2}, "b": complex(1)}, 5))
    for name in ("a.pth", "script.pth", "pickle.pth"):
        with pytest.raises(FashretError, match=name) as error, warnings.catch_warnings():
            warnings.simplefilter("error")
            read_checkpoint(tmp_path / name)
        assert "\n" not in str(error.value)
        assert not [word for word in ("weights_only", "trust", "jit.load", "torch.load") if word in str(error.value)]


def test_of_several_readings_that_with_most_names_is_taken(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", {"model.conv1.weight": ONE, "model.head.weight": TWO, "loss.weight": THREE})
    plain, wrapped = read_checkpoint(path), read_checkpoint(path, ["backbone.conv1.weight"])
    assert list(plain.tensors) == ["backbone.model.conv1.weight", "backbone.model.head.weight", "backbone.loss.weight"]
    assert list(wrapped.tensors) == ["backbone.conv1.weight", "backbone.head.weight", "backbone.loss.weight"]


def test_names_that_would_become_one_stay_two(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", {"model.conv1.weight": ONE, "net.conv1.weight": TWO})
    assert len(read_checkpoint(path, ["backbone.conv1.weight"]).tensors) == 2


@pytest.mark.parametrize("name", ["bytes.pth", "bytes.safetensors", "empty.pth", "empty.safetensors", "html.pth"])
def test_files_that_are_no_checkpoints(name, tmp_path):
    content = {"bytes": bytes(range(256)) * 9, "empty": b"", "html": b"<html><body>404</body></html>"}
    (tmp_path / name).write_bytes(content[name.split(".")[0]])
    with pytest.raises(FashretError) as error:
        read_checkpoint(tmp_path / name)
    assert name in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("content", [{}, [1, 2], {"epoch": 3}, {"state_dict": {}}, torch.zeros(3)])
def test_files_without_named_tensors(content, tmp_path):
    with pytest.raises(FashretError, match="no parameters by name"):
        read_checkpoint(saved(tmp_path / "none.pth", content))


@pytest.mark.parametrize("length", [1, 10, 100, 1000, 20_000, 35_000, -5000, -100, -1])
def test_a_truncated_file_is_one_line(tmp_path: Path, length: int) -> None:
    """Wherever it ends: torch then raises errors of many kinds, OSError too."""
    whole = saved(tmp_path / "whole.pth", {"conv1.weight": torch.zeros(9999)}).read_bytes()
    path = tmp_path / "cut.pth"
    path.write_bytes(whole[:length])
    with pytest.raises(FashretError, match=r"cut\.pth: cannot be read safely") as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)
