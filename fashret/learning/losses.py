"""Losses: name → what a network is trained to make small.

In: the network's `Output`, the products' labels, and which rows hold an image (`valid`; a product with fewer than K
images may leave rows empty). Out: one number. Everything is computed in float32 (float64 for float64 input), also when
the network ran in half precision.

A loss is chosen as `name:key=value,key=value`; the key `weight` scales any of them. `parse_losses` reads that.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fashret.errors import FashretError
from fashret.learning.loss_functions import (
    at_least_float32,
    center,
    centroid_triplet,
    quadruplet,
    quantised_ap,
    smooth_ap,
    smoothed_cross_entropy,
    triplet,
)
from fashret.models.network import Output

MOST_BINS = 10_000  # of `ap`


class Center(nn.Module):
    """`center` with its learned centers, drawn from a standard normal distribution as published.

    With `normalise` they start at the length of the features, about 1.
    """

    def __init__(self, classes: int, dim: int, lr: float = 0.5, normalise: bool = False) -> None:
        super().__init__()
        self.centers = nn.Parameter(torch.randn(classes, dim) / (math.sqrt(dim) if normalise else 1.0))
        self.lr, self.normalise = lr, normalise

    def forward(self, output: Output, labels: Tensor, valid: Tensor) -> Tensor:
        """A batch's features B×D, labels B and valid B → scalar."""
        return center(output.feature, self.centers, labels, valid, self.normalise)


class Vectors(nn.Module):
    """A loss without parameters on one of the outputs."""

    def __init__(self, function: Callable[..., Tensor], of: str, **options: Any) -> None:
        super().__init__()
        self.function, self.of, self.options = function, of, options

    def forward(self, output: Output, labels: Tensor, valid: Tensor) -> Tensor:
        """A batch's outputs (B×D, or B×C logits), labels B and valid B → scalar."""
        values = getattr(output, self.of)
        if values is None:
            raise FashretError(f"loss {self.function.__name__} needs a classifier, and the network has none")
        return self.function(values, labels, valid, **self.options)


class Library(nn.Module):
    """A loss of pytorch-metric-learning on the embedding (it puts the vectors on the unit sphere itself)."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, output: Output, labels: Tensor, valid: Tensor) -> Tensor:
        """A batch's embeddings B×D, labels B and valid B → scalar."""
        return self.loss(at_least_float32(output.embedding)[valid], labels[valid])


def _softmax(classes: int, dim: int, smoothing: float = 0.1) -> nn.Module:
    return Vectors(smoothed_cross_entropy, "logits", smoothing=smoothing)


def _triplet(classes: int, dim: int, margin: float = 0.3, soft: bool = False, normalise: bool = False) -> nn.Module:
    return Vectors(triplet, "feature", margin=margin, soft=soft, normalise=normalise)


def _quadruplet(
    classes: int,
    dim: int,
    margin1: float = 0.3,
    margin2: float = 0.15,
    normalise: bool = True,
    adaptive: bool = False,
) -> nn.Module:
    return Vectors(quadruplet, "feature", margins=(margin1, margin2), normalise=normalise, adaptive=adaptive)


def _centroid_triplet(classes: int, dim: int, margin: float = 0.5, normalise: bool = False) -> nn.Module:
    return Vectors(centroid_triplet, "feature", margin=margin, normalise=normalise)


def _smooth_ap(classes: int, dim: int, temperature: float = 0.01) -> nn.Module:
    return Vectors(smooth_ap, "embedding", temperature=temperature)


def _ap(classes: int, dim: int, bins: int = 25, lowest: float = -1.0, normalise: bool = True) -> nn.Module:
    if bins != int(bins) or not 2 <= bins <= MOST_BINS:
        raise FashretError(f"--loss ap: bins is a whole number from 2 to {MOST_BINS:,}, not {bins:g}")
    if not -1 <= lowest < 1:
        raise FashretError(f"--loss ap: lowest is a similarity from -1 to below 1, not {lowest:g}")
    return Vectors(quantised_ap, "embedding", bins=int(bins), lowest=lowest, normalise=normalise)


def _arcface(classes: int, dim: int, margin: float = 28.6, scale: float = 64.0) -> nn.Module:
    from pytorch_metric_learning.losses import ArcFaceLoss

    return Library(ArcFaceLoss(classes, dim, margin=margin, scale=scale))  # margin in degrees


def _circle(classes: int, dim: int, m: float = 0.4, gamma: float = 80.0) -> nn.Module:
    from pytorch_metric_learning.losses import CircleLoss

    return Library(CircleLoss(m=m, gamma=gamma))


@dataclass(frozen=True)
class Kind:
    """One row of `LOSSES`; the builder's keyword arguments are the keys that `--loss name:key=value` takes."""

    build: Callable[..., nn.Module]
    pairs: bool  # needs two images of a product in a batch
    about: str


LOSSES: dict[str, Kind] = {
    "softmax": Kind(_softmax, False, "label-smoothed cross entropy of the classifier"),
    "triplet": Kind(_triplet, True, "batch-hard triplet loss on the feature before the neck"),
    "quadruplet": Kind(_quadruplet, True, "batch-hard quadruplet loss on the feature before the neck, of length 1"),
    "center": Kind(
        Center, False, "distance to learned centers of the products; centers have an SGD optimiser of their own"
    ),
    "centroid-triplet": Kind(_centroid_triplet, True, "triplet loss between images and centroids of the others (CTL)"),
    "arcface": Kind(_arcface, False, "additive angular margin softmax on the embedding, with its own class weights"),
    "circle": Kind(_circle, True, "circle loss on the embedding"),
    "smooth-ap": Kind(_smooth_ap, True, "smoothed average precision of the batch on the embedding"),
    "ap": Kind(_ap, True, "average precision of the batch on the embedding, similarities counted into bins"),
}


