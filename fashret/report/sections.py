"""Sections of the report of evaluated rankings.

In: ranking files and their scores. Out: `fashret.report.page.Report`, and the folder that it is written to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashret.console import counted
from fashret.errors import FashretError
from fashret.files.columns import Role
from fashret.files.embeddings import open_embeddings
from fashret.files.rankings import Ranking
from fashret.files.row_filter import chosen_rows
from fashret.report.gallery import Found, choose_queries, gallery_rows
from fashret.report.page import Card, Report, check_folder, write_report
from fashret.report.pictures import pictures_of
from fashret.report.plots import (
    Plot,
    bars_per_category,
    check_plot_name,
    cmc,
    distance_histogram,
    precision_recall,
    save_score_by_size,
)
from fashret.report.provenance import crop_facts, facts, model_facts
from fashret.report.runs import AVERAGE, UNCONSTRAINED, Run
from fashret.report.score_tables import HEADLINE
from fashret.report.tables import Score, Table

WRONG_PAIRS = 50_000  # pairs drawn for the histogram
UNLABELLED = "No query has a positive in the gallery: there are no scores, only what was found."


@dataclass(frozen=True)
class Shown:
    """How much of a run the gallery shows, and where its pictures are: see `pictures_of`."""

    queries: int
    crops: tuple[Path, ...] = ()
    seed: int = 0


def report_on_run(
    folder: Path, rankings: Mapping[str, Ranking], run: Run, tables: Sequence[Table], shown: Shown
) -> Path:
    """Write the report of one run: scores, curves, gallery, origins.

    Parameters
    ----------
    rankings
        The rankings by name, "plain" or "re-ranked" or both.

    Raises
    ------
    FashretError
        If the rankings' embeddings or the pictures are not there, or the folder cannot be written.
    """
    check_folder(folder)
    first = next(iter(rankings.values()))
    paths = {side: first.embeddings_path(side) for side in ("query", "gallery")}
    with (
        open_embeddings(paths["query"]) as query,
        open_embeddings(paths["gallery"]) as gallery,
        pictures_of(query, shown.crops) as asked,
        pictures_of(gallery, shown.crops) as searched,
    ):
        found, pictures = (
            Found(rankings, query, gallery, _precision(rankings, run)),
            {"query": asked, "gallery": searched},
        )
        report = make_report(found, run, tables, shown)
        return write_report(folder, replace(report, facts={**report.facts, **crop_facts(pictures)}), pictures)


def report_on_runs(
    folder: Path, rankings: Sequence[Mapping[str, Ranking]], runs: Sequence[Run], tables: Sequence[Table]
) -> Path:
    """Write the report of several runs side by side: scores, curves, origins."""
    check_folder(folder)
    opened = {
        run.name if len(each) == 1 else f"{run.name}, {kind}": ranking
        for run, each in zip(runs, rankings, strict=True)
        for kind, ranking in each.items()
    }
    ranks = {
        name: _ranks_by_query(ranking.positives("offsets"), ranking.positives("rank"))
        for name, ranking in opened.items()
    }
    first = {name: np.array([query.min() for query in queries]) for name, queries in ranks.items()}
    about = {}
    for run, each in zip(runs, rankings, strict=True):
        with open_embeddings(next(iter(each.values())).embeddings_path("query", check=False)) as query:
            about[run.name] = {"dataset": query.dataset, **model_facts(query.model)}
    report = Report(
        title=f"{len(runs)} runs",
        tables=tables,
        plots=[cmc(first, max(run.gallery for run in runs)), precision_recall(ranks)],
        facts={heading: {k: v for k, v in values.items() if v not in ("", None)} for heading, values in about.items()},
        notes=["Several runs: for a gallery of queries and results, report on one of them."],
    )
    return write_report(folder, report, {})


def check_outputs(folder: Path | None, plot: Path | None) -> None:
    """Before any work, refuse a report or a plot of input sizes that cannot be written."""
    if folder:
        check_folder(folder)
    if plot:
        check_plot_name(plot)


def check_pictures(source: Path | Ranking, crops: Sequence[Path]) -> None:
    """Before any work, refuse a report on one run that would lack its pictures: see `pictures_of`.

    Parameters
    ----------
    source
        An embeddings.h5 that is to be searched, or an open ranking.

    Raises
    ------
    FashretError
        If they are not there: asks for --crops.
    """
    sides = ("query", "gallery")
    paths = [source] if isinstance(source, Path) else [source.embeddings_path(side, check=False) for side in sides]
    for path in dict.fromkeys(paths):
        with open_embeddings(path) as embeddings, pictures_of(embeddings, crops):
            pass


def plot_sizes(path: Path, rankings: Sequence[Mapping[str, Ranking]], runs: Sequence[Run]) -> None:
    """Draw mAP and Acc@1 of every run's first ranking, unconstrained, against the input size of its model."""
    sizes = []
    scores: dict[str, list[Score]] = {name: [] for name in ("mAP", "Acc@1") if all(name in r.measures for r in runs)}
    for run, each in zip(runs, rankings, strict=True):
        with open_embeddings(next(iter(each.values())).embeddings_path("query", check=False)) as query:
            settings = query.model.get("settings") or {}
        if not settings.get("height") or not settings.get("width"):
            raise FashretError(f"{run.name}: its embeddings do not say the input size of their model")
        sizes.append((int(settings["height"]), int(settings["width"])))
        means = run.means(UNCONSTRAINED, "plain") or run.means(AVERAGE, "plain")
        assert means is not None
        for name, values in scores.items():
            values.append(means.mean_cells()[run.measures.index(name)])
    save_score_by_size(path, sizes, scores)


