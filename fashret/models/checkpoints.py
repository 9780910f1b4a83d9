"""Published checkpoints: from a .pth, .ckpt or .safetensors file to tensors under this package's names.

In: a file as torchvision, timm, torchreid, the strong baseline's code or the centroids' code wrote it, or that of
EfficientNet-Lite0's package. Out: its tensors, named as in `RetrievalNetwork`. No code in a file is ever run:
`weights_only=True`, or safetensors.
"""

from __future__ import annotations

import pickle
import warnings
from collections import OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fashret.errors import FashretError
from fashret.files import json_text
from fashret.files.hints import hub_hint
from fashret.files.models import read_safetensors
from fashret.models.efficientnet_lite0 import is_lite0, renamed

# where training codes keep the parameters beside other things
PARAMETERS_UNDER = (
    *("state_dict", "model", "model_state_dict", "net", "params", "weights", "ema", "model_ema", "state_dict_ema"),
    *("params_ema", "ema_state_dict", "teacher", "student", "module", "network", "backbone"),
)
# what wraps a network puts its own name in front: torch.compile, DataParallel, Lightning, training codes
COMPILED = "_orig_mod"
WRAPPERS = (COMPILED, "module", "model", "net", "network", "backbone", "encoder", "teacher", "student", "ema", "params")
MOST_WRAPPERS = 6  # within each other


@dataclass(frozen=True)
class Layout:
    """How a training code names the parts of a network: its prefix → ours."""

    name: str
    prefixes: dict[str, str]


# the first layout of which a prefix of the backbone occurs is taken
LAYOUTS = (
    Layout("centroids", {"backbone.base.": "backbone.", "bn.": "neck.", "fc_query.": "classifier."}),
    Layout("strong baseline", {"base.": "backbone.", "bottleneck.": "neck.", "classifier.": "classifier."}),
    Layout("fashret", {f"{p}.": f"{p}." for p in ("backbone", "pooling", "projection", "neck", "classifier")}),
    Layout("backbone", {"": "backbone."}),
)
UNSAFE = ("weights_only", "Weights only", "torch.load", "torch.jit.load", "trust")  # words of torch's advice
LOSSES = ("center_loss.", "contrastive_loss.", "xent.")  # parameters of losses: left out


@dataclass(frozen=True)
class Checkpoint:
    """Tensors of a file under the names of `RetrievalNetwork`, and whose layout the file had."""

    tensors: dict[str, Tensor]
    layout: str
    path: Path


def read_checkpoint(path: Path, wanted: Collection[str] = ()) -> Checkpoint:
    """Read a file of weights.

    Parameters
    ----------
    wanted
        Names of the network's tensors. Names of wrappers are taken off where more of the file's names are then these.

    Raises
    ------
    FashretError
        If the file is missing, is not a checkpoint, or holds no tensors by name.
    """
    path = Path(path)
    check_there(path)
    tensors = read_named(path)
    readings = [Checkpoint(*_in_our_names(reading), path) for reading in _unwrapped(tensors)]
    return max(readings, key=lambda reading: len(reading.tensors.keys() & set(wanted)))  # of equal ones the first


def check_there(path: Path) -> None:
    """Raise FashretError unless there is a file."""
    if not path.is_file():
        raise FashretError(
            f"--weights {path}: no such file; imagenet, none or the path of a checkpoint{hub_hint(path)}"
        )


def read_parts(path: Path, names: Collection[str]) -> dict[str, Tensor]:
    """The tensors of a file, or of a folder as the hub lays it out: one file of `names`, or those of an index.

    Raises
    ------
    FashretError
        If there is no such file, an index names files elsewhere, or one is not a checkpoint.
    """
    if not path.is_dir():
        check_there(path)
        return read_named(path)
    for name in names:
        if (path / name).is_file():
            return read_named(path / name)
        if (index := path / f"{name}.index.json").is_file():
            return {key: tensor for part in _parts_of(index) for key, tensor in read_named(part).items()}
    there = sorted(file.name for file in path.iterdir())
    raise FashretError(
        f"--weights {path}: holds none of {', '.join(names)}; there is {', '.join(there[:10]) or 'nothing'}"
    )


