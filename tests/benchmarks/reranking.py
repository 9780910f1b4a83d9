"""Re-ranking: time and memory beside the dense form, and growth with the number of rows.

    python -m tests.benchmarks.reranking compare            # N=20,000, Q=2,000, D=512 beside the dense form
    python -m tests.benchmarks.reranking growth             # N=50,000, 100,000, 200,000

In: nothing; the vectors are drawn (`tests.benchmarks.vectors`). Out: a Markdown table. Every run is a process of
its own; CPU seconds are of that process after its imports, memory is its peak anonymous memory (RssAnon) above what
it was after its imports.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fashret.stages import wait_passively
from tests.benchmarks.vectors import Recipe, calibrated, gallery_blocks, query_blocks

COMPARED = Recipe(2_000, 18_000, 512)
GROWN = (50_000, 100_000, 200_000)


@dataclass
class Spent:
    """What a piece of work took."""

    wall: float = 0.0
    cpu: float = 0.0
    memory: int = 0  # bytes, above the memory before


def anonymous(process: int | str = "self") -> int:
    """Anonymous memory of a process in bytes; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon")), 0)


@contextmanager
def measured() -> Iterator[Spent]:
    """Measure the block, sampling the memory 200 times a second."""
    spent, before, done = Spent(), anonymous(), threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            spent.memory = max(spent.memory, anonymous() - before)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield spent
    finally:
        spent.wall, spent.cpu = time.perf_counter() - wall, time.process_time() - cpu
        done.set()
        watcher.join()


def drawn(recipe: Recipe, folder: Path) -> tuple[Path, Path]:
    """Vectors and products of queries and gallery as .npy files, the queries first; drawn once."""
    paths = folder / f"vectors-{recipe.gallery}.npy", folder / f"products-{recipe.gallery}.npy"
    if not paths[1].exists():
        shape = (recipe.queries + recipe.gallery, recipe.width)
        vectors = np.lib.format.open_memmap(paths[0], "w+", np.float32, shape)
        products, row = np.empty(shape[0], np.int64), 0
        for blocks in (query_blocks(recipe), gallery_blocks(recipe)):
            for block, product in blocks:
                vectors[row : row + len(block)], products[row : row + len(block)] = block, product
                row += len(block)
        vectors.flush()
        np.save(paths[1], products)
    return paths


def run_sparse(recipe: Recipe, folder: Path, memory: int) -> dict[str, Any]:
    """Re-rank from memory-mapped vectors, with the ranks of all positives."""
    wait_passively()  # as the command does
    from fashret.knn import SearchSpec, VectorSet
    from fashret.reranking.k_reciprocal import KReciprocal, rerank

    paths = drawn(recipe, folder)
    vectors, products = np.load(paths[0], mmap_mode="r"), np.load(paths[1])
    none = np.full(len(products), -1)
    rows = np.arange(len(products))

    def side(part: slice) -> VectorSet:
        return VectorSet(vectors, rows[part], products[part], none[part])

    few = slice(0, 1_000), slice(1_000, 4_000)  # so that what is compiled is there, for int8 too
    rerank(
        side(few[0]),
        side(few[1]),
        SearchSpec(k=5, positives=True, memory=memory, metric="euclidean"),
        KReciprocal(20, 6, 0.3),
    )
    queries, gallery = side(slice(0, recipe.queries)), side(slice(recipe.queries, None))
    with measured() as spent:
        found, positives = rerank(
            queries, gallery, SearchSpec(positives=True, memory=memory, metric="euclidean"), KReciprocal(20, 6, 0.3)
        )
    assert positives is not None
    first = {str(query): [int(row) for row in found.rows[query] - recipe.queries] for query in range(0, 200, 10)}
    return {**vars(spent), "first": first, "mAP": mean_precision(positives.offsets, positives.ranks)}


