"""Photos that a detector can learn from in seconds: grey noise with a garment of one colour in it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fashret.options import DetectorOptions

ARCHITECTURE = "ssdlite320_mobilenet_v3_large"
COLOURS = {"bags": (200, 30, 30), "tops": (30, 30, 200)}


def tiny(**changes: Any) -> DetectorOptions:
    """Options of a run that takes a second or two."""
    values: dict[str, Any] = {
        "architecture": ARCHITECTURE, "side": 64, "batch_size": 2, "epochs": 2, "device": "cpu", "workers": 1,
        "precision": "float32", "holdout": 0.25, "zoom": 1.0,
    }  # fmt: skip
    return DetectorOptions(**values | changes)


def draw(folder: Path, photos: int = 8, garments: int = 1, seed: int = 0, **columns: Any) -> Path:
    """photos.csv in a folder, and the photos that it lists; each garment has a row of its own.

    `columns` replaces cells: name → what a cell is, by the number of the photo and its garment.
    """
    random = np.random.default_rng(seed)
    folder.mkdir(exist_ok=True)
    rows = []
    for number in range(photos):
        width, height = int(random.integers(60, 90)), int(random.integers(50, 80))
        pixels = random.integers(100, 156, (height, width, 3)).astype(np.uint8)
        for garment in range(garments):
            w, h = (int(each) for each in random.integers(20, 30, 2))
            x, y = int(random.integers(0, width - w)), int(random.integers(0, height - h))
            category = list(COLOURS)[(number + garment) % 2]
            pixels[y : y + h, x : x + w] = COLOURS[category]
            row = {
                "image": f"{number}.png", "product": f"{category}/{number}-{garment}", "category": category,
                "split": "train", "x1": x, "y1": y, "x2": x + w, "y2": y + h,
            }  # fmt: skip
            rows.append(row | {name: of(number, garment) for name, of in columns.items()})
        Image.fromarray(pixels).save(folder / f"{number}.png")
    path = folder / "photos.csv"
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path
