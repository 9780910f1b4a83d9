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
from torch.nn import functional as F

from fashret.errors import FashretError
from fashret.learning.mining import batch_hard, distances, mean_of, pairs
from fashret.models.network import Output


def smoothed_cross_entropy(logits: Tensor, labels: Tensor, valid: Tensor, smoothing: float = 0.1) -> Tensor:
    """Cross entropy against (1 − ε) on the true class plus ε/C on all C (Szegedy et al., arXiv 1512.00567, section 7).

    Parameters
    ----------
    logits
        B×C. labels: B int64. valid: B bool. smoothing: ε.

    >>> logits = torch.tensor([[2.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
    >>> everything = torch.ones(3, dtype=torch.bool)
    >>> round(smoothed_cross_entropy(logits, torch.tensor([0, 1, 0]), everything, 0.0).item(), 4)
    0.3157
    """
    losses = F.cross_entropy(_full(logits), labels, reduction="none", label_smoothing=smoothing)
    return mean_of(losses, valid)


def triplet(
    feature: Tensor, labels: Tensor, valid: Tensor, margin: float = 0.3, soft: bool = False, normalise: bool = False
) -> Tensor:
    """Batch-hard triplet loss, mean over anchors of max(0, margin + d(a, p) − d(a, n)) with Euclidean d.

    p is the farthest image of the anchor's product, n the nearest of another (Hermans et al., arXiv 1703.07737, eq. 5);
    anchors without either are left out. `soft` takes log(1 + exp(d(a, p) − d(a, n))) instead, `normalise` puts the
    feature (B×D) on the unit sphere first.

    >>> feature = torch.tensor([[0.0], [2.0], [5.0]])  # d(a, p) = 2; d(a, n) = 5 and 3
    >>> everything = torch.ones(3, dtype=torch.bool)
    >>> triplet(feature, torch.tensor([7, 7, 8]), everything, margin=2.0)  # mean of max(0, −1) and max(0, 1)
    tensor(0.5000)
    """
    feature = F.normalize(_full(feature), dim=1) if normalise else _full(feature)
    hardest = batch_hard(distances(feature, feature), labels, valid)
    gap = torch.where(hardest.found, hardest.positive - hardest.negative, 0.0)
    return mean_of(F.softplus(gap) if soft else F.relu(gap + margin), hardest.found)


def quadruplet(
    feature: Tensor,
    labels: Tensor,
    valid: Tensor,
    margin1: float = 1.0,
    margin2: float = 0.5,
    normalise: bool = False,
) -> Tensor:
    """Batch-hard quadruplet loss (Chen et al., arXiv 1704.01719, eq. 6), squared L2 distances.

    Mean over anchors of max(0, m1 + d(a, p) − d(a, n1)) + max(0, m2 + d(a, p) − d(n1, n2)): p the farthest positive, n1
    the nearest negative, n2 the image nearest to n1 that is neither of n1's product nor of the anchor's. Where there is
    no n2 (two products in the batch) the second term is 0.

    >>> feature = torch.tensor([[0.0], [1.0], [3.0], [4.0]])
    >>> everything = torch.ones(4, dtype=torch.bool)
    >>> quadruplet(feature, torch.tensor([0, 0, 1, 2]), everything)  # d(a, p) = 1 for the first two
    tensor(0.5000)
    """
    feature = F.normalize(_full(feature), dim=1) if normalise else _full(feature)
    distance = distances(feature, feature, squared=True)
    hardest = batch_hard(distance, labels, valid)
    first = F.relu(torch.where(hardest.found, margin1 + hardest.positive - hardest.negative, 0.0))
    _, negatives = pairs(labels, valid)
    third = negatives[hardest.negative_row] & negatives  # B×B: neither n1's product nor the anchor's
    between = distance[hardest.negative_row].masked_fill(~third, torch.inf).amin(dim=1)  # d(n1, n2); ∞ without n2
    second = F.relu(torch.where(hardest.found, margin2 + hardest.positive - between, 0.0))
    return mean_of(first + second, hardest.found)


def center(feature: Tensor, centers: Tensor, labels: Tensor, valid: Tensor) -> Tensor:
    """Mean squared L2 distance between features and the centers of their products (Wen et al., ECCV 2016, eq. 2).

    As in the published re-identification code: a mean over the batch, without the paper's factor 1/2.

    Parameters
    ----------
    feature
        B×D. centers: C×D, learned.

    >>> feature = torch.tensor([[0.0], [2.0], [5.0]])
    >>> center(feature, torch.tensor([[1.0], [5.0]]), torch.tensor([0, 0, 1]), torch.ones(3, dtype=torch.bool))
    tensor(0.6667)
    """
    return mean_of((_full(feature) - centers[labels]).square().sum(dim=1), valid)


