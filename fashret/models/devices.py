"""Where a network runs and in which arithmetic.

In: the options `--device` and `--precision`. Out: a torch device, the number type of autocast, or one line that
names what the machine lacks.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from fashret.console import log
from fashret.cores import cores, free_cores
from fashret.errors import FashretError

PRECISIONS = {"float32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name: str, local_rank: int = 0) -> torch.device:
    """Device of `--device`: auto, cpu, cuda, cuda:N or mps.

    Parameters
    ----------
    local_rank
        Number of this process on its machine; it picks the GPU for "auto" and "cuda".

    Raises
    ------
    FashretError
        If the machine does not have it.

    >>> choose_device("cpu")
    device(type='cpu')
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", local_rank % torch.cuda.device_count())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise FashretError(f"--device {name}: write auto, cpu, cuda, cuda:N or mps") from None
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count == 0:
            raise FashretError(f"--device {name}: no GPU that torch {torch.__version__} can use; try --device cpu")
        if device.index is not None and device.index >= count:
            raise FashretError(f"--device {name}: there are {count} GPUs, counted from cuda:0")
        return device if device.index is not None else torch.device("cuda", local_rank % count)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise FashretError("--device mps: not available on this machine; try --device cpu")
    if device.type not in ("cpu", "mps"):
        raise FashretError(f"--device {name}: write auto, cpu, cuda, cuda:N or mps")
    return device


def choose_precision(name: str, device: torch.device) -> str:
    """What `--precision auto` means on a device: bf16 where its hardware multiplies it fast, float32 elsewhere.

    Raises
    ------
    FashretError
        If the name is not known, or fp16 is asked for on a CPU, where it is slower than float32.
    """
    if name == "auto":
        return "bf16" if has_fast_bf16(device) else "float32"
    if name not in PRECISIONS:
        raise FashretError(f"--precision {name}: there are auto, {', '.join(PRECISIONS)}")
    if name == "fp16" and device.type == "cpu":
        raise FashretError("--precision fp16: slow on a CPU; use bf16 or float32")
    return name


def has_fast_bf16(device: torch.device) -> bool:
    """Whether the hardware itself multiplies bf16."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return False


def use_threads(asked: int, before: int = 0) -> int:
    """Let torch compute with so many threads on the CPU; how many it has then.

    Parameters
    ----------
    asked
        `--threads`; 0: what torch has, but no more than other programs leave free, because threads that wait for each
        other on busy cores are slower than one alone.
    before
        Threads of the run that is resumed, whose sums are to have the same bits; 0: it is a new one.
    """
    if not asked:
        has = min(torch.get_num_threads(), cores())
        asked = min(before, cores()) if before else min(has, free_cores())
        if asked < has:
            log.info("computing with %d of %d cores (--threads N)", asked, has)
    torch.set_num_threads(asked)
    return asked


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """Context in which a network's matrix products run in `precision`."""
    dtype = PRECISIONS[precision]
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that the device's or the machine's memory is used up.

    >>> is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried …"))
    True
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(
        sign in str(error) for sign in ("can't allocate memory", "not enough memory", "out of memory")
    )


def within_memory(work: Callable[[], Any], device: torch.device, what: str, advice: str) -> Any:
    """Run `work`; if memory does not suffice, say in one line what was tried and what to lower.

    Raises
    ------
    FashretError
        On running out of memory.
    """
    try:
        return work()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise FashretError(f"out of memory on {device} with {what}; {advice}") from None
