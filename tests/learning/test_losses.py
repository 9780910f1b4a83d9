"""Chosen losses: those of the library against independent float64 loops, weights, keys, precision."""

from __future__ import annotations

import math

import pytest
import torch

from fashret.errors import FashretError
from fashret.learning.losses import LOSSES, loss_keys, parse_losses, parse_spec
from fashret.models.network import Output
from tests.learning.test_loss_functions import batch, mean, rows_of


def circle_loop(embedding, labels, valid, m: float, gamma: float) -> torch.Tensor:
    """Circle loss, mean of the anchors whose loss is above zero; the weights of the pairs have no gradient."""
    unit = embedding / embedding.norm(dim=1, keepdim=True)
    losses = []
    for a, positives, negatives in rows_of(labels, valid):
        if positives and negatives:
            s = {i: (unit[a] * unit[i]).sum() for i in positives + negatives}
            p = [-gamma * max(0.0, 1 + m - float(s[i].detach())) * (s[i] - (1 - m)) for i in positives]
            n = [gamma * max(0.0, float(s[i].detach()) + m) * (s[i] - m) for i in negatives]
            losses.append(torch.nn.functional.softplus(torch.stack(p).logsumexp(0) + torch.stack(n).logsumexp(0)))
    return torch.stack([loss for loss in losses if loss > 0]).mean()


def test_circle_equals_loop_with_its_gradient():
    feature, labels, valid = batch(4)
    assert not valid.all()
    loss = parse_losses(["circle:m=0.25,gamma=8"], classes=4, dim=5)[0]
    gradients, values = [], []
    for function in (
        lambda e: loss(Output(e, e, None), labels, valid),
        lambda e: circle_loop(e, labels, valid, 0.25, 8),
    ):
        embedding = feature.clone().requires_grad_()
        value = function(embedding)
        value.backward()
        values.append(float(value))
        gradients.append(embedding.grad)
    assert values[0] == pytest.approx(values[1])
    torch.testing.assert_close(gradients[0], gradients[1])


def test_arcface_equals_loop_and_gradcheck():
    feature, labels, valid = batch(4)
    assert not valid.all()
    loss = parse_losses(["arcface:margin=20,scale=8"], classes=4, dim=5)[0].double()
    weights = loss.module.loss.W.detach()  # D×C
    losses = []
    for i in range(len(labels)):
        if valid[i]:
            cosines = [float((feature[i] / feature[i].norm()) @ (w / w.norm())) for w in weights.T]
            angle = math.acos(cosines[labels[i]])
            shifted = math.cos(angle + math.radians(20))
            if angle > math.pi - math.radians(20):
                shifted = math.cos(angle) - math.radians(20) * math.sin(math.radians(20))
            logits = [8 * (shifted if c == labels[i] else cosine) for c, cosine in enumerate(cosines)]
            losses.append(math.log(sum(map(math.exp, logits))) - logits[labels[i]])
    feature.requires_grad_()
    assert float(loss(Output(feature, feature, None), labels, valid)) == pytest.approx(mean(losses), rel=1e-6)
    assert torch.autograd.gradcheck(lambda x: loss(Output(x, x, None), labels, valid), (feature,))


def test_own_parameters_learn_as_if_the_weight_were_one():
    feature, labels, valid = batch(6)
    output = Output(feature.float(), feature.float(), None)
    gradients = []
    for weight in ("0.0005", "1"):
        loss = parse_losses([f"center:weight={weight}"], classes=4, dim=5)[0]
        assert loss.own_rate == 0.5
        loss(output, labels, valid).backward()
        gradients.append(loss.module.centers.grad)
    torch.testing.assert_close(gradients[0], gradients[1])
    assert parse_losses(["arcface"], 4, 5)[0].own_rate is None


def test_centers_begin_as_long_as_the_features_they_are_compared_with():
    raw, unit = (parse_losses([f"center:normalise={n}"], 50, 400)[0].module.centers for n in ("no", "yes"))
    assert float(raw.norm(dim=1).mean()) == pytest.approx(20, rel=0.05)
    assert float(unit.norm(dim=1).mean()) == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_is_computed_in_float32(name):
    feature, labels, valid = batch(7, missing=0)
    half = Output(feature.bfloat16(), feature.bfloat16(), torch.randn(len(labels), 4).bfloat16())
    full = Output(*(None if t is None else t.float() for t in half))
    loss = parse_losses([name], classes=4, dim=5)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(half, labels)
    assert value.dtype == torch.float32
    assert float(value) == float(loss(full, labels))


@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_without_images_costs_nothing(name):
    feature = torch.randn(3, 5, requires_grad=True)
    loss = parse_losses([name], classes=4, dim=5)[0]
    value = loss(Output(feature, feature, None), torch.tensor([0, 0, 1]), torch.zeros(3, dtype=torch.bool))
    value.backward()
    assert float(value) == 0.0 and not feature.grad.any()


def test_parameters_come_from_the_seed_alone():
    before = torch.random.get_rng_state()
    a, b, c = (parse_losses(["center", "arcface"], 3, 2, seed=s) for s in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    for x, y, z in zip(a, b, c, strict=True):
        (first,), (second,), (third,) = (list(loss.parameters()) for loss in (x, y, z))
        assert torch.equal(first, second) and not torch.equal(first, third)


def test_weights_scale_and_keys_are_read():
    name, keys = parse_spec(" triplet : margin = 0.5 , weight=2 ")
    assert (name, keys["margin"], keys["weight"]) == ("triplet", 0.5, 2.0)
    feature, labels, valid = batch(8)
    output = Output(feature, feature, None)
    one, two = (parse_losses([f"triplet:weight={w}"], 4, 5)[0](output, labels, valid) for w in (1, 2))
    assert float(two) == pytest.approx(2 * float(one))


@pytest.mark.parametrize(
    ("specs", "words"),
    [
        (["tripel"], ["tripel", *LOSSES]),
        (["triplet:margn=1"], ["margn", *loss_keys("triplet")]),
        (["triplet:margin=wide"], ["margin", "number", "wide"]),
        (["triplet:margin=nan"], ["margin", "number"]),
        (["triplet:soft=maybe"], ["soft", "true or false"]),
        (["center:weight=0"], ["weight", "above zero"]),
        (["softmax", "softmax:smoothing=0"], ["softmax", "once"]),
        (["ap:bins=1"], ["ap", "bins", "whole number from 2"]),
        (["ap:bins=2.5"], ["ap", "bins", "2.5"]),
        (["ap:lowest=1"], ["ap", "lowest", "-1 to below 1"]),
        ([], ["no --loss", *LOSSES]),
    ],
)
def test_bad_specs_are_one_line_with_what_is_known(specs, words):
    with pytest.raises(FashretError) as error:
        parse_losses(specs, classes=3, dim=2)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_a_loss_on_logits_says_when_there_is_no_classifier():
    feature, labels, _ = batch(9)
    with pytest.raises(FashretError, match="classifier"):
        parse_losses(["softmax"], 4, 5)[0](Output(feature, feature, None), labels)
