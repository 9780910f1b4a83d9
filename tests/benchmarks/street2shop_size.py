"""Street2Shop's size, from file to scores: Q=8,637, G=304,380, D=2,048, the counts of queries of its eleven
categories.

    python -m tests.benchmarks.street2shop_size FOLDER [--memory 6GB] [--scale 0.1] [--device cpu]

Draws the embeddings (2.6 GB, once), then runs `fashret search`, `fashret rerank` and `fashret evaluate` on them and
says what each took. `python -m tests.benchmarks.check_reranking FOLDER/reranked.h5` checks sampled queries of it
against float64 computed from the vectors.

In: nothing. Out: a Markdown table, the scores. Memory is the peak of the process's anonymous memory
(RssAnon) above that of a process that has only imported the same modules.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from fashret.files.columns import Rows, text_array
from fashret.files.embeddings import EmbeddingsOrigin, write_embeddings
from tests.benchmarks.reranking import anonymous
from tests.benchmarks.vectors import Recipe, calibrated, gallery_blocks, query_blocks

CATEGORIES = {  # Street2Shop: test queries, gallery photos
    "bags": (174, 16_308),
    "belts": (89, 1_252),
    "dresses": (3_292, 69_585),
    "eyewear": (138, 1_595),
    "footwear": (2_178, 75_836),
    "hats": (86, 2_551),
    "leggings": (517, 8_219),
    "outerwear": (666, 34_695),
    "pants": (130, 7_640),
    "skirts": (604, 18_281),
    "tops": (763, 68_418),
}
WIDTH = 2_048
IMPORTS = "import fashret.cli, fashret.stages.search, fashret.stages.rerank, fashret.stages.evaluate"


def draw(path: Path, scale: float) -> Recipe:
    """Write the embeddings file; queries first. Products keep to one category, queries have Street2Shop's counts."""
    counts = np.array(list(CATEGORIES.values()))
    counts = np.maximum(1, np.rint(counts * scale).astype(int))
    recipe = calibrated(Recipe(int(counts[:, 0].sum()), int(counts[:, 1].sum()), WIDTH))
    if path.exists():
        return recipe
    products = [np.concatenate([p for _, p in part(recipe)]) for part in (query_blocks, gallery_blocks)]
    category = categories_of(products, counts)
    origin = EmbeddingsOrigin({"name": "drawn vectors"}, normalized=True, dataset="street2shop-size")
    with write_embeddings(path, (len(np.concatenate(products)), WIDTH), tuple(CATEGORIES), origin) as append:
        for part, role in ((query_blocks, 2), (gallery_blocks, 4)):
            row = 0
            for vectors, product in part(recipe):
                append(rows_of(product, category[product], role, row), vectors)
                row += len(product)
    return recipe


def rows_of(product: np.ndarray, category: np.ndarray, role: int, first: int) -> Rows:
    """Rows of photos numbered from ``first``: street photos for queries, shop photos for the gallery."""
    count, domain = len(product), int(role == 4)
    return Rows(
        source=text_array(f"{('street', 'shop')[domain]}/{first + i}.jpg" for i in range(count)),
        box=np.full((count, 4), np.nan, np.float32),
        product=text_array(f"p{number}" for number in product),
        role=np.full(count, role, np.uint8),
        domain=np.full(count, domain, np.uint8),
        category=category.astype(np.int16),
        categories=tuple(CATEGORIES),
    )


def categories_of(products: list[np.ndarray], counts: np.ndarray) -> np.ndarray:
    """Category of every product: exact for the queries' products, the other ones fill the gallery's counts up."""
    generator = np.random.default_rng(0)
    images = np.bincount(products[1], minlength=int(max(part.max() for part in products)) + 1)
    category = np.full(len(images), -1)
    asked = generator.permutation(len(products[0]))
    category[asked] = np.repeat(np.arange(len(counts)), counts[:, 0])
    room = counts[:, 1] - np.bincount(category[asked], weights=images[asked], minlength=len(counts))
    others = generator.permutation(np.flatnonzero(category < 0))
    share = np.cumsum(np.maximum(room, 0)) / np.maximum(room, 0).sum()
    category[others] = np.searchsorted(share, np.cumsum(images[others]) / max(1, images[others].sum()))
    return np.minimum(category, len(counts) - 1)


def run(*words: object) -> tuple[float, float, int, str]:
    """Run Python with some arguments: wall and CPU seconds, peak anonymous memory, what it printed."""
    print("$ python", *words, file=sys.stderr, flush=True)
    started, before, peak = time.perf_counter(), children_cpu(), 0
    child = subprocess.Popen([sys.executable, *map(str, words)], stdout=subprocess.PIPE, text=True)
    while child.poll() is None:
        peak = max(peak, anonymous(child.pid))
        time.sleep(0.02)
    assert child.stdout
    if child.returncode:
        raise SystemExit(f"{' '.join(map(str, words))} failed")
    return time.perf_counter() - started, children_cpu() - before, peak, child.stdout.read()


def children_cpu() -> float:
    """CPU seconds of all child processes that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--memory", default="2GB")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the rows")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    embeddings, ranking, reranked = (given.folder / name for name in ("all.emb.h5", "ranking.h5", "reranked.h5"))
    started = time.perf_counter()
    recipe = draw(embeddings, given.scale)
    print(f"Q={recipe.queries:,}, G={recipe.gallery:,}, D={recipe.width:,}; {recipe}")
    print(
        f"drawn in {time.perf_counter() - started:.0f} s\n\n| command | wall s | CPU s | memory GB |\n|---|---|---|---|"
    )
    base = run("-c", IMPORTS)[2]
    shared = ("--memory", given.memory, "--device", given.device)
    for name, words in {
        "search": (embeddings, "-o", ranking, "--metric", "euclidean", *shared),
        "rerank": (ranking, "-o", reranked, *shared),
        "evaluate": (ranking, reranked, "--json"),
    }.items():
        wall, cpu, peak, printed = run("-m", "fashret", name, *words)
        print(f"| {name} | {wall:.0f} | {cpu:.0f} | {(peak - base) / 1e9:.2f} |", flush=True)
    print()
    for table in json.loads(printed)["tables"]:
        print(json.dumps(table))


if __name__ == "__main__":
    main()