def run_dense(recipe: Recipe, folder: Path, memory: int) -> dict[str, Any]:
    """Re-rank with N×N matrices."""
    from tests.benchmarks.dense_reranking import dense_rerank

    paths = drawn(recipe, folder)
    vectors = np.load(paths[0])
    with measured() as spent:
        final = dense_rerank(vectors[: recipe.queries], vectors[recipe.queries :])
        order = np.argsort(final, axis=1, kind="stable")[:, :50]
    return {**vars(spent), "first": {str(query): order[query].tolist() for query in range(0, 200, 10)}}


RUNS: dict[str, Callable[[Recipe, Path, int], dict[str, Any]]] = {"sparse": run_sparse, "dense": run_dense}


def mean_precision(offsets: np.ndarray, ranks: np.ndarray) -> float:
    """mAP of all queries with positives."""
    parts = [np.sort(part) for part in np.split(ranks, offsets[1:-1])]
    return float(np.mean([np.mean(np.arange(1, len(part) + 1) / (part + 1)) for part in parts if len(part)]))


def in_own_process(name: str, recipe: Recipe, folder: Path, memory: int) -> dict[str, Any]:
    words = [name, json.dumps(vars(recipe)), str(folder), str(memory)]
    command = [sys.executable, "-m", "tests.benchmarks.reranking", "run", *words]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)


def compare(folder: Path, runs: int, memory: int) -> None:
    """The sparse form and the dense one, in turns."""
    recipe = calibrated(COMPARED)
    drawn(recipe, folder)
    results: dict[str, list[dict[str, Any]]] = {"sparse": [], "dense": []}
    for _ in range(runs):
        for name, found in results.items():
            found.append(in_own_process(name, recipe, folder, memory))
    same = [results["sparse"][0]["first"][q] == results["dense"][0]["first"][q] for q in results["dense"][0]["first"]]
    print(f"N={recipe.queries + recipe.gallery:,}, Q={recipe.queries:,}, D={recipe.width}, medians of {runs} runs")
    print("| form | CPU s | wall s | memory MB |\n|---|---|---|---|")
    middle = {name: {key: statistics.median(run[key] for run in found) for key in ("cpu", "wall", "memory")}
              for name, found in results.items()}  # fmt: skip
    for name, found in middle.items():
        print(f"| {name} | {found['cpu']:.1f} | {found['wall']:.1f} | {found['memory'] / 1e6:,.0f} |")
    cpu, space = (middle["dense"][key] / middle["sparse"][key] for key in ("cpu", "memory"))
    print(f"CPU 1/{cpu:.1f}, memory 1/{space:.1f}; mAP {results['sparse'][0]['mAP']:.3f}; "
          f"first 50 of {sum(same)} of {len(same)} queries as the float32 dense form")  # fmt: skip


def growth(folder: Path, memory: int, width: int) -> None:
    """Time and memory of N, 2N, 4N."""
    print(f"D={width}\n| N | CPU s | wall s | memory MB | mAP |\n|---|---|---|---|---|")
    for size in GROWN:
        recipe = calibrated(Recipe(size // 36, size - size // 36, width))
        found = in_own_process("sparse", recipe, folder, memory)
        numbers = f"{found['cpu']:.0f} | {found['wall']:.0f} | {found['memory'] / 1e6:,.0f} | {found['mAP']:.3f}"
        print(f"| {size:,} | {numbers} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("compare", "growth", "run"))
    parser.add_argument("rest", nargs="*")
    parser.add_argument("--folder", type=Path, default=Path("build/benchmarks"), help="where vectors are kept")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--memory", type=int, default=2 * 10**8, help="budget in bytes")
    parser.add_argument("--width", type=int, default=512)
    given = parser.parse_args()
    if given.what == "run":
        name, recipe, folder, memory = given.rest
        print(json.dumps(RUNS[name](Recipe(**json.loads(recipe)), Path(folder), int(memory))))
        return
    given.folder.mkdir(parents=True, exist_ok=True)
    if given.what == "compare":
        compare(given.folder, given.runs, given.memory)
    else:
        growth(given.folder, given.memory, given.width)


if __name__ == "__main__":
    main()
