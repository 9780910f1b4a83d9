"""Check a re-ranked file against float64 computed directly from the vectors, for sampled queries.

    python -m tests.benchmarks.check_reranking reranked.h5 [--queries 20] [--results 10] [--ranks]

Nothing of the package's retrieval is used: for the rows that a query's result depends on, neighbour lists are found
by float32 products over all rows, their 100 nearest and farthest are computed again in float64, and sets, weights
and sums are made row by row in Python. Checked are the distances of the first results and of all positives; with
--ranks, which needs the lists of all rows, also that every gallery row before a positive, and no other, has a
smaller distance.

In: a re-ranking over a whole gallery. Out: the largest difference found; exit code 1 if it is above 1e-9 (results:
float32, 1e-6).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from fashret.files.columns import Role
from fashret.files.embeddings import open_embeddings
from fashret.files.rankings import open_ranking

BATCH = 256  # rows compared with all rows at a time
NEAR, FAR = 100, 20  # rows computed again in float64


class Direct:
    """k-reciprocal distances of any two of N rows, everything they need computed when first asked for."""

    def __init__(self, vectors: np.ndarray, k1: int, k2: int, weight: float) -> None:
        self.vectors, self.k1, self.k2, self.weight = vectors, k1, k2, weight
        self.half = int(np.around(k1 / 2))
        self.squares = np.concatenate([(part.astype(np.float64) ** 2).sum(axis=1) for part in self.parts()])
        self.known: dict[int, tuple[np.ndarray, float]] = {}  # row → its list, its farthest distance
        self.weighed: dict[int, dict[int, float]] = {}

    def parts(self) -> Iterable[np.ndarray]:
        for start in range(0, len(self.vectors), 8192):
            yield self.vectors[start : start + 8192]

    def distances(self, row: int, others: np.ndarray) -> np.ndarray:
        dots = self.vectors[others].astype(np.float64) @ self.vectors[row].astype(np.float64)
        return np.where(others == row, 0.0, self.squares[row] + self.squares[others] - 2 * dots)

    def learn(self, rows: Iterable[int]) -> None:
        """Find the lists of rows."""
        new = np.array(sorted(set(map(int, rows)) - self.known.keys()))
        for start in range(0, len(new), BATCH):
            batch = new[start : start + BATCH]
            print(f"\rlists: {start:,} of {len(new):,}", end="", file=sys.stderr)
            products = [torch.from_numpy(self.vectors[batch]) @ torch.from_numpy(part).T for part in self.parts()]
            scores = 2 * torch.cat(products, dim=1) - torch.from_numpy(self.squares).float()
            near = torch.topk(scores, min(NEAR, scores.shape[1]), dim=1).indices.numpy()
            far = torch.topk(-scores, min(FAR, scores.shape[1]), dim=1).indices.numpy()
            for place, row in enumerate(map(int, batch)):
                others = np.union1d(near[place], [row])
                found = self.distances(row, others)
                order = np.lexsort((others, found, others != row))[: max(self.k1 + 1, self.k2)]
                self.known[row] = others[order], float(self.distances(row, far[place]).max())
        print(file=sys.stderr)

    def prepare(self, rows: Iterable[int]) -> None:
        """Learn all lists that the averaged weights of rows depend on."""
        rows = set(rows)
        self.learn(rows)
        for width in (self.k2, self.k1 + 1, self.half + 1):
            rows = {int(other) for row in rows for other in self.known[row][0][:width]}
            self.learn(rows)

    def reciprocal(self, row: int, k: int) -> set[int]:
        return {int(other) for other in self.known[row][0][: k + 1] if row in self.known[int(other)][0][: k + 1]}

    def weights(self, row: int) -> dict[int, float]:
        if row not in self.weighed:
            base = self.reciprocal(row, self.k1)
            members = set(base)
            for other in base:
                candidate = self.reciprocal(other, self.half)
                if 3 * len(candidate & base) > 2 * len(candidate):
                    members |= candidate
            columns = np.array(sorted(members))
            scaled = np.exp(-self.distances(row, columns) / (self.known[row][1] or 1.0))
            self.weighed[row] = dict(zip(map(int, columns), scaled / scaled.sum(), strict=True))
        return self.weighed[row]

    def averaged(self, row: int) -> dict[int, float]:
        nearest = self.known[row][0][: self.k2]
        total: dict[int, float] = {}
        for other in map(int, nearest):
            for column, value in self.weights(other).items():
                total[column] = total.get(column, 0.0) + value
        return {column: value / len(nearest) for column, value in total.items()}

    def final(self, query: int, others: np.ndarray) -> np.ndarray:
        mine = self.averaged(query)
        theirs = (self.averaged(int(other)) for other in others)
        sums = np.array([sum(min(mine[c], v) for c, v in one.items() if c in mine) for one in theirs])
        scaled = self.distances(query, others) / (self.known[query][1] or 1.0)
        return (1 - self.weight) * (1 - sums / (2 - sums)) + self.weight * scaled


def check(path: Path, queries: int, results: int, ranks: bool) -> float:
    """The largest difference of a distance, in units of what is allowed."""
    ranking = open_ranking(path)
    asked, searched = (open_embeddings(ranking.embeddings_path(side)) for side in ("query", "gallery"))
    gallery = searched.with_role(Role.GALLERY)
    if asked.path == searched.path:
        rows = np.union1d(ranking.query_row, gallery)
        vectors, number, offset = asked.vectors[rows], dict(zip(map(int, rows), range(len(rows)), strict=True)), None
    else:
        vectors = np.concatenate([asked.vectors[ranking.query_row], searched.vectors[gallery]])
        number = {int(row): place + len(ranking) for place, row in enumerate(gallery)}
        offset = np.arange(len(ranking))
    how = ranking.reranking
    direct = Direct(vectors, how["k1"], how["k2"], how["lambda"])
    offsets, row, rank, final = (ranking.positives(name) for name in ("offsets", "row", "rank", "distance"))
    sample = np.random.default_rng(0).choice(len(ranking), min(queries, len(ranking)), replace=False)
    own = {int(q): int(offset[q]) if offset is not None else number[int(ranking.query_row[q])] for q in sample}
    first = {q: np.array([number[int(r)] for r in ranking.gallery_row[q, :results] if r >= 0]) for q in own}
    theirs = {q: np.array([number[int(r)] for r in row[offsets[q] : offsets[q + 1]]], int) for q in own}
    everything = np.array([number[int(r)] for r in gallery])
    direct.prepare([*own.values(), *np.concatenate([*first.values(), *theirs.values()])])
    if ranks:
        direct.prepare(everything)
    worst = 0.0
    for q, query in own.items():
        part = slice(offsets[q], offsets[q + 1])
        results_off = abs(direct.final(query, first[q]) - ranking.distance[q, : len(first[q])]).max(initial=0)
        positives = direct.final(query, theirs[q])
        positives_off = abs(positives - final[part]).max(initial=0)
        worst = max(worst, results_off / 1e-6, positives_off / 1e-9)
        wrong = 0
        if ranks:
            every = direct.final(query, everything[everything != query])
            less, most = ((every[None, :] < (positives + by)[:, None]).sum(axis=1) for by in (-1e-9, 1e-9))
            wrong = int(((rank[part] < less) | (rank[part] >= np.maximum(most, less + 1))).sum())
            worst = max(worst, float(2 * (wrong > 0)))
        print(f"query {q}: {len(first[q])} results off by {results_off:.1e}, {len(positives)} positives by "
              f"{positives_off:.1e}" + (f", {wrong} ranks wrong" if ranks else ""), flush=True)  # fmt: skip
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ranking", type=Path)
    parser.add_argument("--queries", type=int, default=20)
    parser.add_argument("--results", type=int, default=10)
    parser.add_argument("--ranks", action="store_true")
    given = parser.parse_args()
    worst = check(given.ranking, given.queries, given.results, given.ranks)
    print("as direct" if worst <= 1 else "NOT as direct")
    sys.exit(int(worst > 1))


if __name__ == "__main__":
    main()
