"""`fashret demo`: draw a catalogue of garments.

In: a number of products and a seed. Out: a folder with `photos/` and `manifest.csv` (columns image, product, domain,
category, split, x1, y1, x2, y2), or a public dataset's layout in place of the manifest; the same bytes for the same
options whatever the number of processes. `demo.json` says that the folder is a demo and may be overwritten; the
manifest comes last, by rename.
"""

from __future__ import annotations

import csv
import json
import multiprocessing
import shutil
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fashret import __version__
from fashret.console import progress
from fashret.cores import cores
from fashret.demo.catalogue import Product, products
from fashret.demo.drawing import sprite
from fashret.demo.layouts import FOLDERS, write_layout
from fashret.demo.scenes import Props, props, shop_photo, street_photo
from fashret.errors import FashretError
from fashret.files.atomic import check_no_loop, only_writer, whole_file
from fashret.options import DemoOptions

COLUMNS = ("image", "product", "domain", "category", "split", "x1", "y1", "x2", "y2")
PHOTOS = {"train": (2, 3), "val": (2, 1), "test": (5, 2)}  # split → shop and street photos of a product
FEWEST = 24  # products: fewer leave a split empty
FORMAT = "fashret.demo"
MARK = "demo.json"

Row = tuple[str | int, ...]


@dataclass(frozen=True)
class DemoSummary:
    """What was drawn."""

    output: Path
    products: int
    train_products: int
    test_products: int
    photos: int
    queries: int
    gallery: int


def run(directory: Path, options: DemoOptions) -> DemoSummary:
    """Draw the photos and write their manifest.

    Raises
    ------
    FashretError
        If the folder holds something else, cannot be written, or the options make no demo.
    """
    if options.products < FEWEST:
        raise FashretError(
            f"--products {options.products}: a demo needs at least {FEWEST}, some to train on and some to find"
        )
    catalogue = products(options.products, options.seed)
    try:
        _check_folder(directory)
        directory.mkdir(parents=True, exist_ok=True)
        with only_writer(directory / MARK):
            _clear(directory, options)
            rows = _draw(directory, catalogue, options)
            if options.layout:
                write_layout(directory, rows, options.layout)
            else:
                _write_manifest(directory, rows)
    except OSError as error:
        raise FashretError(f"{directory}: cannot be written: {error.strerror or error}") from error
    return _summary(directory if options.layout else directory / "manifest.csv", catalogue, rows)


def _check_folder(directory: Path) -> None:
    """Refuse a folder with anything but a demo."""
    check_no_loop(directory)
    if directory.exists() and not directory.is_dir():
        raise FashretError(f"{directory}: is a file; name a folder to draw the demo into")
    if directory.is_dir() and any(directory.iterdir()) and not _is_demo(directory / MARK):
        raise FashretError(f"{directory}: exists and is not an earlier demo; choose another folder or remove it")


def _clear(directory: Path, options: DemoOptions) -> None:
    """Remove the demo that is in the folder, and mark it as one."""
    (directory / "manifest.csv").unlink(missing_ok=True)
    about = {"format": FORMAT, "fashret_version": __version__, "products": options.products, "seed": options.seed}
    (directory / MARK).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    for folder in FOLDERS:
        if (directory / folder).exists():
            shutil.rmtree(directory / folder)


def _is_demo(mark: Path) -> bool:
    try:
        about = json.loads(mark.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(about, dict) and about.get("format") == FORMAT


def _draw(directory: Path, catalogue: list[Product], options: DemoOptions) -> list[Row]:
    """Draw all photos, a product at a time; rows in the catalogue's order."""
    for category in sorted({product.category for product in catalogue}):
        (directory / "photos" / category).mkdir(parents=True)
    rows: list[Row] = []
    with _mapper(directory, options) as draw, progress(len(catalogue), "draw", "products") as advance:
        for more in draw(catalogue):
            rows += more
            advance(1)
    return rows


@contextmanager
def _mapper(directory: Path, options: DemoOptions):  # type: ignore[no-untyped-def]
    """A function from products to an iterator of their rows, over as many processes as the options say."""
    workers = options.workers or cores()
    if workers == 1:
        artist = _Artist(directory, options.seed)
        yield lambda catalogue: map(artist.draw, catalogue)
        return
    # Spawned, not forked: the caller may have threads (torch, numba) that a fork would copy in a bad state.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_start, initargs=(directory, options.seed)) as pool:
        try:
            yield lambda catalogue: pool.map(_draw_one, catalogue, chunksize=4)
        except BrokenProcessPool as error:
            raise FashretError("drawing: a worker process died; try fewer --workers") from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class _Artist:
    """Draws the photos of one product after the other."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.directory, self.seed = directory, seed
        self.scene: Props = props(seed)

    def draw(self, product: Product) -> list[Row]:
        """Write the photos of a product and give their rows; a photo depends on seed, product and its number alone."""
        drawn = sprite(product)
        shop, street = PHOTOS[product.split]
        rows: list[Row] = []
        for i in range(shop + street):
            rng = np.random.default_rng((self.seed, product.number, i, 2))
            domain, number = ("shop", i + 1) if i < shop else ("street", i - shop + 1)
            name = f"photos/{product.name}-{domain}-{number}.jpg"
            box: tuple[str | int, ...] = ("",) * 4
            if domain == "shop":
                photo, quality = shop_photo(drawn, self.scene, rng, first=i == 0), 90
            else:
                photo, box = street_photo(product, drawn, self.scene, rng)
                quality = int(rng.integers(35, 80))
            photo.save(self.directory / name, "JPEG", quality=quality)
            rows.append((name, product.name, domain, product.category, product.split, *box))
        return rows


_artist: _Artist | None = None  # of this worker process


def _start(directory: Path, seed: int) -> None:
    global _artist
    _artist = _Artist(directory, seed)


def _draw_one(product: Product) -> list[Row]:
    assert _artist is not None
    return _artist.draw(product)


def _write_manifest(directory: Path, rows: list[Row]) -> None:
    with (
        whole_file(directory / "manifest.csv") as part,
        part.open("w", encoding="utf-8", newline="") as stream,
    ):
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(rows)


def _summary(output: Path, catalogue: list[Product], rows: list[Row]) -> DemoSummary:
    splits = Counter(product.split for product in catalogue)
    photos = Counter((row[4], row[2]) for row in rows)
    return DemoSummary(
        output,
        len(catalogue),
        splits["train"],
        splits["test"],
        len(rows),
        photos["test", "street"],
        photos["test", "shop"],
    )
