"""The training loop: gradients against one plain backward pass, parts, empty places, freezing, failures."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from fashret.errors import FashretError
from fashret.learning import loop
from fashret.learning.batches import Batch
from fashret.learning.losses import parse_losses
from fashret.learning.modes import set_modes
from fashret.learning.optimisers import build_optimisers
from fashret.learning.steps import Machine, StepMemoryError
from fashret.models.network import build
from fashret.models.settings import ModelSettings
from fashret.options import TrainOptions
from tests.training_case import add_tiny_backbone, tiny_options

MACHINE = Machine(torch.device("cpu"))
LOSSES = ("softmax", "triplet", "quadruplet", "center:weight=0.01", "centroid-triplet", "arcface", "smooth-ap", "ap")


@pytest.fixture(autouse=True)
def tiny() -> None:
    add_tiny_backbone()


def make_run(options: TrainOptions, dropout: float = 0.0, **settings: Any) -> loop.Run:
    network = build(ModelSettings(backbone="tiny", weights="none", height=16, width=16, classes=5, **settings))
    network.backbone.dropout.p = dropout
    losses = parse_losses(options.loss, 5, network.width, seed=1)
    return loop.Run(
        network, losses, build_optimisers(network, losses, options), torch.amp.GradScaler("cpu", enabled=False)
    )


def make_batch(
    products: int = 4, images: int = 3, empty: tuple[int, ...] = (), seed: int = 0, number: int = 0
) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(products).repeat_interleave(images)
    valid = torch.ones(len(labels), dtype=torch.bool)
    valid[list(empty)] = False
    pixels = torch.randn(len(labels), 3, 16, 16, generator=generator)
    return Batch(0, number, False, pixels, labels, valid)


def gradients(run: loop.Run) -> dict[str, Tensor]:
    named = list(run.network.named_parameters())
    named += [(f"{loss.name}.{name}", p) for loss in run.losses for name, p in loss.named_parameters()]
    return {name: parameter.grad.clone() for name, parameter in named if parameter.grad is not None}


def plain_gradients(run: loop.Run, batch: Batch, options: TrainOptions) -> dict[str, Tensor]:
    """What autograd gives for the sum of the losses, in one piece."""
    set_modes(run.network, 0, options)
    output = run.network(batch.images)
    sum(loss(output, batch.labels, batch.valid) for loss in run.losses).backward()
    return gradients(run)


def loop_gradients(run: loop.Run, batch: Batch, options: TrainOptions) -> tuple[loop.StepResult, dict[str, Tensor]]:
    set_modes(run.network, 0, options)
    result = loop.take_step(run, run.network, batch, options, MACHINE)
    return result, gradients(run)


def assert_close(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Equal up to float32's rounding, measured by the largest gradient."""
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    for name, gradient in expected.items():
        torch.testing.assert_close(
            found[name], gradient, rtol=1e-4, atol=5e-5 * largest, msg=lambda m, n=name: f"{n}: {m}"
        )


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_those_of_a_plain_backward_pass(loss: str) -> None:
    options = tiny_options(loss=(loss,))
    expected = plain_gradients(make_run(options), make_batch(), options)
    result, found = loop_gradients(make_run(options), make_batch(), options)
    # outputs that no loss looks at get zero gradients here, none in the plain pass
    assert {name for name, grad in found.items() if grad.any()} == {n for n, g in expected.items() if g.any()}
    assert_close(found, expected)
    assert result.loss.isfinite() and not result.loss.requires_grad


@pytest.mark.parametrize("parts", [2, 3, 5, 12, 40])
def test_parts_give_the_gradients_of_the_whole_batch(parts: int) -> None:
    whole, split = (tiny_options(loss=LOSSES, accumulate=n, freeze_bn=True) for n in (1, parts))
    settings = {"neck": "none"}  # with batch norm, each part has statistics of its own
    result, expected = loop_gradients(make_run(whole, **settings), make_batch(), whole)
    other, found = loop_gradients(make_run(split, **settings), make_batch(), split)
    torch.testing.assert_close(other.counts, result.counts, rtol=1e-5, atol=1e-6)
    assert_close(found, expected)


