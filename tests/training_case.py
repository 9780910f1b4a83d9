"""A training run that takes a second: a tiny crops file and a tiny network with batch norm and dropout."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fashret.files.columns import Role, text_array
from fashret.models import backbones
from fashret.options import EmbedOptions, TrainOptions
from tests.conftest import make_rows, write_crops

TRAIN_PRODUCTS, VALIDATION_PRODUCTS, IMAGES = 6, 3, 4
SIDE = 16  # pixels


class TinyNet(nn.Module):
    """A convolution, batch norm and dropout: something of each kind that a resumed run could get wrong."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.dropout = nn.Dropout(dropout)

    def forward(self, images: Tensor) -> Tensor:
        return self.dropout(torch.relu(self.norm(self.conv(images))))


def add_tiny_backbone() -> None:
    """Make the backbones "tiny" and, without dropout, "tiny-plain" known in this process."""
    for name, dropout in (("tiny", 0.2), ("tiny-plain", 0.0)):
        backbones.BACKBONES[name] = backbones.Backbone(lambda _, p=dropout: (TinyNet(p), 6), (), "the tests")


def write_training_crops(path: Path, seed: int = 0) -> Path:
    """crops.h5: each product a colour; train products and validation products."""
    products = TRAIN_PRODUCTS + VALIDATION_PRODUCTS
    random = np.random.default_rng(seed)
    number = np.repeat(np.arange(products), IMAGES)
    first = np.tile(np.arange(IMAGES) == 0, products)
    role = np.where(first, Role.VAL_QUERY, Role.VAL_GALLERY)
    role[number < TRAIN_PRODUCTS] = Role.TRAIN
    colours = random.integers(40, 215, (products, 3))
    images = [
        np.clip(colours[i] + random.normal(0, 25, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8) for i in number.tolist()
    ]
    rows = make_rows(
        len(number),
        product=text_array(f"p{i}" for i in number),
        role=role.astype(np.uint8),
        domain=first.astype(np.uint8),
    )
    return write_crops(path, rows, images, size=SIDE)


def tiny_options(**changes: Any) -> TrainOptions:
    """Four steps an epoch, two epochs, with a loss that has a state."""
    values: dict[str, Any] = {
        "backbone": "tiny",
        "weights": "none",
        "input": f"{SIDE}x{SIDE}",
        "loss": ("softmax", "triplet", "center:weight=0.01"),
        "batch_products": 3,
        "batch_images": 2,
        "pad": 2,
        "epochs": 2,
        "warmup": 1,
        "lr": 0.01,
        "validate_every": 0,
        "checkpoint_every": 1,
        "workers": 0,
        "device": "cpu",
        "precision": "float32",
    }
    return TrainOptions(**(values | changes))


def made_up_score(vectors: NDArray[np.float32], rows: Any) -> dict[str, float]:
    """Numbers that depend on every vector and its place."""
    from fashret.stages.train import SCORES

    value = float(np.abs(np.sin(vectors.T @ np.arange(len(vectors)))).mean())
    return {name: value / (i + 1) for i, name in enumerate(SCORES)}


def train_in_process(
    crops: Path, output: Path, kill_at: int | None = None, counting: bool = False, **changes: Any
) -> int:
    """Train here on one thread; with `kill_at`, die by SIGKILL at that Python function call. How many calls there were,
    where they are counted.

    Meant for a process of its own. The validation's scores are made up of the vectors, as the search may have to be
    compiled first.
    """
    from fashret.stages import train

    torch.set_num_threads(1)
    add_tiny_backbone()
    train.score = made_up_score
    calls = 0

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count if counting or kill_at else None)  # which makes a run several times slower
    try:
        train.run(crops, output, tiny_options(**changes))
    finally:
        sys.setprofile(None)
    return calls


def embed_in_process(source: Path, output: Path, **changes: Any) -> None:
    """Embed here on one thread."""
    from fashret.stages import embed

    torch.set_num_threads(1)
    add_tiny_backbone()
    values = {"workers": 0, "device": "cpu", "precision": "float32", "all": True}
    embed.run(source, output, EmbedOptions(**(values | changes)))


def in_fresh_process(target: Callable[..., Any], *arguments: Any, **named: Any) -> int:
    """Run a function in a process that was forked from one with torch imported but not yet used; its exit code."""
    return in_fresh_processes([(target, arguments, named)])[0]


def in_fresh_processes(calls: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]]) -> list[int]:
    """Run functions at the same time, each in a process of its own; their exit codes."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([
        "tests.training_case", "fashret.stages.train", "fashret.stages.embed", "matplotlib.backends.backend_agg",
        "torch._dynamo",
    ])  # fmt: skip
    processes = [context.Process(target=target, args=arguments, kwargs=named) for target, arguments, named in calls]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    assert None not in codes, "a process hangs"
    return [code for code in codes if code is not None]


def as_rank(rank: int, world: int, port: int, target: Callable[..., Any], *arguments: Any, **named: Any) -> None:
    """Run a function as one of several processes, with the variables that torchrun sets."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": str(rank)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    target(*arguments, **named)


def in_processes(world: int, target: Callable[..., Any], *arguments: Any, **named: Any) -> list[int]:
    """Run a function in `world` processes that know each other; their exit codes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    calls = [(as_rank, (rank, world, port, target, *arguments), named) for rank in range(world)]
    return in_fresh_processes(calls)


def die_in_write(name: str, write: int) -> None:
    """Let this process die when a file of that name is written for the `write`-th time, half of it on the disk."""
    from fashret.files import atomic

    real, count = atomic.os.fsync, 0

    def fsync(descriptor: int) -> None:
        nonlocal count
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith(name + ".partial"):
            count += 1
            if count == write:
                os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
                os.kill(os.getpid(), signal.SIGKILL)
        real(descriptor)

    atomic.os.fsync = fsync