class Loss(nn.Module):
    """A chosen loss times its weight; `.parameters()` are the loss's own (centers, class weights).

    Where `own_rate` is a number, the parameters learn by plain SGD at that rate and not with the network, and their
    gradient is already divided by the weight, as published.
    """

    def __init__(self, name: str, weight: float, options: dict[str, Any], module: nn.Module) -> None:
        super().__init__()
        self.name, self.weight, self.options, self.module = name, weight, options, module
        self.own_rate: float | None = getattr(module, "lr", None)
        if self.own_rate is not None:
            for parameter in module.parameters():
                parameter.register_hook(lambda gradient: gradient / weight)

    @property
    def needs_pairs(self) -> bool:
        """Whether it needs two images of a product in a batch."""
        return LOSSES[self.name].pairs

    @property
    def needs_classifier(self) -> bool:
        """Whether it reads the classifier's logits."""
        return self.name == "softmax"

    def forward(self, output: Output, labels: Tensor, valid: Tensor | None = None) -> Tensor:
        """Weight × loss of one batch: labels B int64, valid B bool (None: every row holds an image) → scalar."""
        if valid is None:
            valid = torch.ones_like(labels, dtype=torch.bool)
        if not valid.any():
            return output.feature.float().sum() * 0
        with torch.autocast(output.feature.device.type, enabled=False):
            return self.weight * self.module(output, labels, valid)


def parse_losses(specs: Sequence[str], classes: int, dim: int, seed: int = 0) -> list[Loss]:
    """Losses from `name` or `name:key=value,key=value`.

    Parameters
    ----------
    specs
        For example ("softmax:smoothing=0.1", "triplet:margin=0.3", "center:weight=0.0005").
    classes, dim
        Number of products in training; width D of the feature.
    seed
        Of the losses' own parameters; the process's random numbers are left alone.

    Raises
    ------
    FashretError
        For an unknown name or key (the known ones are listed), a value of the wrong type, or a name given twice.

    >>> [(loss.name, loss.weight) for loss in parse_losses(["softmax", "center:weight=0.0005"], classes=5, dim=3)]
    [('softmax', 1.0), ('center', 0.0005)]

    Each loss on three vectors, two of one product; a centroid of the other's images does not exist for the third:

    >>> vectors = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    >>> output = Output(feature=vectors, embedding=vectors, logits=vectors)
    >>> for loss in parse_losses(list(LOSSES), classes=2, dim=2):
    ...     print(f"{loss.name:<16} {loss(output, torch.tensor([0, 0, 1])):.3f}")
    softmax          0.505
    triplet          0.281
    quadruplet       0.350
    center           2.464
    centroid-triplet 0.000
    arcface          26.258
    circle           19.200
    smooth-ap        0.250
    ap               0.283
    """
    parsed = [parse_spec(spec) for spec in specs]
    names = [name for name, _ in parsed]
    if len(set(names)) < len(names):
        raise FashretError(f"--loss {', '.join(names)}: each loss once")
    if not names:
        raise FashretError(f"no --loss; there are {', '.join(LOSSES)}")
    losses = []
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)
        for name, options in parsed:
            keys = dict(options)
            weight = keys.pop("weight")
            losses.append(Loss(name, weight, keys, LOSSES[name].build(classes, dim, **keys)))
    return losses


def loss_keys(name: str) -> dict[str, Any]:
    """The keys that a loss takes, with their defaults.

    >>> loss_keys("triplet")
    {'weight': 1.0, 'margin': 0.3, 'soft': False, 'normalise': False}
    """
    parameters = inspect.signature(LOSSES[name].build).parameters.values()
    return {"weight": 1.0} | {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}


def parse_spec(spec: str) -> tuple[str, dict[str, Any]]:
    """Name and all keys of one `--loss`.

    >>> parse_spec("triplet:soft=yes")
    ('triplet', {'weight': 1.0, 'margin': 0.3, 'soft': True, 'normalise': False})
    """
    name, _, rest = spec.partition(":")
    name = name.strip()
    if name not in LOSSES:
        raise FashretError(f"--loss {spec}: no loss {name!r}; there are {', '.join(LOSSES)}")
    keys = loss_keys(name)
    for pair in filter(None, (part.strip() for part in rest.split(","))):
        key, _, text = (part.strip() for part in pair.partition("="))
        if key not in keys:
            raise FashretError(f"--loss {spec}: {name} has no key {key!r}; it has {', '.join(keys)}")
        keys[key] = _value(spec, key, text, keys[key])
    if not keys["weight"] > 0:
        raise FashretError(f"--loss {spec}: weight must be above zero")
    return name, keys


def _value(spec: str, key: str, text: str, default: Any) -> Any:
    if isinstance(default, bool):
        known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if text.lower() not in known:
            raise FashretError(f"--loss {spec}: {key} is true or false, not {text!r}")
        return known[text.lower()]
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise FashretError(f"--loss {spec}: {key} is a number, not {text!r}")
    return number
