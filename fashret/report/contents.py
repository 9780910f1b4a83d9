"""What stands in the report of one evaluated ranking.

In: the ranking and its rows, its scores, distances of wrong pairs. Out: `fashret.report.page.Report`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashret.files import hdf5
from fashret.files.embeddings import Embeddings
from fashret.report.gallery import Found, choose_queries, gallery_rows
from fashret.report.page import Card, Report
from fashret.report.plots import Plot, bars_per_category, cmc, distance_histogram, precision_recall
from fashret.report.score_tables import (
    AVERAGE,
    HEADLINE,
    UNCONSTRAINED,
    Run,
    average_over_categories,
    unconstrained,
)
from fashret.report.tables import Table

WRONG_PAIRS = 50_000  # pairs of different products drawn for the histogram


def make_report(
    found: Found, run: Run, tables: Sequence[Table], wrong: NDArray[np.float64], queries: int, seed: int = 0
) -> Report:
    """The report of a ranking, or of a plain one and its re-ranked one.

    Parameters
    ----------
    wrong
        Distances of `wrong_pairs`.
    queries
        How many to show in the gallery.
    """
    precision = list(found.average_precision.values())
    nothing = np.full(len(next(iter(found.rankings.values()))), np.nan)
    chosen = choose_queries(
        precision[0] if precision else nothing, precision[1] if len(precision) > 1 else None, queries, seed
    )
    ranking = next(iter(found.rankings.values()))
    labelled = len(ranking.positives("row")) > 0
    notes = [] if labelled else ["No query has a positive in the gallery: there are no scores, only what was found."]
    return Report(
        title=run.name,
        subtitle=f"{len(ranking):,} queries, {run.gallery:,} gallery rows, {ranking.attribute('metric')} distance"
        + (f", within {ranking.attribute('within')}" if ranking.attribute("within") else ""),
        cards=list(_cards(run)) if labelled else [],
        tables=tables,
        plots=list(_plots(found, run, wrong)) if labelled else [],
        rows=gallery_rows(found, chosen),
        facts=facts(found),
        notes=notes,
    )


def _cards(run: Run) -> Iterator[Card]:
    """mAP, Acc@1 and Acc@20 of both overall scores."""
    for label in (AVERAGE, UNCONSTRAINED):
        kinds = [
            average_over_categories(run, searches) if label == AVERAGE else unconstrained(searches)
            for searches in run.rankings.values()
        ]
        means = [kind.mean_cells() for kind in kinds if kind]
        if len(means) < len(kinds):
            continue
        for i, measure in enumerate(run.measures):
            if measure in HEADLINE:
                yield Card(label, measure, means[0][i], means[1][i] if len(means) > 1 else None)


def _plots(found: Found, run: Run, wrong: NDArray[np.float64]) -> Iterator[Plot]:
    ranks = {name: _ranks_by_query(*parts) for name, parts in found.positives.items()}
    yield cmc({name: np.array([query.min() for query in queries]) for name, queries in ranks.items()}, run.gallery)
    yield precision_recall(ranks)
    name, ranking = next(iter(found.rankings.items()))
    if "positives/distance" in ranking.file and not ranking.reranking:
        pairs = {
            "true pairs": ranking.positives("distance"),
            "nearest wrong result": nearest_wrong(found, name),
            "wrong pairs": wrong,
        }
        yield distance_histogram(pairs, str(ranking.attribute("metric")))
    means = {name: average_over_categories(run, searches) for name, searches in run.rankings.items()}
    scores = {name: mean.groups[:, 0] for name, mean in means.items() if mean}
    bars = bars_per_category(run.names, scores, run.measures[0]) if scores and len(run.names) > 1 else None
    if bars:
        yield bars


def _ranks_by_query(
    offsets: NDArray[np.int64], rows: NDArray[np.int64], ranks: NDArray[np.int64]
) -> list[NDArray[np.int64]]:
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


def wrong_pairs(
    query_rows: NDArray[np.int64],
    gallery_rows: NDArray[np.int64],
    query: Embeddings,
    gallery: Embeddings,
    seed: int = 0,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of queries and of the gallery, drawn at random, whose products are known and differ."""
    if not len(query_rows) or not len(gallery_rows):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    rng = np.random.default_rng(seed)
    left, right = rng.choice(query_rows, WRONG_PAIRS), rng.choice(gallery_rows, WRONG_PAIRS)
    ours, theirs = query.product[left], gallery.product[right]
    differ = (ours != theirs) & (ours != "") & (theirs != "")
    return left[differ], right[differ]


# --- settings and origins ---


def facts(found: Found) -> dict[str, dict[str, Any]]:
    """How the ranking came about: heading → name → value, from the attributes of the files."""
    parts: dict[str, dict[str, Any]] = {}
    for name, ranking in found.rankings.items():
        about = {"file": ranking.path.name, "metric": ranking.attribute("metric"), **_stamp(ranking.file)}
        about |= flat(ranking.reranking) | flat(hdf5.read_json(ranking.file, "options", {}))
        parts[f"Ranking, {name}"] = about
    sides = {"Embeddings": found.query}
    if found.gallery.path.resolve() != found.query.path.resolve():
        sides = {"Embeddings of the queries": found.query, "Embeddings of the gallery": found.gallery}
    for heading, embeddings in sides.items():
        parts[heading] = {
            "file": embeddings.path.name,
            "dataset": embeddings.dataset or "not recorded",
            "rows": f"{len(embeddings):,}",
            "width": embeddings.width,
            **_stamp(embeddings.file),
        }
    parts["Model"] = flat(found.query.model) or {"model": "not recorded"}
    return {heading: {k: v for k, v in values.items() if v not in ("", None)} for heading, values in parts.items()}


def _stamp(file: Any) -> dict[str, Any]:
    inputs = [str(each.get("name", "")) for each in hdf5.read_json(file, "inputs", []) if isinstance(each, dict)]
    about = {"created": file.attrs.get("created", ""), "fashret": file.attrs.get("fashret_version", "")}
    return about | {"made from": ", ".join(inputs)}


def flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values as one level.

    >>> flat({"a": {"b": 1}, "c": [1, 2]})
    {'a b': 1, 'c': '1, 2'}
    """
    level: dict[str, Any] = {}
    for name, value in nested.items():
        if isinstance(value, Mapping):
            level |= flat(value, f"{prefix}{name} ")
        elif isinstance(value, list | tuple):
            level[prefix + name] = ", ".join(map(str, value))
        else:
            level[prefix + name] = value
    return level