def _parts_of(index: Path) -> list[Path]:
    """The files beside an index that has the tensors of one model in several."""
    table = json_text.read(index)
    parts = table.get("weight_map") if isinstance(table, dict) else None
    names = sorted({str(name) for name in parts.values()}) if isinstance(parts, dict) else []
    if not names or any(Path(name).name != name or "\\" in name for name in names):
        raise FashretError(f"{index}: should name the files of a model beside it")
    for name in names:
        check_there(index.parent / name)
    return [index.parent / name for name in names]


def read_named(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by the names that it has for them.

    Raises
    ------
    FashretError
        If the file is not a checkpoint, or holds no tensors by name.
    """
    return read_safetensors(path)[0] if path.suffix == ".safetensors" else _named_tensors(path, _torch_file(path))


def _unwrapped(tensors: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """The tensors under their names without the wrappers that are never part of a network, then without one more …"""
    names = {name: [part for part in name.split(".") if part != COMPILED] for name in tensors}
    while any(parts[0] == "module" for parts in names.values()):
        names = {name: parts[parts[0] == "module" and len(parts) > 1 :] for name, parts in names.items()}
    for _ in range(MOST_WRAPPERS):
        found = {".".join(parts): tensors[name] for name, parts in names.items()}
        if len(found) < len(tensors):  # two names became one
            break
        yield found
        shorter = {name: parts[parts[0] in WRAPPERS and len(parts) > 1 :] for name, parts in names.items()}
        if shorter == names:
            break
        names = shorter


def _in_our_names(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """The tensors under the names of `RetrievalNetwork`, and whose layout they had."""
    if is_lite0(tensors):
        return renamed(tensors), "efficientnet-lite0"
    for layout in LAYOUTS:
        backbone = next(prefix for prefix, part in layout.prefixes.items() if part == "backbone.")
        if any(name.startswith(backbone) for name in tensors):
            break
    return _renamed(tensors, layout), layout.name


def _renamed(tensors: dict[str, Tensor], layout: Layout) -> dict[str, Tensor]:
    renamed = {}
    for name, tensor in tensors.items():
        if name.startswith(LOSSES):
            continue
        prefix = next((p for p in layout.prefixes if name.startswith(p)), None)
        renamed[name if prefix is None else layout.prefixes[prefix] + name[len(prefix) :]] = tensor
    return renamed


def _torch_file(path: Path) -> Any:
    """What `torch.save` wrote, tensors and plain containers only.

    Training codes save their settings along, as objects of classes of their own. Such an object is not made: `_Nothing`
    takes its place.
    """
    try:
        with warnings.catch_warnings():  # torch's advice, again
            warnings.simplefilter("ignore")
            return _plain_content(path)
    except Exception as error:  # torch raises almost anything on files that are no checkpoints
        raise FashretError(f"--weights {path}: cannot be read safely ({_reason(error)})") from error


def _plain_content(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        foreign = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        with torch.serialization.safe_globals([(_Nothing, name) for name in foreign]):
            return torch.load(path, map_location="cpu", weights_only=True)


class _Nothing:
    """Stands in for every class and function that a checkpoint names."""

    def __new__(cls, *args: Any) -> Any:
        # made without arguments it may be a kind of dictionary, to be filled: torch fills only its own kinds
        return super().__new__(cls) if args else OrderedDict()

    def __setstate__(self, state: Any) -> None:
        pass


def _named_tensors(path: Path, content: Any) -> dict[str, Tensor]:
    """The tensors by name, wherever in the file they are."""
    while isinstance(content, dict):
        tensors = {name: value for name, value in content.items() if isinstance(name, str) and torch.is_tensor(value)}
        inner = next((name for name in PARAMETERS_UNDER if isinstance(content.get(name), dict)), None)
        if inner is None and tensors:
            return tensors
        content = content.get(inner)
    raise FashretError(f"--weights {path}: holds no parameters by name; save the network's state_dict()")


def _reason(error: Exception) -> str:
    """Why torch refused a file, without its advice to read it unsafely."""
    text = str(error).strip() or type(error).__name__
    if isinstance(error, pickle.UnpicklingError) or any(word in text for word in UNSAFE):
        return "it is damaged, or more than tensors by name: save the network's state_dict()"
    return text.splitlines()[0][:200]
