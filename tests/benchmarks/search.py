"""Exact search beside faiss.knn: time, memory, and what the ranks of all positives add.

    python -m tests.benchmarks.search FOLDER                        # the table of all four cases
    python -m tests.benchmarks.search FOLDER --width 512 --relu     # one case
    python -m tests.benchmarks.search FOLDER --embeddings demo.emb.h5   # vectors that fashret embed made

In: nothing (vectors are drawn into FOLDER, `tests.benchmarks.vectors`), or an embeddings file. Out: a Markdown table of
medians. Every run is a process of its own, and the contenders take turns: fashret reads its vectors from HDF5, faiss
has them in RAM. CPU seconds are of the process after its imports; memory is its peak anonymous memory (RssAnon) above
what it was then, which for faiss holds the vectors too.
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


def run_faiss(path: Path, memory: int, device: str) -> dict[str, Any]:
    """The k nearest by inner product, vectors in RAM before the clock starts."""
    import faiss

    from fashret.files.embeddings import open_embeddings
    from fashret.vector_sets import search_sets

    with open_embeddings(path) as file:
        sets = search_sets(file)
        queries, gallery = (np.array(side.vectors[side.rows]) for side in (sets.queries, sets.gallery))
    faiss.knn(queries[:10], gallery[:100], K, metric=faiss.METRIC_INNER_PRODUCT)
    with measured() as spent:
        _, found = faiss.knn(queries, gallery, K, metric=faiss.METRIC_INNER_PRODUCT)
    return {**vars(spent), "found": (sets.gallery.rows[found[::100]]).tolist()}


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
    "faiss.knn": run_faiss,
    "search": run_search,
    "search, float32 only": lambda *given: run_search(*given, arithmetic="float32"),
    "search with all positives": lambda *given: run_search(*given, positives=True),
}


def in_own_process(name: str, path: Path, memory: int, device: str) -> dict[str, Any]:
    """One run."""
    command = [sys.executable, "-m", "tests.benchmarks.search", "run", name, str(path), str(memory), device]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def compare(title: str, path: Path, given: argparse.Namespace) -> None:
    """Print the table's rows of one file."""
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in RUNS}
    for turn in range(given.runs):
        for name in RUNS if turn % 2 == 0 else reversed(RUNS):
            results[name].append(in_own_process(name, path, given.memory, given.device))
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
    print(f"{os.cpu_count()} cores\n")
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
