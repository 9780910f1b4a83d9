"""What each loss computes, on tensors.

In: features, embeddings or logits of a batch, the products' labels, and which rows hold an image (`valid`). Out: one
number. Everything is computed in float32, float64 for float64 input.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from fashret.learning.mining import batch_hard, distances, mean_of, pairs

SMALLEST = 1e-16  # stands for no result at all


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
    losses = F.cross_entropy(at_least_float32(logits), labels, reduction="none", label_smoothing=smoothing)
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
    feature = _metric_feature(feature, normalise)
    hardest = batch_hard(distances(feature, feature), labels, valid)
    gap = torch.where(hardest.found, hardest.positive - hardest.negative, 0.0)
    return mean_of(F.softplus(gap) if soft else F.relu(gap + margin), hardest.found)


def quadruplet(
    feature: Tensor,
    labels: Tensor,
    valid: Tensor,
    margins: tuple[float, float] = (0.3, 0.15),
    normalise: bool = True,
    adaptive: bool = False,
) -> Tensor:
    """Batch-hard quadruplet loss (Chen et al., arXiv 1704.01719, eq. 6), squared L2 distances.

    Mean over anchors of max(0, m1 + d(a, p) − d(a, n1)) + max(0, m2 + d(a, p) − d(n1, n2)): p the farthest positive, n1
    the nearest negative, n2 the image nearest to n1 that is neither of n1's product nor of the anchor's. Where there is
    no n2 (two products in the batch) the second term is 0.

    The features (B×D) are put on the unit sphere first: the paper's distance is bounded too, and large features would
    make the margins nothing. With `adaptive` the two margins are the paper's weights, 1 and 0.5, of margins that follow
    the batch: m = w · (mean distance of all negatives − that of all positives), through which no gradient flows.

    >>> feature = torch.tensor([[0.0], [1.0], [3.0], [4.0]])
    >>> everything, labels = torch.ones(4, dtype=torch.bool), torch.tensor([0, 0, 1, 2])
    >>> quadruplet(feature, labels, everything, (1.0, 0.5), normalise=False)  # d(a, p) = 1 for the first two
    tensor(0.5000)
    """
    feature = _metric_feature(feature, normalise)
    distance = distances(feature, feature, squared=True)
    hardest = batch_hard(distance, labels, valid)
    positives, negatives = pairs(labels, valid)
    spread: Tensor | float = 1.0
    if adaptive:
        spread = (mean_of(distance, negatives) - mean_of(distance, positives)).detach()
    first = F.relu(torch.where(hardest.found, margins[0] * spread + hardest.positive - hardest.negative, 0.0))
    third = negatives[hardest.negative_row] & negatives  # B×B: neither n1's product nor the anchor's
    between = distance[hardest.negative_row].masked_fill(~third, torch.inf).amin(dim=1)  # d(n1, n2); ∞ without n2
    second = F.relu(torch.where(hardest.found, margins[1] * spread + hardest.positive - between, 0.0))
    return mean_of(first + second, hardest.found)


def center(feature: Tensor, centers: Tensor, labels: Tensor, valid: Tensor, normalise: bool = False) -> Tensor:
    """Mean squared L2 distance between features and the centers of their products (Wen et al., ECCV 2016, eq. 2).

    As in the published re-identification code: a mean over the batch, without the paper's factor 1/2.

    Parameters
    ----------
    feature
        B×D. centers: C×D, learned. normalise: put the features, not the centers, on the unit sphere first; a center
        then learns the mean of its product's directions.

    >>> feature = torch.tensor([[0.0], [2.0], [5.0]])
    >>> center(feature, torch.tensor([[1.0], [5.0]]), torch.tensor([0, 0, 1]), torch.ones(3, dtype=torch.bool))
    tensor(0.6667)
    """
    return mean_of((_metric_feature(feature, normalise) - centers[labels]).square().sum(dim=1), valid)


def centroid_triplet(
    feature: Tensor, labels: Tensor, valid: Tensor, margin: float = 0.5, normalise: bool = False
) -> Tensor:
    """Centroid triplet loss (Wieczorek et al., arXiv 2104.13643, eq. 3).

    For each i the i-th image of every product is a query, and the centroid of a product is the mean of its *other*
    images; a batch-hard triplet loss runs over these queries and centroids together; the mean over i. A product takes
    part in i while it has an i-th image and another one beside it. `normalise` puts features (B×D) and centroids on the
    unit sphere, as centroids are at retrieval.

    >>> feature = torch.tensor([[0.0], [1.0], [3.0], [3.0]])
    >>> centroid_triplet(feature, torch.tensor([0, 0, 1, 1]), torch.ones(4, dtype=torch.bool), margin=2.0)
    tensor(0.2500)
    >>> centroid_triplet(feature[:3], torch.tensor([0, 0, 1]), torch.ones(3, dtype=torch.bool))  # one is alone: no part
    tensor(0.)
    """
    feature, labels = _metric_feature(feature, normalise)[valid], labels[valid]
    same = labels[:, None] == labels[None]  # B×B
    count = same.sum(dim=1)
    others = (same.to(feature.dtype) @ feature - feature) / (count - 1).clamp(min=1)[:, None]  # B×D
    occurrence = (same & same.new_ones(same.shape).tril(-1)).sum(dim=1)  # how many of the product came before
    losses = []
    for i in range(int(count.max()) if len(count) else 0):
        query = (occurrence == i) & (count > 1)
        if query.sum() > 1:  # one product alone has no negatives
            vectors, owners = torch.cat([feature[query], others[query]]), labels[query].repeat(2)
            everything = torch.ones_like(owners, dtype=torch.bool)
            losses.append(triplet(vectors, owners, everything, margin, normalise=normalise))
    return torch.stack(losses).mean() if losses else feature.sum() * 0


def smooth_ap(embedding: Tensor, labels: Tensor, valid: Tensor, temperature: float = 0.01) -> Tensor:
    """1 − mean smooth average precision of each image's cosine ranking (Brown et al., arXiv 2007.12163, eq. 7).

    A rank is 1 + the sum over the other images of sigmoid((s_other − s) / temperature); the query itself is no result.
    Not the library's: pytorch-metric-learning 2.9 lays the batch out as K×P where it is P×K.

    >>> embedding = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
    >>> round(smooth_ap(embedding, torch.tensor([0, 0, 1]), torch.ones(3, dtype=torch.bool)).item(), 4)
    0.0
    """
    unit = F.normalize(at_least_float32(embedding), dim=1)
    similarity = unit @ unit.T
    positives, negatives = pairs(labels, valid)
    above = torch.sigmoid((similarity[:, None, :] - similarity[:, :, None]) / temperature)  # anchor × ranked × other
    above = above * ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    rank_among_positives = 1 + (above * positives[:, None, :]).sum(dim=2)
    rank = rank_among_positives + (above * negatives[:, None, :]).sum(dim=2)
    precision = torch.where(positives, rank_among_positives / rank, 0.0).sum(dim=1)
    return mean_of(1 - precision / positives.sum(dim=1).clamp(min=1), positives.any(dim=1))


def quantised_ap(
    embedding: Tensor, labels: Tensor, valid: Tensor, bins: int = 25, lowest: float = -1.0, normalise: bool = True
) -> Tensor:
    """1 − mean quantised average precision of each image's ranking (Revaud et al., arXiv 1906.07589, eq. 3 to 8).

    Similarities are counted into `bins` triangles whose tops are spread evenly from 1 down to `lowest`; what is above
    or below counts as one of the ends, and nothing pulls it. AP is the sum over the bins of the precision down to the
    bin × the share of the positives in it. The query itself is no result, as in `smooth_ap`. With `normalise` the
    similarity is the cosine, otherwise the product of the vectors as they are. Published code has `lowest` 0; behind a
    BNNeck, where half of the cosines are below 0, that leaves them without a gradient.

    A similarity touches two bins only, so this takes B×B numbers, not B×bins×B.

    >>> embedding = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
    >>> round(quantised_ap(embedding, torch.tensor([0, 0, 1]), torch.ones(3, dtype=torch.bool)).item(), 4)
    0.0
    """
    vectors = _metric_feature(embedding, normalise)
    positives, negatives = pairs(labels, valid)
    place = ((1 - vectors @ vectors.T) * ((bins - 1) / (1 - lowest))).clamp(0, bins - 1)  # 0: the topmost bin
    upper = place.detach().floor().clamp(max=bins - 2)
    share = place - upper  # of the bin below

    def counted(chosen: Tensor) -> Tensor:  # B×B bool → B×bins
        bin_, weight = upper.long(), chosen.to(place.dtype)
        empty = place.new_zeros(len(place), bins)
        return empty.scatter_add(1, bin_, weight * (1 - share)).scatter_add(1, bin_ + 1, weight * share)

    found = counted(positives)
    precision = found.cumsum(dim=1) / counted(positives | negatives).cumsum(dim=1).clamp(min=SMALLEST)
    ap = (precision * found).sum(dim=1) / positives.sum(dim=1).clamp(min=1)
    return mean_of(1 - ap, positives.any(dim=1))


def at_least_float32(values: Tensor) -> Tensor:
    """The same values in float32, or in float64 where they are."""
    return values if values.dtype == torch.float64 else values.float()


def _metric_feature(feature: Tensor, normalise: bool) -> Tensor:
    """B×D features as a metric loss takes them, on the unit sphere if asked for."""
    return F.normalize(at_least_float32(feature), dim=1) if normalise else at_least_float32(feature)