@pytest.mark.parametrize("parts", [5, 11, 12, 40])
def test_no_part_is_a_single_image(parts: int) -> None:
    """Batch norm has no statistics of one image."""
    options = tiny_options(loss=LOSSES, accumulate=parts)
    result, _ = loop_gradients(make_run(options), make_batch(), options)
    assert result.loss.isfinite()


def test_parts_repeat_their_dropout_and_count_their_statistics_once() -> None:
    options = tiny_options(accumulate=2, loss=("triplet",))
    run = make_run(options, dropout=0.5)
    seen: list[Tensor] = []
    run.network.backbone.dropout.register_forward_hook(lambda module, inputs, output: seen.append(output == 0))
    loop_gradients(run, make_batch(), options)
    assert len(seen) == 4
    torch.testing.assert_close(seen[0], seen[2])
    torch.testing.assert_close(seen[1], seen[3])
    assert not seen[0].equal(seen[1])
    assert int(run.network.backbone.norm.num_batches_tracked) == 2


def test_empty_places_change_nothing() -> None:
    """Neither losses, nor batch-norm statistics, nor gradients see an empty place, whatever its pixels are."""
    options = tiny_options(loss=("softmax", "triplet", "center:weight=0.01", "centroid-triplet"))
    full = make_batch(products=3, images=3)
    kept = torch.tensor([0, 1, 2, 3, 4, 6, 7, 8])
    small = full._replace(images=full.images[kept], labels=full.labels[kept], valid=full.valid[kept])
    gapped = full._replace(valid=torch.tensor([True] * 5 + [False] + [True] * 3))
    gapped.images[5] = 1e6
    one, other = make_run(options), make_run(options)
    (a, expected), (b, found) = loop_gradients(one, small, options), loop_gradients(other, gapped, options)
    torch.testing.assert_close(b.counts, a.counts)
    assert_close(found, expected)
    torch.testing.assert_close(one.network.state_dict(), other.network.state_dict())


def test_freezing() -> None:
    options = tiny_options(freeze=1, freeze_bn=True)
    run = make_run(options)
    before = run.network.backbone.conv.weight.clone()
    batches = iter([make_batch(), make_batch(number=1)._replace(last=True), make_batch()._replace(epoch=1)])
    weights = []
    loop.train(run, batches, options, MACHINE, lambda *_: weights.append(run.network.backbone.conv.weight.clone()))
    assert weights[0].equal(before) and weights[1].equal(before) and not weights[2].equal(before)
    assert not run.network.backbone.norm.training and run.network.backbone.training


def test_a_loss_that_is_not_finite_stops_before_a_checkpoint() -> None:
    options = tiny_options(checkpoint_every=0)
    run, done = make_run(options), []
    batches = [make_batch(number=i, seed=i) for i in range(4)]
    batches[1].images[0, 0, 0, 0] = torch.inf
    with pytest.raises(FashretError, match=r"the loss is nan at step 2 \(learning rate 0.0001\).*try a lower --lr"):
        loop.train(run, iter(batches), options, MACHINE, lambda run, batch, result: done.append(run.step))
    assert done == [1, 2]  # noticed one step late
    options, run, done = tiny_options(checkpoint_every=2), make_run(options), []
    with pytest.raises(FashretError, match="at step 2"):
        loop.train(run, iter(batches), options, MACHINE, lambda run, batch, result: done.append(run.step))
    assert done == [1]  # but never after the checkpoint that would hold it


def state_of(run: loop.Run) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in run.network.state_dict().items()}


