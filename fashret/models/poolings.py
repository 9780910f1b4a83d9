"""From a feature map to a vector.

In: B×C×h×w float feature maps. Out: B×C vectors, by the average, the maximum, their generalisation (GeM), or the
maxima of overlapping regions (R-MAC), as they are or projected as training finds best.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class GeM(nn.Module):
    """Generalised mean, (mean over places of x^p)^(1/p), with a learned p.

    p = 1 is the average, p → ∞ the maximum (Radenović et al., arXiv 1711.02512, eq. 3).

    >>> GeM(p=2.0)(torch.tensor([[[[3.0, 4.0]]]])).item()  # √((9 + 16) / 2)
    3.535533905029297
    """

    def __init__(self, p: float = 3.0, eps: float = 1e-6) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor(p))
        self.eps = eps

    def forward(self, features: Tensor) -> Tensor:
        """B×C×h×w → B×C; values below `eps` count as `eps`."""
        return features.clamp(min=self.eps).pow(self.p).mean(dim=(-2, -1)).pow(1 / self.p)


def average_pool(features: Tensor) -> Tensor:
    """B×C×h×w → B×C, the mean over places."""
    return features.mean(dim=(-2, -1))


def max_pool(features: Tensor) -> Tensor:
    """B×C×h×w → B×C, the maximum over places."""
    return features.amax(dim=(-2, -1))


def rmac_regions(height: int, width: int, levels: int = 3) -> list[tuple[int, int, int]]:
    """Square regions of R-MAC as (top, left, side), in cells of the feature map.

    Level l has squares of side ⌊2·min(h, w)/(l + 1)⌋; along the shorter side l of them, along the longer side
    l + m − 1, evenly spread, where m is the number (2 to 7) whose squares at l = 1 overlap by nearest to 40 %; of two
    equally near, the smaller (Tolias et al., arXiv 1511.05879, section 3.2). A square map has m = 1.

    >>> rmac_regions(2, 2, levels=2)
    [(0, 0, 2), (0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 1)]
    >>> rmac_regions(4, 7, levels=1)  # two squares of 4 in a width of 7 share a column: 25 %
    [(0, 0, 4), (0, 3, 4)]
    """
    short, long = min(height, width), max(height, width)
    extra = 0
    if long > short:  # overlap of m squares of side `short` spread over `long`: 1 − step / short
        steps = [Fraction(long - short, m - 1) for m in range(2, 8)]
        distances = [abs(1 - step / short - Fraction(4, 10)) for step in steps]  # in fractions: equal ones are common
        extra = 1 + distances.index(min(distances))
    regions = []
    for level in range(1, levels + 1):
        side = max(1, 2 * short // (level + 1))
        down = level + (extra if height > width else 0)
        across = level + (extra if width > height else 0)
        tops, lefts = _starts(height, side, down), _starts(width, side, across)
        regions += [(top, left, side) for top in tops for left in lefts]
    return regions


def _starts(length: int, side: int, count: int) -> list[int]:
    return [i * (length - side) // max(1, count - 1) for i in range(count)]


def rmac_pool(features: Tensor, levels: int = 3) -> Tensor:
    """Regional maxima: each region's maximum, L2-normalised, summed. B×C×h×w → B×C.

    (Tolias et al., arXiv 1511.05879; without the PCA, which has to be learned: `LearnedRMAC`.)
    """
    regions = rmac_regions(features.shape[-2], features.shape[-1], levels)
    total = torch.zeros_like(features[..., 0, 0])
    for top, left, side in regions:
        region = features[..., top : top + side, left : left + side]
        total = total + F.normalize(region.amax(dim=(-2, -1)), dim=-1)
    return total


class LearnedRMAC(nn.Module):
    """R-MAC whose regions are shifted and projected before they are summed (Gordo et al., arXiv 1610.07940, 3.1).

    Maximum of each region → length 1 → shift and linear layer → length 1 → sum → length 1. At first the shift is 0 and
    the layer changes nothing, which is R-MAC; training starts both from a PCA of its images' regions
    (`fashret.learning.region_start`) and learns them.

    >>> LearnedRMAC(2)(torch.tensor([[[[3.0]], [[4.0]]]]))  # one cell: all regions are the same
    tensor([[0.6000, 0.8000]], grad_fn=<DivBackward0>)
    """

    def __init__(self, channels: int, levels: int = 3) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(channels))
        self.linear = nn.Linear(channels, channels, bias=False)
        nn.init.eye_(self.linear.weight)
        self.levels = levels

    def regions(self, features: Tensor) -> Tensor:
        """B×C×h×w → B×R×C, the maxima of R regions, each of length 1."""
        places = rmac_regions(features.shape[-2], features.shape[-1], self.levels)
        maxima = [features[..., y : y + side, x : x + side].amax(dim=(-2, -1)) for y, x, side in places]
        return F.normalize(torch.stack(maxima, dim=1), dim=2)

    def forward(self, features: Tensor) -> Tensor:
        """B×C×h×w → B×C, of length 1."""
        projected = F.normalize(self.linear(self.regions(features) - self.shift), dim=2)
        return F.normalize(projected.sum(dim=1), dim=1)

    @property
    def is_new(self) -> bool:
        """Whether shift and layer are as they were made, neither started nor loaded."""
        one = torch.eye(len(self.shift), device=self.shift.device)
        return not bool(self.shift.any()) and bool(torch.equal(self.linear.weight, one))


class Pool(nn.Module):
    """A pooling without parameters as a module, so that a printed network names it."""

    def __init__(self, pool: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.pool = pool

    def extra_repr(self) -> str:
        """The pooling's name, as a printed network shows it."""
        return self.pool.__name__

    def forward(self, features: Tensor) -> Tensor:
        """B×C×h×w → B×C."""
        return self.pool(features)


POOLINGS: dict[str, Callable[[int], nn.Module]] = {  # made for the C of a feature map
    "avg": lambda channels: Pool(average_pool),
    "max": lambda channels: Pool(max_pool),
    "gem": lambda channels: GeM(),
    "rmac": lambda channels: Pool(rmac_pool),
    "rmac-learned": LearnedRMAC,
    "cls": lambda channels: Pool(average_pool),  # the backbone gives the class token as a map of one place
    "own": lambda channels: Pool(average_pool),  # of a published model, which gives its vector as a map of one place
}
