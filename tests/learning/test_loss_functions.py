"""What each loss computes, against independent float64 loops."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fashret.learning.loss_functions import center as center_loss
from fashret.learning.loss_functions import (
    centroid_triplet,
    quadruplet,
    quantised_ap,
    smooth_ap,
    smoothed_cross_entropy,
    triplet,
)


def batch(seed: int, products: int = 4, images: int = 3, width: int = 5, missing: float = 0.2, grid: bool = False):
    """Features (on a coarse grid: with ties and duplicates), shuffled labels, valid flags, float64."""
    random = np.random.default_rng(seed)
    feature = random.normal(size=(products * images, width))
    if grid:
        feature = feature.round()
    labels = random.permutation(np.repeat(np.arange(products), images))
    valid = random.random(len(labels)) >= missing
    return torch.tensor(feature), torch.tensor(labels), torch.tensor(valid)


def euclidean(a: torch.Tensor, b: torch.Tensor) -> float:
    return math.sqrt(sum((float(x) - float(y)) ** 2 for x, y in zip(a, b, strict=True)))


def rows_of(labels: torch.Tensor, valid: torch.Tensor):
    """For each anchor that is an image: its positives and its negatives."""
    images = [i for i in range(len(labels)) if valid[i]]
    for a in images:
        positives = [i for i in images if i != a and labels[i] == labels[a]]
        negatives = [i for i in images if labels[i] != labels[a]]
        yield a, positives, negatives


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def unit(rows):
    """Each row divided by its length, one by one; a row of zeros stays."""
    lengths = [math.sqrt(sum(float(x) ** 2 for x in row)) for row in rows]
    return [row / (length or 1.0) for row, length in zip(rows, lengths, strict=True)]


def triplet_loop(feature, labels, valid, margin=0.3, soft=False, normalise=False) -> float:
    feature = unit(feature) if normalise else feature
    losses = []
    for a, positives, negatives in rows_of(labels, valid):
        if positives and negatives:
            farthest = max(euclidean(feature[a], feature[p]) for p in positives)
            nearest = min(euclidean(feature[a], feature[n]) for n in negatives)
            gap = farthest - nearest
            losses.append(math.log1p(math.exp(gap)) if soft else max(0.0, margin + gap))
    return mean(losses)


def spread_of(rows, labels, valid) -> float:
    """Mean squared distance of all negatives minus that of all positives."""
    triples = list(rows_of(labels, valid))
    same = [euclidean(rows[a], rows[p]) ** 2 for a, positives, _ in triples for p in positives]
    return mean([euclidean(rows[a], rows[n]) ** 2 for a, _, negatives in triples for n in negatives]) - mean(same)


def quadruplet_loop(feature, labels, valid, margins=(0.3, 0.15), normalise=True, adaptive=False) -> float:
    feature = unit(feature) if normalise else feature

    def d(i: int, j: int) -> float:
        return euclidean(feature[i], feature[j]) ** 2

    images = [i for i in range(len(labels)) if valid[i]]
    if adaptive:
        spread = spread_of(feature, labels, valid)
        margins = [weight * spread for weight in margins]
    losses = []
    for a, positives, negatives in rows_of(labels, valid):
        if not (positives and negatives):
            continue
        farthest = max(d(a, p) for p in positives)
        n1 = min(negatives, key=lambda n: d(a, n))
        thirds = [i for i in images if labels[i] != labels[a] and labels[i] != labels[n1]]
        loss = max(0.0, margins[0] + farthest - d(a, n1))
        if thirds:
            loss += max(0.0, margins[1] + farthest - min(d(n1, n2) for n2 in thirds))
        losses.append(loss)
    return mean(losses)


def centroid_triplet_loop(feature, labels, valid, margin=0.5, normalise=False) -> float:
    feature = unit(feature) if normalise else feature
    images_of: dict[int, list[int]] = {}
    for i, label in enumerate(labels.tolist()):
        if valid[i]:
            images_of.setdefault(label, []).append(i)
    values = []
    for i in range(max(map(len, images_of.values()), default=0)):
        vectors, owners = [], []
        for label, images in images_of.items():
            if len(images) > i and len(images) > 1:
                others = [j for j in images if j != images[i]]  # the query is left out of its centroid
                vectors += [feature[images[i]], sum(feature[j] for j in others) / len(others)]
                owners += [label, label]
        if len(set(owners)) > 1:
            everything = torch.ones(len(owners), dtype=torch.bool)
            values.append(triplet_loop(vectors, torch.tensor(owners), everything, margin, normalise=normalise))
    return mean(values)


def smooth_ap_loop(embedding, labels, valid, temperature=0.01) -> float:
    rows = unit(embedding)

    def s(i: int, j: int) -> float:
        return sum(float(x) * float(y) for x, y in zip(rows[i], rows[j], strict=True))

    def above(a: int, i: int, j: int) -> float:  # how far j stands above i in a's ranking, 0..1
        x = (s(a, j) - s(a, i)) / temperature
        return 1 / (1 + math.exp(-x)) if x > -500 else 0.0

    losses = []
    for a, positives, negatives in rows_of(labels, valid):
        if positives:
            precisions = []
            for p in positives:
                before = 1 + sum(above(a, p, j) for j in positives if j != p)
                precisions.append(before / (before + sum(above(a, p, j) for j in negatives)))
            losses.append(1 - mean(precisions))
    return mean(losses)


def quantised_ap_loop(embedding, labels, valid, bins=25, lowest=-1.0, normalise=True) -> float:
    rows = unit(embedding) if normalise else embedding

    def in_bin(a: int, i: int, m: int) -> float:
        """How far i is in the m-th bin of a's ranking: 1 at the bin's top, 0 at those beside; flat beyond the ends."""
        x = sum(float(v) * float(w) for v, w in zip(rows[a], rows[i], strict=True))
        width = (1 - lowest) / (bins - 1)
        top = 1 - m * width
        if (m == 0 and x > top) or (m == bins - 1 and x < top):
            return 1.0
        return max(0.0, 1 - abs(x - top) / width)

    losses = []
    for a, positives, negatives in rows_of(labels, valid):
        if positives:
            ap = right = seen = 0.0
            for m in range(bins):
                found = sum(in_bin(a, i, m) for i in positives)
                right += found
                seen += found + sum(in_bin(a, i, m) for i in negatives)
                ap += right / seen * found / len(positives) if seen else 0.0
            losses.append(1 - ap)
    return mean(losses)


RAW = {"margins": (1.0, 0.5), "normalise": False}
ADAPTIVE = {"margins": (1.0, 0.5), "adaptive": True}
PAIRWISE = [
    pytest.param(triplet, triplet_loop, {}, id="triplet"),
    pytest.param(triplet, triplet_loop, {"margin": 2.0}, id="triplet-margin"),
    pytest.param(triplet, triplet_loop, {"soft": True}, id="triplet-soft"),
    pytest.param(triplet, triplet_loop, {"normalise": True}, id="triplet-unit"),
    pytest.param(quadruplet, quadruplet_loop, {}, id="quadruplet"),
    pytest.param(quadruplet, quadruplet_loop, {"margins": (3.0, 2.0)}, id="quadruplet-margins"),
    pytest.param(quadruplet, quadruplet_loop, RAW, id="quadruplet-raw"),
    pytest.param(quadruplet, quadruplet_loop, {**ADAPTIVE, "normalise": True}, id="quadruplet-adaptive"),
    pytest.param(quadruplet, quadruplet_loop, {**ADAPTIVE, "normalise": False}, id="quadruplet-adaptive-raw"),
    pytest.param(centroid_triplet, centroid_triplet_loop, {}, id="centroid-triplet"),
    pytest.param(centroid_triplet, centroid_triplet_loop, {"normalise": True}, id="centroid-triplet-unit"),
    pytest.param(smooth_ap, smooth_ap_loop, {}, id="smooth-ap"),
    pytest.param(smooth_ap, smooth_ap_loop, {"temperature": 0.5}, id="smooth-ap-temperature"),
    pytest.param(quantised_ap, quantised_ap_loop, {}, id="ap"),
    pytest.param(quantised_ap, quantised_ap_loop, {"bins": 2}, id="ap-two-bins"),
    pytest.param(quantised_ap, quantised_ap_loop, {"normalise": False}, id="ap-raw"),
    pytest.param(quantised_ap, quantised_ap_loop, {"lowest": 0.0}, id="ap-from-0"),
]


@pytest.mark.parametrize(("loss", "loop", "options"), PAIRWISE)
@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), products=st.integers(1, 5), images=st.integers(1, 4), grid=st.booleans())
def test_equals_loop(loss, loop, options, seed, products, images, grid):
    grid = grid and loss is not quadruplet  # which of two equal n1 is taken decides about n2
    feature, labels, valid = batch(seed, products, images, grid=grid and loss is not smooth_ap)
    assert float(loss(feature, labels, valid, **options)) == pytest.approx(loop(feature, labels, valid, **options))


@pytest.mark.parametrize(("loss", "loop", "options"), [one for one in PAIRWISE if "adaptive" not in str(one.id)])
def test_gradient_is_that_of_the_value(loss, loop, options):
    feature, labels, valid = batch(3)
    feature.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, labels, valid, **options), (feature,))


@pytest.mark.parametrize(("loss", "loop", "options"), PAIRWISE)
def test_missing_images_take_no_part(loss, loop, options):
    feature, labels, valid = batch(5, products=4, images=4)
    extreme = torch.where(valid[:, None], feature, feature.mean(dim=0))  # as near to everything as can be
    extreme = torch.where((valid | (labels > 1))[:, None], extreme, 1e3)  # or as far
    extreme.requires_grad_()
    value = loss(extreme, labels, valid, **options)
    value.backward()
    assert value.item() == pytest.approx(float(loss(feature[valid], labels[valid], valid[valid], **options)))
    assert extreme.grad is not None and not extreme.grad[~valid].any()
    assert torch.isfinite(extreme.grad).all()


@pytest.mark.parametrize("loss", [triplet, quadruplet, centroid_triplet, smooth_ap, quantised_ap])
@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [0]])
def test_without_triplets_the_loss_is_zero_and_has_a_gradient(loss, labels):
    feature = torch.randn(len(labels), 4, requires_grad=True)
    value = loss(feature, torch.tensor(labels, dtype=torch.int64), torch.ones(len(labels), dtype=torch.bool))
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-6)
    assert feature.grad is not None and torch.isfinite(feature.grad).all()


def test_equal_images_have_no_nan_in_the_gradient():
    feature = torch.zeros(4, 3, requires_grad=True)
    labels, everything = torch.tensor([0, 0, 1, 1]), torch.ones(4, dtype=torch.bool)
    (triplet(feature, labels, everything) + quadruplet(feature, labels, everything)).backward()
    quadruplet(feature, labels, everything, normalise=False).backward()
    assert torch.isfinite(feature.grad).all()


def test_ap_of_tied_results_is_the_share_of_positives_and_its_ends_are_flat():
    """All results are equally near, two of five of the anchor's product; nothing beyond an end is pulled."""
    embedding = torch.ones(6, 3, dtype=torch.float64)
    labels, everything = torch.tensor([0, 0, 0, 1, 1, 1]), torch.ones(6, dtype=torch.bool)
    assert float(quantised_ap(embedding, labels, everything)) == pytest.approx(1 - 2 / 5)
    pulled = torch.tensor([[1.0, 0.1], [-1.0, 0.1], [-1.0, 0.0], [-1.0, 0.2]], requires_grad=True)
    labels, there = torch.tensor([0, 0, 1, 2]), torch.tensor([True, True, True, False])
    for lowest, learns in ((0.0, False), (-1.0, True)):
        (gradient,) = torch.autograd.grad(quantised_ap(pulled, labels, there, lowest=lowest), pulled)
        assert bool(gradient[0].any()) == learns and not gradient[3].any() and torch.isfinite(gradient).all()