def centroid_triplet(feature: Tensor, labels: Tensor, valid: Tensor, margin: float = 0.5) -> Tensor:
    """Centroid triplet loss (Wieczorek et al., arXiv 2104.13643, eq. 3).

    For each i the i-th image of every product is a query, and the centroid of a product is the mean of its *other*
    images; a batch-hard triplet loss runs over these queries and centroids together; the mean over i. A product takes
    part in i while it has an i-th image and another one beside it.

    >>> feature = torch.tensor([[0.0], [1.0], [3.0], [3.0]])
    >>> centroid_triplet(feature, torch.tensor([0, 0, 1, 1]), torch.ones(4, dtype=torch.bool), margin=2.0)
    tensor(0.2500)
    >>> centroid_triplet(feature[:3], torch.tensor([0, 0, 1]), torch.ones(3, dtype=torch.bool))  # one is alone: no part
    tensor(0.)
    """
    feature, labels = _full(feature)[valid], labels[valid]
    same = labels[:, None] == labels[None]  # B×B
    count = same.sum(dim=1)
    others = (same.to(feature.dtype) @ feature - feature) / (count - 1).clamp(min=1)[:, None]  # B×D
    occurrence = (same & same.new_ones(same.shape).tril(-1)).sum(dim=1)  # how many of the product came before
    losses = []
    for i in range(int(count.max()) if len(count) else 0):
        query = (occurrence == i) & (count > 1)
        if query.sum() > 1:  # one product alone has no negatives
            vectors, owners = torch.cat([feature[query], others[query]]), labels[query].repeat(2)
            losses.append(triplet(vectors, owners, torch.ones_like(owners, dtype=torch.bool), margin))
    return torch.stack(losses).mean() if losses else feature.sum() * 0


def smooth_ap(embedding: Tensor, labels: Tensor, valid: Tensor, temperature: float = 0.01) -> Tensor:
    """1 − mean smooth average precision of each image's cosine ranking (Brown et al., arXiv 2007.12163, eq. 7).

    A rank is 1 + the sum over the other images of sigmoid((s_other − s) / temperature); the query itself is no result.
    Not the library's: pytorch-metric-learning 2.9 lays the batch out as K×P where it is P×K.

    >>> embedding = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
    >>> round(smooth_ap(embedding, torch.tensor([0, 0, 1]), torch.ones(3, dtype=torch.bool)).item(), 4)
    0.0
    """
    unit = F.normalize(_full(embedding), dim=1)
    similarity = unit @ unit.T
    positives, negatives = pairs(labels, valid)
    above = torch.sigmoid((similarity[:, None, :] - similarity[:, :, None]) / temperature)  # anchor × ranked × other
    above = above * ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    rank_among_positives = 1 + (above * positives[:, None, :]).sum(dim=2)
    rank = rank_among_positives + (above * negatives[:, None, :]).sum(dim=2)
    precision = torch.where(positives, rank_among_positives / rank, 0.0).sum(dim=1)
    return mean_of(1 - precision / positives.sum(dim=1).clamp(min=1), positives.any(dim=1))


def _full(values: Tensor) -> Tensor:
    """At least float32."""
    return values if values.dtype == torch.float64 else values.float()


class Center(nn.Module):
    """`center` with its learned centers, drawn from a standard normal distribution as published."""

    def __init__(self, classes: int, dim: int, lr: float = 0.5) -> None:
        super().__init__()
        self.centers = nn.Parameter(torch.randn(classes, dim))
        self.lr = lr

    def forward(self, output: Output, labels: Tensor, valid: Tensor) -> Tensor:
        """A batch's features B×D, labels B and valid B → scalar."""
        return center(output.feature, self.centers, labels, valid)


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
        return self.loss(_full(output.embedding)[valid], labels[valid])


def _softmax(classes: int, dim: int, smoothing: float = 0.1) -> nn.Module:
    return Vectors(smoothed_cross_entropy, "logits", smoothing=smoothing)


def _triplet(classes: int, dim: int, margin: float = 0.3, soft: bool = False, normalise: bool = False) -> nn.Module:
    return Vectors(triplet, "feature", margin=margin, soft=soft, normalise=normalise)


def _quadruplet(
    classes: int, dim: int, margin1: float = 1.0, margin2: float = 0.5, normalise: bool = False
) -> nn.Module:
    return Vectors(quadruplet, "feature", margin1=margin1, margin2=margin2, normalise=normalise)


def _centroid_triplet(classes: int, dim: int, margin: float = 0.5) -> nn.Module:
    return Vectors(centroid_triplet, "feature", margin=margin)


def _smooth_ap(classes: int, dim: int, temperature: float = 0.01) -> nn.Module:
    return Vectors(smooth_ap, "embedding", temperature=temperature)


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
    "quadruplet": Kind(_quadruplet, True, "batch-hard quadruplet loss on the feature before the neck"),
    "center": Kind(
        Center, False, "distance to learned centers of the products; centers have an SGD optimiser of their own"
    ),
    "centroid-triplet": Kind(_centroid_triplet, True, "triplet loss between images and centroids of the others (CTL)"),
    "arcface": Kind(_arcface, False, "additive angular margin softmax on the embedding, with its own class weights"),
    "circle": Kind(_circle, True, "circle loss on the embedding"),
    "smooth-ap": Kind(_smooth_ap, True, "smoothed average precision of the batch on the embedding"),
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
    quadruplet       0.700
    center           2.464
    centroid-triplet 0.000
    arcface          26.258
    circle           19.200
    smooth-ap        0.250
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
