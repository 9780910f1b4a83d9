"""Exact search beside faiss.knn, torch and numpy: time, memory, and what the ranks of all positives add.

    python -m tests.benchmarks.search FOLDER                        # the table of all four cases
    python -m tests.benchmarks.search FOLDER --width 512 --relu     # one case
    python -m tests.benchmarks.search FOLDER --embeddings demo.emb.h5   # vectors that fashret embed made

In: nothing (vectors are drawn into FOLDER, `tests.benchmarks.vectors`), or an embeddings file. Out: a Markdown table of
medians. Every run is a process of its own, and the contenders take turns: fashret reads its vectors from HDF5, faiss
has them in RAM. The OpenBLAS that faiss brings may not know a new processor and then takes kernels of an old one: the
names of kernels are tried (OPENBLAS_CORETYPE), the fastest is used and named. CPU seconds are of the process after
its imports; memory is its peak anonymous memory (RssAnon) above what it was then, which for faiss holds the vectors
too.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fashret.stages import wait_passively
from tests.benchmarks.reranking import mean_precision, measured
from tests.benchmarks.vectors import Recipe, calibrated, write

K = 50


ROWS_AT_ONCE = 8_192  # of the gallery, in torch's and numpy's form
CORES = ("", "Sandybridge", "Haswell", "Zen", "SkylakeX", "Cooperlake", "SapphireRapids")  # kernels of OpenBLAS to try
TRIAL = (
    "import faiss, numpy as np, time; x = np.ones((2000, 512), np.float32); faiss.knn(x[:9], x, 5);"
    "t = time.process_time(); faiss.knn(x, x, 5); print(time.process_time() - t)"
)


def fastest_kernels() -> str:
    """The OPENBLAS_CORETYPE with which faiss is fastest here; empty: what it chooses by itself."""
    seconds = {}
    for core in CORES:
        done = subprocess.run([sys.executable, "-c", TRIAL], env=environment(core), capture_output=True, text=True)
        seconds[core] = float(done.stdout.split()[-1]) if done.returncode == 0 else float("inf")
    return min(seconds, key=lambda core: seconds[core])


def environment(core: str) -> dict[str, str]:
    """The environment of a process whose OpenBLAS uses some kernels."""
    others = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    return others | ({"OPENBLAS_CORETYPE": core} if core else {})


def run_peer(path: Path, nearest: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> dict[str, Any]:
    """The k nearest by inner product, vectors in RAM before the clock starts."""
    from fashret.files.embeddings import open_embeddings
    from fashret.vector_sets import search_sets

    with open_embeddings(path) as file:
        sets = search_sets(file)
        queries, gallery = (np.array(each.vectors[each.rows]) for each in (sets.queries, sets.gallery))
    nearest(queries[:10], gallery[:100])
    with measured() as spent:
        found = nearest(queries, gallery)
    return {**vars(spent), "found": (sets.gallery.rows[found[::100]]).tolist()}


def by_faiss(queries: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """`faiss.knn`."""
    import faiss

    return faiss.knn(queries, gallery, K, metric=faiss.METRIC_INNER_PRODUCT)[1]


def by_torch(queries: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Products and topk, a part of the gallery at a time."""
    import torch

    asked, scores, rows = torch.from_numpy(queries), torch.empty(len(queries), 0), torch.empty(len(queries), 0).long()
    for start in range(0, len(gallery), ROWS_AT_ONCE):
        products = torch.mm(asked, torch.from_numpy(gallery[start : start + ROWS_AT_ONCE]).T)
        found = torch.topk(products, min(K, products.shape[1]), dim=1)
        scores, rows = torch.cat([scores, found.values], 1), torch.cat([rows, found.indices + start], 1)
        best = torch.topk(scores, min(K, scores.shape[1]), dim=1)
        scores, rows = best.values, rows.gather(1, best.indices)
    return rows.numpy()


