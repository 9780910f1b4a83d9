"""Hardest examples of a batch, from a matrix of distances.

In: B×B distances, labels, and which rows hold an image at all. Out: for each anchor the distance to its hardest
positive and negatives, and whether it has them. A row without an image is never an anchor, a positive or a negative.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


def distances(rows: Tensor, columns: Tensor, squared: bool = False) -> Tensor:
    """Euclidean distance of every pair, from the differences themselves: equal rows have distance 0 and gradient 0.

    Parameters
    ----------
    rows, columns
        M×D and N×D float; float64 stays float64, everything else is computed in float32.

    Returns
    -------
    M×N.

    >>> distances(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[5., 0.]])
    """
    if rows.dtype != torch.float64:
        rows, columns = rows.float(), columns.float()
    if squared:
        return (rows[:, None] - columns[None]).square().sum(dim=2)
    return torch.cdist(rows, columns, compute_mode="donot_use_mm_for_euclid_dist")


class Hardest(NamedTuple):
    """One entry per anchor; where `found` is False the distances say nothing."""

    positive: Tensor  # B, distance to the farthest image of the same product
    negative: Tensor  # B, distance to the nearest image of another product
    negative_row: Tensor  # B int64, which row that is
    found: Tensor  # B bool, the anchor is an image and has a positive and a negative


def batch_hard(distance: Tensor, labels: Tensor, valid: Tensor) -> Hardest:
    """Hardest positive and negative of every anchor (Hermans et al., arXiv 1703.07737, eq. 5).

    Parameters
    ----------
    distance
        B×B, row: anchor.
    labels
        B int64, the product of each row.
    valid
        B bool, False where a row holds no image.

    >>> points = torch.tensor([[0.0], [2.0], [5.0]])
    >>> hardest = batch_hard(distances(points, points), torch.tensor([7, 7, 8]), torch.ones(3, dtype=torch.bool))
    >>> hardest.positive, hardest.negative, hardest.found
    (tensor([2., 2., -inf]), tensor([5., 3., 3.]), tensor([ True,  True, False]))
    """
    positives, negatives = pairs(labels, valid)
    positive = distance.masked_fill(~positives, -torch.inf).amax(dim=1)
    negative, negative_row = distance.masked_fill(~negatives, torch.inf).min(dim=1)
    found = positives.any(dim=1) & negatives.any(dim=1)
    return Hardest(positive, negative, negative_row, found)


def pairs(labels: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Which pairs of different rows are positives, and which are negatives: two B×B bool."""
    both = valid[:, None] & valid[None]
    same = labels[:, None] == labels[None]
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return both & same & ~itself, both & ~same


def mean_of(values: Tensor, chosen: Tensor) -> Tensor:
    """Mean of the chosen entries; 0, still part of the graph, where none is chosen.

    >>> mean_of(torch.tensor([1.0, torch.inf, 3.0]), torch.tensor([True, False, True]))
    tensor(2.)
    """
    kept = values[chosen]
    return kept.mean() if len(kept) else kept.sum()


def spread(feature: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Mean length of a batch's features (B×D), and mean distance of two of them; 0 for fewer than two."""
    rows = feature.detach()[valid].float()
    if len(rows) < 2:
        return rows.sum() * 0, rows.sum() * 0
    return rows.norm(dim=1).mean(), distances(rows, rows).sum() / (len(rows) * (len(rows) - 1))