def test_quadruplet_with_two_products_has_only_its_first_term():
    feature = torch.tensor([[0.0], [1.0], [1.5], [9.0]], dtype=torch.float64)
    labels, everything = torch.tensor([0, 0, 1, 1]), torch.ones(4, dtype=torch.bool)
    # d²(a, p): 1 1 56.25 56.25; d²(a, n): 2.25 0.25 0.25 64 → max(0, 1 + …): 0 1.75 57 0
    assert float(quadruplet(feature, labels, everything, **RAW)) == pytest.approx((0 + 1.75 + 57 + 0) / 4)


@pytest.mark.parametrize("normalise", [True, False])
def test_adaptive_margins_have_no_gradient(normalise):
    feature, labels, valid = batch(3)
    spread = spread_of(unit(feature) if normalise else feature, labels, valid)
    feature.requires_grad_()
    fixed = quadruplet(feature, labels, valid, (spread, spread / 2), normalise)
    adaptive = quadruplet(feature, labels, valid, (1.0, 0.5), normalise, adaptive=True)
    assert adaptive.item() == pytest.approx(fixed.item()) and fixed > 0
    gradients = [torch.autograd.grad(value, feature)[0] for value in (fixed, adaptive)]
    assert gradients[0].any() and torch.allclose(*gradients)