def _precision(rankings: Mapping[str, Ranking], run: Run) -> dict[str, NDArray[np.float64]]:
    """AP of every query in each ranking, where the run has it."""
    if run.measures[0] != "mAP":
        return {}
    values = [s.unconstrained if s.unconstrained is not None else s.in_category for s in run.rankings.values()]
    return {name: each[:, 0] for name, each in zip(rankings, values, strict=True) if each is not None}


def make_report(found: Found, run: Run, tables: Sequence[Table], shown: Shown) -> Report:
    """The report of a ranking, or of a plain one and its re-ranked one."""
    ranking = next(iter(found.rankings.values()))
    precision = [found.average_precision.get(name, np.full(len(ranking), np.nan)) for name in found.rankings]
    chosen = choose_queries(precision[0], precision[1] if len(precision) > 1 else None, shown.queries, shown.seed)
    labelled = len(ranking.positives("row")) > 0
    within = ranking.attribute("within")
    return Report(
        title=run.name,
        subtitle=f"{counted(len(ranking), 'query', 'queries')}, {counted(run.gallery, run.ranked)}, "
        f"{ranking.attribute('metric')} distance"
        + (f", within {within}" if within else "")
        + "".join(f", where {condition}" for condition in ranking.where),
        cards=list(_cards(run)) if labelled else [],
        tables=tables,
        plots=list(_plots(found, run, shown.seed)) if labelled else [],
        rows=gallery_rows(found, chosen),
        facts=facts(found),
        notes=[] if labelled else [UNLABELLED],
    )


def _cards(run: Run) -> Iterator[Card]:
    """mAP, Acc@1 and Acc@20 of both overall scores."""
    for label in (AVERAGE, UNCONSTRAINED):
        known = {kind: means for kind in run.kinds if (means := run.means(label, kind))}
        if "plain" not in known:
            continue
        cells = {kind: means.mean_cells(change=kind == "difference") for kind, means in known.items()}
        for i, measure in enumerate(run.measures):
            if measure in HEADLINE:
                plain, *others = (cells[kind][i] for kind in ("plain", "re-ranked", "difference") if kind in cells)
                yield Card(label, measure, plain, *others)


def _plots(found: Found, run: Run, seed: int) -> Iterator[Plot]:
    ranks = {name: _ranks_by_query(offsets, places) for name, (offsets, _, places) in found.positives.items()}
    yield cmc({name: np.array([query.min() for query in queries]) for name, queries in ranks.items()}, run.gallery)
    yield precision_recall(ranks)
    name, ranking = next(iter(found.rankings.items()))
    if "positives/distance" in ranking.file and not ranking.reranking:
        pairs = {
            "true pairs": ranking.positives("distance"),
            "nearest wrong result": nearest_wrong(found, name),
            "wrong pairs": wrong_pairs(found, ranking, seed),
        }
        yield distance_histogram(pairs, str(ranking.attribute("metric")))
    means = {name: run.means(AVERAGE, name) for name in run.rankings}
    scores = {name: mean.groups[:, 0] for name, mean in means.items() if mean}
    bars = bars_per_category(run.names, scores, run.measures[0]) if scores and len(run.names) > 1 else None
    if bars:
        yield bars


def _ranks_by_query(offsets: NDArray[np.int64], ranks: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The ranks of each query's positives; queries without any are left out."""
    return [ranks[a:b] for a, b in zip(offsets[:-1], offsets[1:], strict=True) if b > a]


def nearest_wrong(found: Found, name: str) -> NDArray[np.float64]:
    """Distance of the best result of another product, for every query that has positives and such a result."""
    ranking = found.rankings[name]
    offsets, rows, _ = found.positives[name]
    distances = []
    for query in np.flatnonzero(np.diff(offsets)):
        positives = rows[offsets[query] : offsets[query + 1]]
        results = ranking.gallery_row[query]
        wrong = np.flatnonzero((results >= 0) & ~np.isin(results, positives))
        if len(wrong):
            distances.append(ranking.distance[query, wrong[0]])
    return np.array(distances, np.float64)


def wrong_pairs(found: Found, ranking: Ranking, seed: int = 0) -> NDArray[np.float64]:
    """Distances of queries and gallery rows drawn at random whose products are known and differ; at most 50,000."""
    from fashret.knn.distance import pair_distances

    query, gallery = found.query, found.gallery
    rows = chosen_rows(gallery, Role.GALLERY, ranking.where)
    if not len(rows) or not len(ranking):
        return np.empty(0)
    rng = np.random.default_rng(seed)
    left, right = rng.choice(ranking.query_row, WRONG_PAIRS), rng.choice(rows, WRONG_PAIRS)
    ours, theirs = query.product[left], gallery.product[right]
    differ = (ours != theirs) & (ours != "") & (theirs != "")
    metric: Any = ranking.attribute("metric")
    return pair_distances(query.vectors, left[differ], gallery.vectors, right[differ], metric)
