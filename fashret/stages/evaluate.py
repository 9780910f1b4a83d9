"""`fashret evaluate`: embeddings or rankings → scores.

In: embeddings.h5 files (searched here, and re-ranked if asked) or ranking.h5 files (scored at once), one run each. Out:
the tables of the runs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fashret.errors import FashretError
from fashret.files import embeddings, hdf5, rankings
from fashret.options import EvaluateOptions, RerankOptions, SearchOptions
from fashret.ranking.score import QueryScores, TooFewResultsError, score_ranking
from fashret.ranking.search import write_search
from fashret.report.cross_domain import Origin, cross_domain_tables
from fashret.report.score_tables import Run, Searches, score_tables
from fashret.report.tables import Table, fitted, to_json, write_tables


@dataclass(frozen=True)
class Evaluation:
    """Tables of scores, and the form to print them in ("" = for the terminal)."""

    tables: list[Table]
    form: str = ""

    def as_json(self) -> dict[str, Any]:
        """The same as plain values, not rounded."""
        return {"tables": [to_json(table) for table in self.tables]}

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        if self.form:
            from rich.text import Text

            yield Text(write_tables(self.tables, self.form).rstrip("\n"))
            return
        for table in self.tables:
            yield fitted(table, console, options.max_width)


@dataclass(frozen=True)
class Scored:
    """One run: its rankings by name, "plain" or "re-ranked" or both, and its scores."""

    rankings: dict[str, Path]
    run: Run


def run(files: Sequence[Path], options: EvaluateOptions) -> Evaluation:
    """Score every file.

    Raises
    ------
    FashretError
        If a file is neither embeddings nor a ranking, or no query has a positive.
    """
    kinds = [_kind(path) for path in files]
    if options.cross_domain and rankings.KIND in kinds:
        path = files[kinds.index(rankings.KIND)]
        raise FashretError(f"{path}: --cross-domain takes embeddings files, which know the dataset of their model")
    with tempfile.TemporaryDirectory(prefix="fashret-") as scratch:
        scored = [
            _scored(path, kind, Path(scratch) / str(i), options)
            for i, (path, kind) in enumerate(zip(files, kinds, strict=True))
        ]
        runs = [each.run for each in scored]
        if options.cross_domain:
            tables = cross_domain_tables(list(zip(map(_origin, files), runs, strict=True)))
        else:
            tables = score_tables(runs)
    form = next((name for name in ("csv", "markdown", "latex") if getattr(options, name)), "")
    return Evaluation(tables, form)


def _kind(path: Path) -> str:
    kind = hdf5.kind_of(path)
    if kind not in (embeddings.KIND, rankings.KIND):
        raise FashretError(f"{path}: is {kind or 'an HDF5 file of other software'}; give embeddings.h5 or ranking.h5")
    return kind


def _origin(path: Path) -> Origin:
    with embeddings.open_embeddings(path) as file:
        return Origin.of(file, hdf5.read_json(file.file, "inputs", []))


def _scored(path: Path, kind: str, scratch: Path, options: EvaluateOptions) -> Scored:
    """One run; embeddings are searched, and re-ranked, into the folder `scratch`."""
    if kind == rankings.KIND:
        return _of_rankings(path, path, None, options)
    scratch.mkdir()
    k = min(4 * max(options.k), 1000) if options.hits == "product" else max(options.k)
    while True:
        try:
            return _searched(path, scratch, k, options)
        except TooFewResultsError:  # product hits of queries whose first results are all of few products
            k *= 4


def _searched(path: Path, scratch: Path, k: int, options: EvaluateOptions) -> Scored:
    plain, reranked = scratch / "ranking.h5", scratch / "reranked.h5"
    search = SearchOptions(k=k, metric=options.metric, memory=options.memory, device=options.device)
    write_search(path, None, plain, search)
    if not options.rerank:
        return _of_rankings(path, plain, None, options)
    from fashret.ranking.rerank import write_rerank

    again = RerankOptions(
        k=k, k1=options.k1, k2=options.k2, lam=options.lam, memory=options.memory, device=options.device
    )
    write_rerank(plain, reranked, again)
    return _of_rankings(path, plain, reranked, options)


def _of_rankings(name: Path, first: Path, second: Path | None, options: EvaluateOptions) -> Scored:
    """Score a ranking file, or a plain one and its re-ranked twin."""
    opened = rankings.open_ranking(first)
    scores = score_ranking(opened, options.k, options.hits)
    if scores.skipped == len(opened):
        raise FashretError(
            f"{name}: none of its {len(opened):,} queries has a positive in the gallery; nothing to score"
        )
    again = score_ranking(rankings.open_ranking(second), options.k, options.hits) if second else None
    run = Run(
        name=str(name),
        measures=scores.measures,
        category=scores.category,
        categories=scores.categories,
        gallery=int(opened.attribute("gallery_size")),
        plain=_searches(scores),
        reranked=_searches(again) if again else None,
        notes=_notes(opened, options),
    )
    found = {"re-ranked" if opened.reranking else "plain": first} | ({"re-ranked": second} if second else {})
    return Scored(found, run)


def _searches(scores: QueryScores) -> Searches:
    return Searches(scores.unconstrained, scores.in_category)


def _notes(ranking: rankings.Ranking, options: EvaluateOptions) -> tuple[str, ...]:
    notes = []
    if options.hits == "product":
        notes.append("Product hits: ranked images are collapsed to products before k is counted.")
    if ranking.reranking:
        settings = ", ".join(f"{name} {value}" for name, value in ranking.reranking.items())
        notes.append(f"Re-ranked: {settings}.")
    return tuple(notes)
