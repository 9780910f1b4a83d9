"""`fashret embed` beside the bare network on ready tensors, in one run: images per second.

    python -m tests.benchmarks.embed                          ResNet50 256x128, raw and JPEG crops
    python -m tests.benchmarks.embed --rows 200000            peak memory, with a network that does almost nothing

Rounds of all take turns; the best round of each counts, since other work on the machine only slows them. The bare
forward pass runs in the same precision, channels last, on one batch that is there already, in several batch sizes, of
which the fastest is what the stage is compared with; the stage reads crops, fits them to the input, embeds them and
writes its spool. Decoding's CPU seconds are those of the worker processes.
"""

from __future__ import annotations

import argparse
import dataclasses
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from fashret.models import backbones
from fashret.models.backbones import settings_for
from fashret.models.devices import autocast, choose_device, choose_precision
from fashret.models.network import RetrievalNetwork, build
from fashret.options import EmbedOptions
from fashret.stages import embed
from tests.benchmarks.drawn_crops import write_drawn_crops


def bare_forward(network: RetrievalNetwork, batch: int, precision: str, last: bool, device: torch.device) -> float:
    """Images per second of `describe` on one batch of ready tensors."""
    settings = network.settings
    images = torch.randn(batch, 3, settings.height, settings.width, device=device)
    layout = torch.channels_last if last else torch.contiguous_format
    network, images = network.to(memory_format=layout), images.contiguous(memory_format=layout)
    with autocast(precision, device):
        network.describe(images)
        started, done = time.perf_counter(), 0
        while time.perf_counter() - started < 5 or done < 2 * batch:
            network.describe(images)
            done += batch
            if device.type == "cuda":
                torch.cuda.synchronize(device)
    return done / (time.perf_counter() - started)


def stage(crops: Path, output: Path, options: EmbedOptions, workers: int) -> tuple[float, float]:
    """Images per second of the stage, and the CPU seconds of its worker processes for 1,000 images."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    summary = embed.run(crops, output, dataclasses.replace(options, workers=workers))
    assert summary is not None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return summary.rows_per_second, 1000 * seconds / summary.rows


def compare(arguments: argparse.Namespace, folder: Path) -> None:
    device = choose_device(arguments.device)
    precision = choose_precision("auto", device)
    options = EmbedOptions(backbone=arguments.backbone, weights="none", input=arguments.input, device=arguments.device,
                           batch_size=arguments.batch, all=True)  # fmt: skip
    network = build(settings_for(arguments.backbone, arguments.input, weights="none", neck="none")).eval().to(device)
    files = {e: write_drawn_crops(folder / f"{e}.crops.h5", arguments.count, encoding=e) for e in ("raw", "jpeg")}
    jobs: dict[str, Callable[[], tuple[float, float | None]]] = {
        "bare forward, float32": lambda: (bare_forward(network, arguments.batch, "float32", False, device), None),
    }
    for batch in arguments.bare:
        jobs[f"bare forward, {precision}, channels last, {batch} a batch"] = lambda b=batch: (
            bare_forward(network, b, precision, True, device), None)  # fmt: skip
    bare_jobs = list(jobs)
    for encoding, crops in files.items():
        for workers in arguments.workers:
            jobs[f"fashret embed, {encoding} crops, {workers} workers"] = lambda c=crops, w=workers: stage(
                c, folder / "out.emb.h5", options, w
            )
    best: dict[str, tuple[float, float | None]] = {}
    for _ in range(arguments.rounds):
        for name, job in jobs.items():
            best[name] = max(best.get(name, (0.0, None)), job(), key=lambda found: found[0])
    bare = max(best[name][0] for name in bare_jobs)
    print(
        f"{arguments.backbone} {arguments.input}, {arguments.count} crops on {device}, "
        f"{torch.get_num_threads()} threads"
    )
    for name, (rate, cpu) in best.items():
        decoding = "" if cpu is None else f", workers' CPU {cpu:.2f} s per 1,000"
        print(f"{name:<52} {rate:8.1f} images/s {rate / bare:6.0%} of the best bare one{decoding}")


def small_network(settings: object) -> tuple[nn.Module, int]:
    """Almost no work: what is left is reading and writing."""
    return nn.Sequential(nn.AvgPool2d(16), nn.Conv2d(3, 64, 1)), 64


def peak(crops: Path, output: Path, report: Path) -> None:
    """Embed in this process; its peak anonymous memory above that after its imports, in MB."""
    backbones.BACKBONES["nothing"] = backbones.Backbone(small_network, (), "the benchmark")
    before = anonymous()
    options = EmbedOptions(
        all=True, backbone="nothing", weights="none", input="32x32", workers=0, batch_size=256, device="cpu"
    )
    highest = before
    real = embed.check_errors

    def watch(*arguments: object) -> None:
        nonlocal highest
        highest = max(highest, anonymous())
        real(*arguments)  # type: ignore[arg-type]

    embed.check_errors = watch  # type: ignore[assignment]
    embed.run(crops, output, options)
    highest = max(highest, anonymous())
    report.write_text(f"{highest - before:.1f}")


def anonymous() -> float:
    """Anonymous memory of this process in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    raise SystemExit("needs /proc")


def memory(counts: list[int], folder: Path) -> None:
    for count in counts:
        crops = write_drawn_crops(folder / "a.crops.h5", count, encoding="jpeg", size=32)
        report = folder / "peak"
        process = multiprocessing.get_context("spawn").Process(target=peak, args=(crops, folder / "a.emb.h5", report))
        process.start()
        process.join()
        print(f"{count:>9,} rows: peak anonymous memory {report.read_text()} MB above that after the imports")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--input", default="256x128")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--bare", type=int, nargs="+", default=[16, 64], help="crops a batch of the bare network")
    parser.add_argument("--count", type=int, default=512, help="crops in each file")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--rows", type=int, nargs="*", help="measure memory at these numbers of rows instead")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if arguments.rows is not None:
            memory(arguments.rows or [2_000, 20_000], Path(name))
        else:
            compare(arguments, Path(name))


if __name__ == "__main__":
    sys.exit(main())