def test_out_of_memory_leaves_the_run_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    options = tiny_options(accumulate=2)
    run = make_run(options)
    loop.train(run, iter([make_batch()]), options, MACHINE, lambda *_: None)
    before, real = state_of(run), loop._backward

    def exhausted(*arguments: Any) -> None:
        real(*arguments)
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(loop, "_backward", exhausted)
    with pytest.raises(StepMemoryError, match=r"12 images per batch in 2 parts at step 1; lower --batch-products"):
        loop.train(run, iter([make_batch(number=1)]), options, MACHINE, lambda *_: None)
    torch.testing.assert_close(state_of(run), before, rtol=0, atol=0)
    assert all(parameter.grad is None for parameter in run.network.parameters()) and run.step == 1


def test_other_errors_are_not_taken_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tiny_options())
    with pytest.raises(RuntimeError, match="size"):
        loop.train(run, iter([make_batch()._replace(images=torch.zeros(12, 4, 16, 16))]), tiny_options(), MACHINE,
                   lambda *_: None)  # fmt: skip


def test_the_center_loss_has_its_own_optimiser() -> None:
    """Published: plain SGD at 0.5, gradient divided by the loss's weight, untouched by the schedule."""
    options = tiny_options(loss=("softmax", "center:weight=0.0005"))
    run, batch = make_run(options), make_batch()
    centers = run.losses[1].module.centers
    before = centers.detach().clone()
    set_modes(run.network, 0, options)
    feature = run.network(batch.images).feature.detach()
    run = make_run(options)
    centers = run.losses[1].module.centers
    loop.train(run, iter([batch]), options, MACHINE, lambda *_: None)
    gradient = torch.zeros_like(before)
    for row, label in zip(feature, batch.labels, strict=True):
        gradient[label] += 2 * (before[label] - row) / len(feature)
    torch.testing.assert_close(centers.detach(), before - 0.5 * gradient, rtol=1e-4, atol=1e-5)


def test_bf16_trains_with_losses_in_float32() -> None:
    options = tiny_options()
    run, seen = make_run(options), []
    run.losses[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].feature.dtype))
    machine = Machine(torch.device("cpu"), "bf16")
    loop.train(run, iter([make_batch()]), options, machine, lambda *_: None)
    assert seen == [torch.float32]
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in run.network.parameters())


def scaled(options: TrainOptions, scale: float) -> loop.Run:
    """A run with fp16's scaler, which a CPU has too."""
    run = make_run(options)
    run.scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=2)
    return run


def test_fp16_learns_what_float32_learns_and_its_scale_is_resumed() -> None:
    options = tiny_options(optimiser="sgd", warmup=0)
    plain, half = make_run(options), scaled(options, 2.0**10)
    before = state_of(plain)
    for run, precision in ((plain, "float32"), (half, "fp16")):
        batches = iter([make_batch(), make_batch(number=1, seed=1)])
        loop.train(run, batches, options, Machine(torch.device("cpu"), precision), lambda *_: None)
    after, found = state_of(plain), state_of(half)
    for name in ("backbone.conv.weight", "classifier.weight"):
        moved = after[name] - before[name]
        assert float((found[name] - after[name]).norm()) < 0.02 * float(moved.norm()) != 0
    torch.testing.assert_close(half.losses[2].module.centers, plain.losses[2].module.centers, rtol=0.01, atol=0.01)
    assert half.scaler.get_scale() == 2.0**11  # two good steps
    resumed = scaled(options, 1.0)
    resumed.restore(half.state())
    assert resumed.scaler.get_scale() == 2.0**11 and resumed.step == 2


def test_fp16_leaves_out_a_step_that_overflows() -> None:
    options = tiny_options(optimiser="sgd", warmup=0, loss=("softmax", "triplet"))
    run = scaled(options, 2.0**60)
    before = dict(run.network.named_parameters())["backbone.conv.weight"].detach().clone()
    loop.train(run, iter([make_batch()]), options, Machine(torch.device("cpu"), "fp16"), lambda *_: None)
    assert run.network.backbone.conv.weight.equal(before) and run.scaler.get_scale() == 2.0**59
    assert run.step == 1
