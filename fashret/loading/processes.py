"""Several processes that train or embed together, as torchrun starts them.

In: torchrun's variables. Out: this process's place among them, and the few exchanges that training needs.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed

from fashret.console import log
from fashret.errors import FashretError

PATIENCE = timedelta(hours=2)  # how long a process waits for the others, for example while rank 0 joins files


@dataclass(frozen=True)
class Place:
    """This process among `world` processes; alone: 0 of 1."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0  # its number on its machine

    @property
    def first(self) -> bool:
        """Whether it is the one that writes files and speaks."""
        return self.rank == 0


def place() -> Place:
    """Where this process stands, by the variables that torchrun sets."""
    read = [int(os.environ.get(name, default)) for name, default in
            (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))]  # fmt: skip
    return Place(*read)


@contextmanager
def together(device: torch.device) -> Iterator[Place]:
    """Join the other processes for the time of the block, and leave it together; alone, nothing happens.

    Raises
    ------
    FashretError
        If another process died.
    """
    here = place()
    if here.world == 1:
        yield here
        return
    if not here.first:
        log.setLevel(logging.WARNING)
    if device.type == "cuda":
        torch.cuda.set_device(device)  # collectives without tensors (barrier) take the current one
    join = not distributed.is_initialized()
    if join:
        _join("nccl" if device.type == "cuda" else "gloo")
    try:
        yield here
        wait(here.world)
    except RuntimeError as error:
        if "gloo" not in str(error) and not isinstance(error, distributed.DistBackendError):
            raise
        raise FashretError("another process of this run died; start it again with --resume") from error
    finally:
        if join:
            distributed.destroy_process_group()


def _join(backend: str) -> None:
    """Meet the other processes at the address that torchrun gives.

    torchrun keeps its store when it starts processes again, and in it the addresses of those that died. Each attempt
    therefore has its own keys.
    """
    store, rank, world = next(distributed.rendezvous("env://", timeout=PATIENCE))
    own = distributed.PrefixStore(f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
    distributed.init_process_group(backend, store=own, rank=rank, world_size=world, timeout=PATIENCE)


def gather(values: Tensor, world: int) -> Tensor:
    """The rows of all processes, those of rank 0 first: B×… here → (world·B)×… everywhere. Carries no gradient."""
    if world == 1:
        return values
    parts = [torch.empty_like(values) for _ in range(world)]
    distributed.all_gather(parts, values.contiguous())
    return torch.cat(parts)


def average_(values: Tensor, world: int) -> None:
    """Replace a tensor by its mean over the processes."""
    if world > 1:
        distributed.all_reduce(values)
        values /= world


def wait(world: int) -> None:
    """Go on when every process is here."""
    if world > 1:
        distributed.barrier()
