"""Poolings against float64 loops and their definitions."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fashret.models.poolings import POOLINGS, GeM, LearnedRMAC, average_pool, max_pool, rmac_pool, rmac_regions


def feature_map(height: int, width: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 3, height, width, dtype=torch.float64, generator=generator)


def places(channel: torch.Tensor) -> list[float]:
    return [float(value) for row in channel for value in row]


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (8, 4)])
def test_average_max_and_gem_equal_loops(shape):
    features = feature_map(*shape)
    gem = GeM(p=2.5).double()
    for b in range(2):
        for c in range(3):
            values = places(features[b, c])
            assert float(average_pool(features)[b, c]) == pytest.approx(sum(values) / len(values))
            assert float(max_pool(features)[b, c]) == max(values)
            powers = [max(value, 1e-6) ** 2.5 for value in values]
            expected = (sum(powers) / len(powers)) ** (1 / 2.5)
            assert gem(features)[b, c].item() == pytest.approx(expected, rel=1e-5)


def test_gem_lies_between_average_and_maximum_and_learns_its_p():
    features = feature_map(4, 4).abs() + 0.1
    torch.testing.assert_close(GeM(p=1.0).double()(features), average_pool(features))
    torch.testing.assert_close(GeM(p=400.0).double()(features), max_pool(features), rtol=0.02, atol=0)
    gem = GeM().double()
    gem(features).sum().backward()
    assert gem.p.grad is not None and gem.p.grad != 0
    assert torch.autograd.gradcheck(gem, (features.requires_grad_(),))


def regions_by_definition(height: int, width: int, levels: int) -> list[tuple[int, int, int]]:
    """R-MAC's squares from the paper's words: m along the longer side at level 1, overlap nearest to 40 %."""
    short, long = min(height, width), max(height, width)
    m = 1
    if long > short:
        overlap = {m: Fraction(short * (m - 1) - (long - short), short * (m - 1)) for m in range(2, 8)}
        m = min(overlap, key=lambda m: abs(overlap[m] - Fraction(2, 5)))
    found = []
    for level in range(1, levels + 1):
        side = max(1, math.floor(2 * short / (level + 1)))
        along_short, along_long = level, level + m - 1
        rows, columns = (along_short, along_long) if height <= width else (along_long, along_short)
        for i in range(rows):
            for j in range(columns):
                top = math.floor(i * (height - side) / (rows - 1)) if rows > 1 else 0
                left = math.floor(j * (width - side) / (columns - 1)) if columns > 1 else 0
                found.append((top, left, side))
    return found


@settings(max_examples=100)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 4))
@example(6, 22, 1)  # five and six squares are equally near to 40 %
def test_rmac_regions_follow_the_definition_and_lie_inside(height, width, levels):
    regions = rmac_regions(height, width, levels)
    assert regions == regions_by_definition(height, width, levels)
    for top, left, side in regions:
        assert min(top, left) >= 0 and side >= 1 and top + side <= height and left + side <= width


@pytest.mark.parametrize("shape", [(3, 3), (16, 8), (5, 9)])
def test_rmac_is_the_sum_of_normalised_regional_maxima(shape):
    features = feature_map(*shape)
    pooled = rmac_pool(features)
    for b in range(2):
        total = [0.0, 0.0, 0.0]
        for top, left, side in regions_by_definition(*shape, levels=3):
            square = features[b, :, top : top + side, left : left + side]
            maxima = [max(places(channel)) for channel in square]
            length = math.sqrt(sum(value**2 for value in maxima))
            total = [t + value / length for t, value in zip(total, maxima, strict=True)]
        assert pooled[b].tolist() == pytest.approx(total)


def test_rmac_gradient():
    assert torch.autograd.gradcheck(rmac_pool, (feature_map(3, 4).requires_grad_(),))


def unit(vector: list[float]) -> list[float]:
    length = math.sqrt(sum(value**2 for value in vector))
    return [value / length for value in vector]


def learned_rmac(seed: int = 1) -> LearnedRMAC:
    head = LearnedRMAC(3).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter += torch.randn(parameter.shape, dtype=torch.float64, generator=generator) / 3
    return head


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (16, 8), (5, 9)])
def test_learned_rmac_equals_loops_over_regions(shape):
    features, head = feature_map(*shape), learned_rmac()
    weight, shift = head.linear.weight.tolist(), head.shift.tolist()
    for b in range(2):
        total = [0.0, 0.0, 0.0]
        for top, left, side in regions_by_definition(*shape, levels=3):
            square = features[b, :, top : top + side, left : left + side]
            region = unit([max(places(channel)) for channel in square])
            shifted = [value - s for value, s in zip(region, shift, strict=True)]
            projected = unit([sum(w * x for w, x in zip(row, shifted, strict=True)) for row in weight])
            total = [t + value for t, value in zip(total, projected, strict=True)]
        assert head(features)[b].tolist() == pytest.approx(unit(total))


def test_learned_rmac_begins_as_rmac_and_learns_both_of_its_parameters():
    features = feature_map(5, 4)
    head = LearnedRMAC(3).double()
    assert head.is_new and not learned_rmac().is_new
    torch.testing.assert_close(head(features), torch.nn.functional.normalize(rmac_pool(features), dim=1))
    head = learned_rmac()
    assert torch.autograd.gradcheck(head, (features.requires_grad_(),))
    head(features)[:, 0].sum().backward()
    assert head.shift.grad.any() and head.linear.weight.grad.any()
    assert sorted(head.state_dict()) == ["linear.weight", "shift"]
    black = learned_rmac()(torch.zeros(1, 3, 4, 4, dtype=torch.float64))
    assert torch.isfinite(black).all()


@pytest.mark.parametrize("name", POOLINGS)
def test_every_pooling_gives_vectors(name):
    assert POOLINGS[name](3)(feature_map(4, 2).float()).shape == (2, 3)
