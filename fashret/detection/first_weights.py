"""First weights of a detector: random, torchvision's for the whole network, or those of its backbone.

In: the file that `--weights` names. Out: the network with them, every tensor accounted for: only what tells classes
apart may be missing or have another shape, where the file is a whole detector's; where it is a backbone's, its
classifier is left out and the rest of the detector stays random. Files are read as data, never as code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor, nn

from fashret.console import log
from fashret.detection.architectures import ARCHITECTURES, build, extractor, mobilenet
from fashret.detection.settings import DetectorSettings
from fashret.errors import FashretError
from fashret.files.hints import hub_hint
from fashret.models.checkpoints import read_named
from fashret.models.weights import check_finite

COUNTER = "num_batches_tracked"  # of batch normalisation: fixed statistics have none, and nothing here reads it
CLASSIFIER = re.compile(r"(fc|classifier|neck|pooling|projection)\.")  # of a backbone's own network
WHOLE = re.compile(r"roi_heads\.|rpn\.|head\.(classification|regression)_head\.")  # only whole detectors have these
CLASS_LAYERS = re.compile(  # layers whose width is the number of classes
    r"roi_heads\.(box_predictor\.|mask_predictor\.mask_fcn_logits\.)|head\.classification_head\.(cls_logits|module_list)\b"
)
NONE = re.compile(r"(?!)")
SHOWN = 4  # names in a message


@dataclass(frozen=True)
class Start:
    """A network with its first weights."""

    network: nn.Module
    settings: DetectorSettings
    what: str  # what the weights are, in words


def start(settings: DetectorSettings) -> Start:
    """The network that training starts from.

    Raises
    ------
    FashretError
        If the file is missing, cannot be read safely, or is of another network: with the names that differ.
    """
    if settings.weights == "none":
        return Start(build(settings), settings, "random")
    path = Path(settings.weights)
    if not path.is_file():
        raise FashretError(f"--weights {path}: no such file; give none, or the path of a file{hub_hint(path)}")
    tensors = read_named(path)
    check_finite(tensors, f"--weights {path}")
    frozen = replace(settings, frozen_norm=ARCHITECTURES[settings.architecture].frozen)
    if any(WHOLE.match(name) for name in tensors):
        network = build(frozen)
        fresh = _load(network, tensors, path, settings.architecture, CLASS_LAYERS)
        log.info("--weights %s: a whole detector's; %s tensors of its classes are left out", path.name, len(fresh))
        return Start(network, frozen, "detector")
    body = {name.removeprefix("backbone."): tensor for name, tensor in tensors.items()}
    body = {name: tensor for name, tensor in body.items() if not CLASSIFIER.match(name)}
    if settings.architecture.startswith("ssdlite"):
        frozen = replace(settings, wide_tail=True)
        network, plain = build(frozen), mobilenet()
        _load(plain, body, path, settings.architecture, CLASSIFIER)
        network.get_submodule("backbone.features").load_state_dict(
            extractor(plain).get_submodule("features").state_dict()
        )
    else:
        network = build(frozen)
        body = {name.removeprefix("features."): tensor for name, tensor in body.items()}
        _load(network.get_submodule("backbone.body"), body, path, settings.architecture, NONE)
    log.info("--weights %s: a backbone's; the rest of the detector is random", path.name)
    return Start(network, frozen, "backbone")


def _load(
    module: nn.Module, tensors: Mapping[str, Tensor], path: Path, architecture: str, free: re.Pattern[str]
) -> list[str]:
    """Copy tensors into a module; those that match `free` may be missing or of another shape, and are named."""
    own = module.state_dict()
    given = {name: tensor for name, tensor in tensors.items() if not name.endswith(COUNTER)}
    wanted = {name: tensor for name, tensor in own.items() if not name.endswith(COUNTER)}
    other = [name for name in given.keys() & wanted.keys() if given[name].shape != wanted[name].shape]
    fresh = sorted(name for name in {*other, *(wanted.keys() - given.keys())} if free.match(name))
    problems = {
        "missing": sorted(wanted.keys() - given.keys() - set(fresh)),
        "not of this network": sorted(given.keys() - wanted.keys()),
        "of another shape": sorted(set(other) - set(fresh)),
    }
    if any(problems.values()):
        listed = "; ".join(f"{kind}: {_some(names)}" for kind, names in problems.items() if names)
        raise FashretError(f"--weights {path}: not weights of {architecture}: {listed}")
    module.load_state_dict({name: given[name] for name in wanted if name not in fresh}, strict=False)
    return fresh


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
