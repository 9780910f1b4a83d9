"""`fashret train` beside the bare network's forward and backward pass on ready tensors, in one run: images per second.

    python -m tests.benchmarks.train                       ResNet50 256x128, P16 x K4, raw and JPEG crops

Rounds of all take turns; the best round of each counts, since other work on the machine only slows them. The bare
passes run in the same precision, channels last, with a sum as loss and without an optimiser; the stage reads and
augments crops, computes its losses, steps its optimisers and writes a checkpoint at the end of each epoch. The first
epoch warms up and does not count.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

import torch

from fashret.models.backbones import settings_for
from fashret.models.devices import autocast, choose_device, choose_precision
from fashret.models.network import build
from fashret.options import TrainOptions
from fashret.stages import train
from tests.benchmarks.drawn_crops import write_drawn_crops


def bare_passes(options: TrainOptions, batch: int, products: int, precision: str, device: torch.device) -> float:
    """Images per second of forward and backward on one batch of ready tensors."""
    network = build(settings_for(options.backbone, options.input, weights="none", classes=products)).to(device)
    network = network.to(memory_format=torch.channels_last)
    settings = network.settings
    images = torch.randn(batch, 3, settings.height, settings.width, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    started, done = 0.0, -batch
    while done < 2 * batch or time.perf_counter() - started < 5:
        if done == 0:
            started = time.perf_counter()
        with autocast(precision, device):
            output = network(images)
        (output.logits.sum() + output.feature.sum()).backward()
        network.zero_grad(set_to_none=True)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        done += batch
    return done / (time.perf_counter() - started)


def stage(crops: Path, output: Path, options: TrainOptions) -> tuple[float, float]:
    """Images per second in the last epoch, and the CPU seconds of the worker processes for 1,000 images."""
    shutil.rmtree(output, ignore_errors=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    summary = train.run(crops, output, options)
    assert summary is not None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    with (output / "log.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    images = sum(float(line["images_per_second"]) * float(line["seconds"]) for line in lines)
    return float(lines[-1]["images_per_second"]), 1000 * seconds / images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--input", default="256x128")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--products", type=int, default=16, help="P")
    parser.add_argument("--steps", type=int, default=4, help="in each of the two epochs")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    precision = choose_precision("auto", device)
    batch = arguments.products * 4
    options = TrainOptions(
        backbone=arguments.backbone, weights="none", input=arguments.input, batch_products=arguments.products,
        batch_images=4, epochs=2, validate_every=0, device=arguments.device,
    )  # fmt: skip
    products = arguments.products * arguments.steps
    best: dict[str, tuple[float, float | None]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {e: write_drawn_crops(folder / f"{e}.crops.h5", 4 * products, 4, e) for e in ("raw", "jpeg")}
        bare = f"bare forward and backward, {precision}"
        jobs = {bare: lambda: (bare_passes(options, batch, products, precision, device), None)}
        for encoding, crops in files.items():
            for workers in arguments.workers:
                chosen = dataclasses.replace(options, workers=workers)
                jobs[f"fashret train, {encoding} crops, {workers} workers"] = lambda c=crops, o=chosen: stage(
                    c, folder / "model", o
                )
        for _ in range(arguments.rounds):
            for job_name, job in jobs.items():
                best[job_name] = max(best.get(job_name, (0.0, None)), job(), key=lambda found: found[0])
    print(
        f"{arguments.backbone} {arguments.input}, {batch} images a batch on {device}, {torch.get_num_threads()} threads"
    )
    for job_name, (rate, cpu) in best.items():
        decoding = "" if cpu is None else f", workers' CPU {cpu:.2f} s per 1,000"
        print(f"{job_name:<44} {rate:8.1f} images/s {rate / best[bare][0]:6.0%} of bare{decoding}")


if __name__ == "__main__":
    sys.exit(main())