@pytest.mark.parametrize("length", [1e-3, 40.0])
def test_unit_length_losses_do_not_see_how_long_features_are(length):
    feature, labels, valid = batch(4, missing=0)
    centers = torch.zeros(4, 5, dtype=torch.float64)
    for loss in (quadruplet, partial(triplet, normalise=True), partial(centroid_triplet, normalise=True)):
        assert float(loss(feature * length, labels, valid)) == pytest.approx(float(loss(feature, labels, valid)))
    assert float(center_loss(feature * length, centers, labels, valid, normalise=True)) == pytest.approx(1)
    assert float(center_loss(feature * length, centers, labels, valid)) != pytest.approx(1, abs=0.01)


def test_normalised_triplet_sees_directions_only():
    feature, labels, valid = batch(1)
    lengths = torch.rand(len(feature), 1, dtype=torch.float64) + 0.5
    values = [float(triplet(f, labels, valid, normalise=True)) for f in (feature, feature * lengths)]
    assert values[0] == pytest.approx(values[1])
    assert values[0] == pytest.approx(triplet_loop(feature / feature.norm(dim=1, keepdim=True), labels, valid))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_smoothed_cross_entropy_equals_loop(smoothing):
    logits = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    labels, valid = torch.tensor([0, 1, 2, 3, 1, 0]), torch.tensor([True] * 4 + [False] + [True])
    losses = []
    for row, label, used in zip(logits.tolist(), labels.tolist(), valid.tolist(), strict=True):
        total = math.log(sum(math.exp(x) for x in row))
        target = [smoothing / 4 + (1 - smoothing) * (c == label) for c in range(4)]
        if used:
            losses.append(-sum(t * (x - total) for t, x in zip(target, row, strict=True)))
    assert float(smoothed_cross_entropy(logits, labels, valid, smoothing)) == pytest.approx(mean(losses))
    assert torch.autograd.gradcheck(lambda x: smoothed_cross_entropy(x, labels, valid, smoothing), (logits,))


@pytest.mark.parametrize("normalise", [False, True])
def test_center_equals_loop(normalise):
    feature, labels, valid = batch(2, missing=0.4)
    assert not valid.all()
    centers = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    rows = unit(feature) if normalise else feature
    expected = mean([euclidean(rows[i], centers[labels[i]]) ** 2 for i in range(len(labels)) if valid[i]])
    assert float(center_loss(feature, centers, labels, valid, normalise)) == pytest.approx(expected)
    feature.requires_grad_()
    assert torch.autograd.gradcheck(lambda x, c: center_loss(x, c, labels, valid, normalise), (feature, centers))