def by_numpy(queries: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Products and argpartition, a part of the gallery at a time."""
    scores, rows = np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
    for start in range(0, len(gallery), ROWS_AT_ONCE):
        products = queries @ gallery[start : start + ROWS_AT_ONCE].T
        found = np.argpartition(-products, min(K, products.shape[1]) - 1, axis=1)[:, :K]
        scores = np.hstack([scores, np.take_along_axis(products, found, axis=1)])
        rows = np.hstack([rows, found + start])
        best = np.argsort(-scores, axis=1)[:, :K]
        scores, rows = np.take_along_axis(scores, best, axis=1), np.take_along_axis(rows, best, axis=1)
    return rows


def run_search(
    path: Path, memory: int, device: str, arithmetic: str = "auto", positives: bool = False
) -> dict[str, Any]:
    """The exact search, from the file."""
    wait_passively()  # as the command does
    from fashret.files.embeddings import open_embeddings
    from fashret.knn import SearchSpec, WorkStats, search
    from fashret.vector_sets import search_sets

    with open_embeddings(path) as file:
        sets, stats = search_sets(file), WorkStats()
        spec = SearchSpec(
            k=K, same_matrix=True, positives=positives, memory=memory, device=device, arithmetic=arithmetic
        )
        few = (
            sets.queries.take(np.arange(min(2_000, len(sets.queries)))),
            sets.gallery.take(np.arange(min(2_000, len(sets.gallery)))),
        )
        search(*few, spec)  # compiles, or loads what was compiled, and measures the arithmetic
        with measured() as spent:
            found, ranked = search(sets.queries, sets.gallery, replace(spec, stats=stats))
    pairs = len(sets.queries) * len(sets.gallery)
    result = {
        **vars(spent),
        "found": found.rows[::100].tolist(),
        "shares": {name: count / pairs for name, count in stats.pairs.items()},
    }
    return result | ({"mAP": mean_precision(ranked.offsets, ranked.ranks)} if ranked else {})


RUNS: dict[str, Callable[[Path, int, str], dict[str, Any]]] = {
    "faiss.knn": lambda path, memory, device: run_peer(path, by_faiss),
    "torch, mm and topk": lambda path, memory, device: run_peer(path, by_torch),
    "numpy, product and argpartition": lambda path, memory, device: run_peer(path, by_numpy),
    "search": run_search,
    "search, float32 only": lambda *given: run_search(*given, arithmetic="float32"),
    "search with all positives": lambda *given: run_search(*given, positives=True),
}


def in_own_process(name: str, path: Path, memory: int, device: str, core: str = "") -> dict[str, Any]:
    """One run; ``core``: kernels of faiss."""
    command = [sys.executable, "-m", "tests.benchmarks.search", "run", name, str(path), str(memory), device]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment(core))
    return json.loads(done.stdout.splitlines()[-1])


def compare(title: str, path: Path, given: argparse.Namespace) -> None:
    """Print the table's rows of one file."""
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in RUNS}
    for turn in range(given.runs):
        for name in RUNS if turn % 2 == 0 else reversed(RUNS):
            core = given.core if name == "faiss.knn" else ""
            results[name].append(in_own_process(name, path, given.memory, given.device, core))
            print(f"{title}: {name}: {results[name][-1]['wall']:.1f} s", file=sys.stderr)

    def median(name: str, what: str) -> float:
        return statistics.median(run[what] for run in results[name])

    expected = results["search"][0]["found"]
    for name, runs in results.items():
        ratio = statistics.median(a["wall"] / b["wall"] for a, b in zip(results["faiss.knn"], runs, strict=True))
        same = np.mean([len(set(a) & set(b)) / K for a, b in zip(runs[0]["found"], expected, strict=True)])
        shares = ", ".join(f"{share:.2%} {which}" for which, share in runs[0].get("shares", {}).items())
        precision = f"{runs[0]['mAP']:.3f}" if "mAP" in runs[0] else ""
        print(
            f"| {title} | {name} | {in_words(median(name, 'wall'))} | {ratio:.2f} | {in_words(median(name, 'cpu'))} "
            f"| {median(name, 'memory') / 1e9:.2f} | {same:.2%} | {precision} | {shares} |",
            flush=True,
        )


def in_words(seconds: float) -> str:
    """Seconds with a digit after the point, or, of small files, with three."""
    return f"{seconds:.1f}" if seconds >= 1 else f"{seconds:.3f}"


def main() -> None:
    if sys.argv[1] == "run":
        name, path, memory, device = sys.argv[2:]
        print(json.dumps(RUNS[name](Path(path), int(memory), device)))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--embeddings", type=Path, help="a file with queries and gallery in place of drawn vectors")
    parser.add_argument("--queries", type=int, default=2_000)
    parser.add_argument("--gallery", type=int, default=300_000)
    parser.add_argument("--width", type=int, help="of the one case to run")
    parser.add_argument("--relu", action="store_true")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--memory", type=int, default=500_000_000, help="bytes")
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    cases = [(512, False), (512, True), (2_048, False), (2_048, True)]
    if given.width:
        cases = [(given.width, given.relu)]
    given.core = fastest_kernels()
    print(f"{os.cpu_count()} cores; faiss with the kernels {given.core or 'that it chooses'} of OpenBLAS\n")
    head = [
        "vectors",
        "what",
        "wall s",
        "× faster than faiss",
        "CPU s",
        "memory GB",
        "same rows",
        "mAP",
        "pairs in each arithmetic",
    ]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    if given.embeddings:
        compare(given.embeddings.name, given.embeddings, given)
        return
    for width, relu in cases:
        recipe = calibrated(Recipe(given.queries, given.gallery, width, relu=relu))
        path = given.folder / f"{given.queries}-{given.gallery}-{width}{'-relu' * relu}.emb.h5"
        if not path.exists():
            write(recipe, path)
        title = f"Q={given.queries:,} G={given.gallery:,} D={width:,} {'ReLU' if relu else 'signed'}"
        compare(title, path, given)


if __name__ == "__main__":
    main()
