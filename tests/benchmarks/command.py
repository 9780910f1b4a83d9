"""The whole command `fashret search` beside a script that reads the same file and calls faiss.knn.

    python -m tests.benchmarks.command FOLDER                        # Q=2,000, G=300,000, D=2,048
    python -m tests.benchmarks.command FOLDER --width 512 --runs 3

In: nothing (vectors are drawn into FOLDER). Out: a Markdown table of medians: wall and CPU seconds of whole processes,
imports, reading, digest and writing included. The two take turns; faiss runs with its fastest kernels.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks.search import environment, fastest_kernels
from tests.benchmarks.vectors import Recipe, calibrated, write

SCRIPT = """
import sys, faiss, h5py, numpy as np
with h5py.File(sys.argv[1]) as file:
    role, vectors = file["role"][:], file["vectors"]
    queries, gallery = np.flatnonzero(role & 2), np.flatnonzero(role & 4)
    asked, searched = vectors[queries[0] : queries[-1] + 1], vectors[gallery[0] : gallery[-1] + 1]
distances, rows = faiss.knn(asked, searched, 50, metric=faiss.METRIC_INNER_PRODUCT)
with h5py.File(sys.argv[2], "w") as file:
    file["distance"], file["gallery_row"] = distances, gallery[rows]
"""


def seconds(command: list[str], env: dict[str, str]) -> tuple[float, float]:
    """Wall and CPU seconds of a process."""
    before, started = os.times(), time.perf_counter()
    subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - started, os.times()
    return wall, sum(after[2:4]) - sum(before[2:4])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--queries", type=int, default=2_000)
    parser.add_argument("--gallery", type=int, default=300_000)
    parser.add_argument("--width", type=int, default=2_048)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    path = given.folder / f"{given.queries}-{given.gallery}-{given.width}.emb.h5"
    if not path.exists():
        write(calibrated(Recipe(given.queries, given.gallery, given.width)), path)
    core = fastest_kernels()
    fashret = [sys.executable, "-m", "fashret", "search", str(path), "-o", str(given.folder / "ranking.h5")]
    commands = {
        "faiss.knn": ([sys.executable, "-c", SCRIPT, str(path), str(given.folder / "faiss.h5")], environment(core)),
        "fashret search --exclude-same-product": ([*fashret, "--exclude-same-product"], environment("")),
        "fashret search": (fashret, environment("")),
    }
    for command, env in commands.values():
        seconds(command, env)  # compiles, and reads the file into memory
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for turn in range(given.runs):
        for name in commands if turn % 2 == 0 else reversed(commands):
            spent[name].append(seconds(*commands[name]))
    print(f"faiss with the kernels {core or 'that it chooses'} of OpenBLAS")
    print("| command | wall s | CPU s | × faster than faiss |\n|---|---|---|---|")
    for name, runs in spent.items():
        wall, cpu = (statistics.median(column) for column in zip(*runs, strict=True))
        ratio = statistics.median(a[0] / b[0] for a, b in zip(spent["faiss.knn"], runs, strict=True))
        print(f"| {name} | {wall:.1f} | {cpu:.1f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
