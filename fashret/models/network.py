"""The network: backbone → pooling → projection → neck → classifier.

In: `ModelSettings` and B×3×H×W normalised images (`preprocessing`). Out: `Output` in training, L2-normalised
embeddings at retrieval.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fashret.errors import FashretError
from fashret.models.backbones import find_backbone
from fashret.models.poolings import POOLINGS
from fashret.models.settings import ModelSettings


class Output(NamedTuple):
    """What a forward pass gives, float32 also under mixed precision."""

    feature: Tensor  # B×D before the neck: triplet, quadruplet and center loss
    embedding: Tensor  # B×D after the neck
    logits: Tensor | None  # B×C of the classifier on the embedding; None without classifier


class RetrievalNetwork(nn.Module):
    """A backbone with the head of the strong baseline (Luo et al., arXiv 1906.08332, figure 5).

    The parts are `backbone`, `pooling`, `projection` (Identity without `dim`), `neck` (Identity without) and
    `classifier` (None without classes). A backbone may have a `vector` method, its own layers behind the pooling, and
    then `channels`, the width of its map.
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.settings = settings
        self.backbone, width = find_backbone(settings.backbone).build(settings)
        self.pooling = POOLINGS[settings.pooling](getattr(self.backbone, "channels", width))
        self.width = settings.dim or width  # D
        # no bias: it would move all vectors alike, which no distance sees and the neck takes out again
        self.projection = nn.Linear(width, self.width, bias=False) if settings.dim else nn.Identity()
        self.neck = _bnneck(self.width) if settings.neck == "bnneck" else nn.Identity()
        self.classifier = _classifier(self.width, settings) if settings.classes else None

    def vectors(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """B×3×H×W → the B×D vectors before and after the neck."""
        features = self.backbone(images)
        with torch.autocast(images.device.type, enabled=False):  # GeM's powers and the neck's sums need float32
            pooled = self.pooling(features.float())
            if hasattr(self.backbone, "vector"):
                pooled = self.backbone.vector(pooled)  # type: ignore[operator]
            feature = self.projection(pooled)
            return feature, self.neck(feature)

    def forward(self, images: Tensor) -> Output:
        """B×3×H×W float32 → `Output`."""
        feature, embedding = self.vectors(images)
        with torch.autocast(images.device.type, enabled=False):
            return Output(feature, embedding, None if self.classifier is None else self.classifier(embedding))

    @torch.no_grad()
    def describe(self, images: Tensor) -> Tensor:
        """B×3×H×W float32 → B×D float32, the embedding before it is normalised: what centroids are means of.

        Raises
        ------
        FashretError
            In training mode, where a vector would depend on the others in its batch.
        """
        if self.training:
            raise FashretError("embed: the network is in training mode; call .eval() first")
        feature, embedding = self.vectors(images)
        return embedding if self.settings.feature == "after" else feature

    def embed(self, images: Tensor) -> Tensor:
        """B×3×H×W float32 → B×D float32, L2-normalised: what embeddings.h5 holds."""
        return F.normalize(self.describe(images), dim=1)


def _bnneck(width: int) -> nn.BatchNorm1d:
    neck = nn.BatchNorm1d(width)
    neck.bias.requires_grad_(False)
    return neck


def _classifier(width: int, settings: ModelSettings) -> nn.Linear:
    """Without bias behind a BNNeck, so that the classes' hyperplanes pass through the origin."""
    classifier = nn.Linear(width, settings.classes, bias=settings.neck == "none")
    nn.init.normal_(classifier.weight, std=0.001)
    if classifier.bias is not None:
        nn.init.zeros_(classifier.bias)
    return classifier


def build(settings: ModelSettings) -> RetrievalNetwork:
    """The network of the settings with random weights, a function of `settings.seed`; in training mode.

    Published weights are a second step: `weights.load_weights`. The process's random numbers are left alone.

    Raises
    ------
    FashretError
        If the backbone is not known or does not fit the other settings.

    >>> network = build(ModelSettings(backbone="resnet18", dim=8, classes=3, height=32, width=32))
    >>> output = network(torch.zeros(2, 3, 32, 32))
    >>> output.feature.shape, output.logits.shape
    (torch.Size([2, 8]), torch.Size([2, 3]))
    """
    with torch.random.fork_rng(devices=[]):
        # not torch.manual_seed, which seeds the accelerators' generators too
        torch.random.default_generator.manual_seed(settings.seed)
        return RetrievalNetwork(settings)
