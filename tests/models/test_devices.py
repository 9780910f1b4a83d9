"""Devices and precisions: what is chosen, and one line for what the machine does not have."""

from __future__ import annotations

import pytest
import torch

from fashret.errors import FashretError
from fashret.models import devices
from fashret.models.devices import (
    PRECISIONS,
    autocast,
    choose_device,
    choose_precision,
    has_fast_bf16,
    is_out_of_memory,
    use_threads,
    within_memory,
)

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("asked", "before", "has", "usable", "free", "threads"),
    [
        (3, 0, 2, 2, 1, 3),  # as asked for
        (3, 2, 2, 2, 1, 3),
        (0, 0, 4, 4, 4, 4),
        (0, 0, 4, 4, 1, 1),  # others are at work
        (0, 0, 2, 4, 4, 2),  # torch was told to use fewer, by OMP_NUM_THREADS perhaps
        (0, 4, 4, 4, 1, 4),  # as before it was interrupted
        (0, 8, 4, 4, 4, 4),  # on a machine with fewer cores
    ],
)
def test_threads(
    monkeypatch: pytest.MonkeyPatch, asked: int, before: int, has: int, usable: int, free: int, threads: int
) -> None:
    made: list[int] = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: has)
    monkeypatch.setattr(torch, "set_num_threads", made.append)
    monkeypatch.setattr(devices, "cores", lambda: usable)
    monkeypatch.setattr(devices, "free_cores", lambda: free)
    assert use_threads(asked, before) == threads and made == [threads]


def pretend_gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


@pytest.mark.parametrize(
    ("name", "local_rank", "chosen"),
    [("auto", 0, "cuda:0"), ("auto", 3, "cuda:1"), ("cuda", 1, "cuda:1"), ("cuda:1", 0, "cuda:1"), ("cpu", 1, "cpu")],
)
def test_processes_share_the_gpus_of_a_machine(
    monkeypatch: pytest.MonkeyPatch, name: str, local_rank: int, chosen: str
) -> None:
    pretend_gpus(monkeypatch, 2)
    assert choose_device(name, local_rank) == torch.device(chosen)


def test_without_a_gpu_auto_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_gpus(monkeypatch, 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == CPU
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto").type == choose_device("mps").type == "mps"


@pytest.mark.parametrize(
    ("name", "gpus", "message"),
    [
        ("cuda", 0, "--device cuda: no GPU that torch .* can use; try --device cpu"),
        ("cuda:2", 2, "--device cuda:2: there are 2 GPUs, counted from cuda:0"),
        ("mps", 0, "--device mps: not available on this machine"),
        ("toaster", 0, "--device toaster: write auto, cpu, cuda, cuda:N or mps"),
        ("meta", 0, "--device meta: write auto, cpu, cuda, cuda:N or mps"),
    ],
)
def test_devices_that_are_not_there(monkeypatch: pytest.MonkeyPatch, name: str, gpus: int, message: str) -> None:
    pretend_gpus(monkeypatch, gpus)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(FashretError, match=message):
        choose_device(name)


@pytest.mark.parametrize("fast", [True, False])
def test_auto_is_bf16_where_the_hardware_multiplies_it(monkeypatch: pytest.MonkeyPatch, fast: bool) -> None:
    monkeypatch.setattr(devices, "has_fast_bf16", lambda device: fast)
    assert choose_precision("auto", CPU) == ("bf16" if fast else "float32")
    assert choose_precision("bf16", CPU) == "bf16" and choose_precision("float32", CPU) == "float32"


def test_which_hardware_multiplies_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    for capabilities, fast in (({}, False), ({"avx512_bf16": True}, True), ({"amx_bf16": True}, True)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda c=capabilities: c, raising=False)
        assert has_fast_bf16(CPU) is fast
    for capability, fast in (((7, 5), False), ((8, 0), True), ((9, 0), True)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, c=capability: c)
        assert has_fast_bf16(torch.device("cuda", 0)) is fast
    assert not has_fast_bf16(torch.device("mps"))


def test_precisions_that_are_refused() -> None:
    with pytest.raises(FashretError, match="--precision fp16: slow on a CPU"):
        choose_precision("fp16", CPU)
    assert choose_precision("fp16", torch.device("cuda", 0)) == "fp16"
    with pytest.raises(FashretError, match=f"--precision int8: there are auto, {', '.join(PRECISIONS)}"):
        choose_precision("int8", CPU)


def test_autocast_computes_products_in_the_precision() -> None:
    rows = torch.ones(2, 2)
    for precision, dtype in (("bf16", torch.bfloat16), ("float32", torch.float32)):
        with autocast(precision, CPU):
            assert (rows @ rows).dtype == dtype


@pytest.mark.parametrize(
    ("error", "out"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (MemoryError(), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"), True),
        (RuntimeError("size mismatch"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_running_out_of_memory_is_told_from_other_errors(error: Exception, out: bool) -> None:
    assert is_out_of_memory(error) is out

    def work() -> None:
        raise error

    expected = FashretError if out else type(error)
    with pytest.raises(expected) as caught:
        within_memory(work, CPU, "5 crops a batch", "lower --batch-size")
    if out:
        assert str(caught.value) == "out of memory on cpu with 5 crops a batch; lower --batch-size"


def test_work_within_memory_gives_its_result() -> None:
    assert within_memory(lambda: 7, CPU, "", "") == 7
