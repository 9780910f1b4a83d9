"""Crops files for the benchmarks of training and embedding, raw or JPEG, with pictures that compress like photos."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fashret.files import hdf5
from fashret.files.columns import Role, Rows, text_array
from fashret.files.crops import KIND, VERSION, append_crops, create_crops

BATCH = 64


def picture(generator: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """Smooth patches and a little grain, about 25 kB as JPEG q95 at 320 pixels."""
    total = np.zeros((size, size, 3), np.float32)
    for cells, strength in ((4, 60), (16, 25), (64, 8)):
        coarse = Image.fromarray(generator.integers(0, 255, (cells, cells, 3), np.uint8))
        total += strength * (np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC), np.float32) / 127.5 - 1)
    return (total + 128).clip(0, 255).astype(np.uint8)


def write_drawn_crops(path: Path, count: int, images: int = 8, encoding: str = "raw", size: int = 320) -> Path:
    """`count` training rows, `images` of each product; only 64 different pictures are drawn."""
    generator = np.random.default_rng(0)
    pictures = [picture(generator, size) for _ in range(BATCH)]
    stored = pictures if encoding == "raw" else [jpeg(each) for each in pictures]
    with hdf5.write_whole(path, KIND, VERSION) as file:
        create_crops(file, (), encoding, size, "drawn")
        for start in range(0, count, BATCH):
            number = np.arange(start, min(start + BATCH, count))
            rows = Rows(
                source=text_array(f"{i:07}.jpg" for i in number),
                box=np.full((len(number), 4), np.nan, np.float32),
                product=text_array(f"p{i // images}" for i in number),
                role=np.full(len(number), int(Role.TRAIN), np.uint8),
                domain=(number % 2).astype(np.uint8),
                category=np.full(len(number), -1, np.int16),
            )
            append_crops(file, rows, stored[: len(number)])
    return path


def jpeg(image: NDArray[np.uint8]) -> bytes:
    """Encode as `fashret crop` does by default, at quality 95."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=95)
    return stream.getvalue()
