"""How long a file of a million rows takes to open, and a column of it to read.

Run: python -m tests.benchmarks.open_files
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from fashret.files.columns import Rows, text_array
from fashret.files.embeddings import EmbeddingsOrigin, open_embeddings, write_embeddings

ROWS, WIDTH = 1_000_000, 16


def million_rows() -> Rows:
    """Rows of whole photos, four a product."""
    return Rows(
        source=text_array(f"photos/{i:09d}.jpg" for i in range(ROWS)),
        box=np.full((ROWS, 4), np.nan, np.float32),
        product=text_array(f"tops/{i // 4}" for i in range(ROWS)),
        role=np.full(ROWS, 4, np.uint8),
        domain=np.ones(ROWS, np.uint8),
        category=np.zeros(ROWS, np.int16),
        categories=("tops",),
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "million.emb.h5"
        with write_embeddings(path, (ROWS, WIDTH), ("tops",), EmbeddingsOrigin({})) as append:
            append(million_rows(), np.zeros((ROWS, WIDTH), np.float32))
        for _ in range(5):
            started = time.perf_counter()
            file = open_embeddings(path)
            _ = file.vectors[0]
            opened = time.perf_counter() - started
            started = time.perf_counter()
            _ = file.role
            role = time.perf_counter() - started
            started = time.perf_counter()
            _ = file.product
            product = time.perf_counter() - started
            file.close()
            print(f"{ROWS:,} rows: open and map {opened:.4f} s, column role {role:.4f} s, product {product:.3f} s")


if __name__ == "__main__":
    main()
