"""`fashret crop` beside a plain Pillow loop that does the same job, in one run: CPU time and difference.

    python tests/benchmarks/crop.py                       drawn 1,200-pixel street photos
    python tests/benchmarks/crop.py --real-photos DIR     also DIR's photos, whole, and street photos made of them
    python tests/benchmarks/crop.py --rows 400000         peak memory at that many rows

The plain loop opens, cuts, resizes to 320 with an antialiasing filter and encodes JPEG q95; ours also keeps the spool
and writes crops.h5. CPU time is that of the whole process (all threads), after imports; rounds of both alternate.
"""

from __future__ import annotations

import argparse
import io
import math
import multiprocessing
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from fashret.datasets.readers import load
from fashret.files.columns import Rows
from fashret.files.crops import open_crops
from fashret.files.photos import jpeg
from fashret.files.photos.cuts import target_size
from fashret.files.tables.manifests import Listing
from fashret.options import CropOptions
from fashret.stages import crop
from tests.benchmarks.reranking import measured

SIZE, QUALITY = 320, 95
FILTERS = {"LANCZOS": Image.Resampling.LANCZOS, "BICUBIC": Image.Resampling.BICUBIC}
BOXES_A_PHOTO = 4  # when memory is measured
ROUNDS = 3


def drawn_scene(width: int, height: int, seed: int) -> Image.Image:
    """A picture whose detail falls off with frequency as in photographs: smooth patches, edges, fine grain."""
    generator = np.random.default_rng(seed)
    scene = np.zeros((height, width, 3), np.float32)
    for cell, strength in ((256, 90), (96, 50), (32, 30), (10, 16), (3, 8)):
        coarse = generator.random((height // cell + 2, width // cell + 2, 3), np.float32)
        layer = Image.fromarray((coarse * 255).astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
        scene += strength * (np.asarray(layer, np.float32) / 127.5 - 1)
    for _ in range(12):  # garments and furniture have edges
        x, y = generator.integers(0, width), generator.integers(0, height)
        w, h = generator.integers(60, 400, 2)
        scene[y : y + h, x : x + w] += generator.uniform(-60, 60, 3)
    return Image.fromarray((scene + 128).clip(0, 255).astype(np.uint8))


def tiled_scene(photos: list[Path], rng: random.Random) -> Image.Image:
    """900 x 1,200 pixels of real photos side by side, each at its own resolution."""
    scene = Image.new("RGB", (900, 1200))
    for y in range(0, 1200, 400):
        for x in range(0, 900, 300):
            with Image.open(rng.choice(photos)) as photo:
                scene.paste(photo.convert("RGB").resize((300, 400)), (x, y))
    return scene


def street_photos(folder: Path, count: int, photos: list[Path]) -> Path:
    """Photos of 900 x 1,200 pixels and a table of one garment box in each: half to nearly all of the height."""
    rng = random.Random(0)
    (folder / "street").mkdir(parents=True)
    lines = ["image,product,x1,y1,x2,y2"]
    for i in range(count):
        scene = tiled_scene(photos, rng) if photos else drawn_scene(900, 1200, i)
        scene.save(folder / f"street/{i}.jpg", quality=90)
        height = round(1200 * rng.uniform(0.5, 0.95))
        width = min(900, round(height * rng.uniform(0.5, 0.9)))
        x, y = rng.randint(0, 900 - width), rng.randint(0, 1200 - height)
        lines.append(f"street/{i}.jpg,{i},{x},{y},{x + width},{y + height}")
    table = folder / "street.csv"
    table.write_text("\n".join(lines))
    return table


def several_times(listing: Listing, folder: Path, least: int = 2000) -> Path:
    """A folder with copies of the photos, so many that what a run costs but once does not count."""
    folder.mkdir()
    for n in range(-(-least // len(listing.rows))):
        for i, source in enumerate(listing.rows.source):
            shutil.copy(listing.root / source, folder / f"{n}-{i}-{Path(source).name}")
    return folder


def plain_loop(root: Path, rows: Rows, resample: Image.Resampling) -> list[bytes]:
    """Open, cut, resize, encode: one photo after the other, with Pillow's calls."""
    encoded = []
    for source, box in zip(rows.source, rows.box, strict=True):
        with Image.open(root / source) as photo:
            image = photo.convert("RGB")
        if not np.isnan(box).any():
            image = image.crop(tuple(int(v) for v in box))
        if max(image.size) > SIZE:
            image = image.resize(target_size((0, 0, *image.size), SIZE), resample)
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=QUALITY)
        encoded.append(stream.getvalue())
    return encoded


def cpu_seconds(action: Callable[[], object]) -> float:
    started = time.process_time()
    action()
    return time.process_time() - started


def psnr(one: bytes, other: bytes) -> float:
    a, b = (np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.float64) for data in (one, other))
    return 10 * math.log10(255**2 / max(1e-9, float(np.mean((a - b) ** 2))))


def compare(name: str, manifest: Path, output: Path) -> None:
    """Alternate rounds of the plain loop and of ours; print medians."""
    listing = load(str(manifest), CropOptions())
    rows, root = listing.rows, listing.root
    ours: list[float] = []
    plain: dict[str, list[float]] = {filter_name: [] for filter_name in FILTERS}
    for _ in range(ROUNDS):
        ours.append(cpu_seconds(lambda: crop.run(str(manifest), output, CropOptions(workers=1))))
        for filter_name, resample in FILTERS.items():
            plain[filter_name].append(cpu_seconds(lambda r=resample: plain_loop(root, rows, r)))
    with open_crops(output) as crops:
        stored = [data.tobytes() for data in crops.encoded(0, len(crops))]
    rate = len(rows) / statistics.median(ours)
    decoder = "simplejpeg" if jpeg.simplejpeg is not None else "Pillow"
    print(f"{name}: {len(rows)} crops, {rate:.0f} crops per CPU-second with {decoder}")
    for filter_name, resample in FILTERS.items():
        factor = statistics.median(p / o for p, o in zip(plain[filter_name], ours, strict=True))
        differences = [psnr(a, b) for a, b in zip(stored, plain_loop(root, rows, resample), strict=True)]
        print(
            f"    plain Pillow {filter_name}: {len(rows) / statistics.median(plain[filter_name]):.0f}, "
            f"ours × {factor:.2f}; PSNR to it {statistics.mean(differences):.1f} dB, least {min(differences):.1f} dB"
        )


def scaling(name: str, manifest: Path, output: Path) -> None:
    """Crops per second with 1, 2, … workers."""
    rates = {}
    for workers in sorted({1, 2, os.cpu_count() or 1}):
        rates[workers] = max(
            crop.run(str(manifest), output, CropOptions(workers=workers)).crops_per_second for _ in range(ROUNDS)
        )
    text = ", ".join(f"{workers} workers {rate:.0f} (× {rate / rates[1]:.2f})" for workers, rate in rates.items())
    print(f"{name}: crops per second by the clock: {text}")


def memory(rows: int, folder: Path) -> None:
    """Peak anonymous memory of a run over many rows of small photos, above what the imports take."""
    for i in range(-(-rows // BOXES_A_PHOTO)):
        if i < 10:
            drawn_scene(64, 48, i).save(folder / f"{i}.jpg")
        else:
            os.link(folder / f"{i % 10}.jpg", folder / f"{i}.jpg")
    lines = (f"{i // BOXES_A_PHOTO}.jpg,{i},{i % 8},0,{40 + i % 9},{30 + i % 7}" for i in range(rows))
    table = folder / "many.csv"
    table.write_text("\n".join(["image,product,x1,y1,x2,y2", *lines]))
    with measured() as spent:
        crop.run(str(table), folder / "many.h5", CropOptions())
    print(f"{rows:,} rows: {spent.memory / 1e9:.2f} GB above the imports, {spent.wall:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real-photos", type=Path, metavar="DIR", help="folder of photos, or one with photos.csv")
    parser.add_argument("--photos", type=int, default=200, help="street photos to make")
    parser.add_argument("--rows", type=int, default=0, help="only measure memory, at that many rows")
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.rows:
            process = multiprocessing.get_context("fork").Process(target=memory, args=(arguments.rows, folder))
            process.start()
            process.join()
            sys.exit(process.exitcode)
        compare("street photos, drawn", street_photos(folder / "drawn", arguments.photos, []), folder / "out.h5")
        if arguments.real_photos:
            table = arguments.real_photos / "photos.csv"
            listing = load(str(table if table.exists() else arguments.real_photos), CropOptions())
            compare("real photos, whole", several_times(listing, folder / "real"), folder / "out.h5")
            photos = [listing.root / source for source in listing.rows.source]
            street = street_photos(folder / "tiled", arguments.photos, photos)
            compare("street photos made of real ones", street, folder / "out.h5")
            scaling("street photos made of real ones", street, folder / "out.h5")
        else:
            scaling("street photos, drawn", folder / "drawn/street.csv", folder / "out.h5")


if __name__ == "__main__":
    main()
