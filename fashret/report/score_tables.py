"""Scores of one or more runs → tables: per category, average over categories, unconstrained; plain and re-ranked.

In: `fashret.report.runs.Run`s. Out: `fashret.report.tables.Table`s, with 95 % intervals over queries.

Two scores are never mixed (field terms of Street2Shop): *average over categories* holds each search to the query's
category and takes the unweighted mean of the categories; *unconstrained retrieval* searches the whole gallery and
takes the mean over queries. A category's own row is of the search held to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fashret.console import counted
from fashret.evaluation.intervals import RESAMPLES
from fashret.report.runs import AVERAGE, UNCONSTRAINED, Means, Run
from fashret.report.tables import Cell, Score, Table

BECOME = "shown as –, left out of the average"  # what categories without positives do
DEFINITIONS = {
    "mAP": "mAP: mean over queries of the average precision, the mean of the precisions at every positive's rank.",
    "Acc": "Acc@k: share of queries with an image of the same product among the first k gallery images.",
    AVERAGE: "Average over categories: every search held to the query's category; unweighted mean of the categories.",
    UNCONSTRAINED: "Unconstrained retrieval: every search over the whole gallery; mean over queries.",
    "interval": f"Intervals: 95 %, bootstrap over queries, {RESAMPLES:,} resamples.",
}


def score_tables(runs: Sequence[Run], per_category: bool = False) -> list[Table]:
    """The tables that `fashret evaluate` prints for one run, or for several side by side.

    Parameters
    ----------
    per_category
        With several runs: every measure of every category too, a table a run; one run always has it.

    >>> from fashret.report.runs import Searches
    >>> run = Run("a", ("mAP", "Acc@1"), np.array([0, 0]), ("bags",), 9, Searches(np.array([[.5, 0], [1, 1]]), None))
    >>> [[str(cell) for cell in row] for row in score_tables([run])[0].rows]
    [['Unconstrained retrieval', '2', '75.0', '50.0']]
    """
    if len(runs) == 1:
        return [*([] if runs[0].reranked is None else [rerank_table(runs[0])]), *_by_category(runs[0])]
    own = [(run, table) for run in runs if per_category for table in _by_category(run)]
    return [*compare_runs(runs), *(replace(table, name=f"{table.name} of {run.name}") for run, table in own)]


def _by_category(run: Run) -> list[Table]:
    """A run's table of categories; none where its re-ranked scores do not tell."""
    if run.reranked is None:
        return [category_table(run)]
    return [rerank_category_table(run)] if run.means(AVERAGE, "difference") else []


def category_table(run: Run) -> Table:
    """One run: a row for every category, then the two overall scores."""
    held, free = run.means(AVERAGE, "plain"), run.means(UNCONSTRAINED, "plain")
    rows: list[tuple[Cell, ...]] = []
    for g, name in enumerate(run.names if held else ()):
        assert held is not None
        rows.append((name, int(held.scored[g]), *(Score(float(m)) for m in held.groups[g])))
    overall = [(label, means) for label, means in ((AVERAGE, held), (UNCONSTRAINED, free)) if means]
    rows += [(label, int(means.scored.sum()), *means.mean_cells()) for label, means in overall]
    sections = (len(rows) - len(overall),) if held else ()
    return Table("scores", f"Scores of {run.name}", ("Category", "Queries", *run.measures), tuple(rows), sections,
                 notes(run, held, free))  # fmt: skip


def rerank_table(run: Run) -> Table:
    """One run: plain, re-ranked and their difference, for both overall scores and every measure."""
    rows: list[tuple[Cell, ...]] = []
    sections = []
    for label in (AVERAGE, UNCONSTRAINED):
        sections.append(len(rows))
        for kind in run.kinds:
            means = run.means(label, kind)
            if means:
                rows.append((label, kind, int(means.scored.sum()), *means.mean_cells(change=kind == "difference")))
    held, free = run.means(AVERAGE, "plain"), run.means(UNCONSTRAINED, "plain")
    missing = held is not None and run.means(AVERAGE, "difference") is None
    note = ("The search held to categories was not re-ranked: no scores per category.",) if missing else ()
    return Table("reranking", f"Scores of {run.name}, plain and re-ranked", ("Search", "Ranking", "Queries",
                 *run.measures), tuple(rows), tuple(s for s in sections[1:] if 0 < s < len(rows)),
                 (*notes(run, held, free), *note))  # fmt: skip


HEADLINE = ("mAP", "Acc@1", "Acc@20")


def rerank_category_table(run: Run) -> Table:
    """One run: mAP, Acc@1 and Acc@20 of every category, plain, re-ranked, and the difference."""
    measures = [i for i, name in enumerate(run.measures) if name in HEADLINE] or [0]
    columns = [name for i in measures for name in _triple(run.measures[i])]
    held = [run.means(AVERAGE, kind) for kind in run.kinds]
    assert held[2] is not None
    rows: list[tuple[Cell, ...]] = []
    for g, name in enumerate(run.names):
        cells = [Score(float(m.groups[g, i]), change=n == 2) for i in measures for n, m in enumerate(held) if m]
        rows.append((name, int(held[2].scored[g]), *cells))
    title = f"Scores of {run.name} per category, plain and re-ranked"
    notes = tuple(_empty_categories(run, held[2]))
    return Table("categories", title, ("Category", "Queries", *columns), tuple(rows), (), notes)


def _triple(measure: str) -> tuple[str, str, str]:
    return measure, f"{measure} re-ranked", f"{measure} Δ"


def compare_runs(runs: Sequence[Run]) -> list[Table]:
    """Several runs: one row per run (two with re-ranking) for each overall score, and mAP per category."""
    tables = []
    for label, name in ((AVERAGE, "average"), (UNCONSTRAINED, "unconstrained")):
        rows: list[tuple[Cell, ...]] = []
        for run in runs:
            for kind in run.rankings:
                means = run.means(label, kind)
                if means:
                    title = run.name if kind == "plain" else f"{run.name}, {kind}"
                    rows.append((title, int(means.scored.sum()), *_by_measure(runs, run, means.mean_cells())))
        about = [DEFINITIONS[label], *_shared_notes(runs)]
        about += _empty_by_run(runs, "left out of the average") if label == AVERAGE else []
        about += [f"{r.name}: {n}" for r in runs for n in r.notes]
        columns = ("Run", "Queries", *all_measures(runs))
        different = differences(runs)
        if rows:
            marked = tuple(rows) if different else best_in_bold(rows)
            tables.append(Table(name, label, columns, marked, (), (*different, *about)))
    return [*tables, *categories_of_runs(runs)]


def differences(runs: Sequence[Run]) -> list[str]:
    """What keeps runs from being compared, if anything does: one note per side whose rows are not the same in all."""
    notes = []
    for side in ("queries", "gallery"):
        alike: dict[str, list[str]] = {}
        for run in runs:
            alike.setdefault(run.sides.get(side, f"unknown, of {run.name}"), []).append(run.name)
        if len(alike) > 1:
            groups = " | ".join(", ".join(names) for names in alike.values())
            why = "rows or labels differ" if all(side in run.sides for run in runs) else "not all are known"
            notes.append(f"Not compared, and none is the best: the runs do not share their {side}, {why} ({groups}).")
    return notes


def all_measures(runs: Sequence[Run]) -> tuple[str, ...]:
    """Measures of all runs, each once, in their order."""
    return tuple(dict.fromkeys(name for run in runs for name in run.measures))


def _by_measure(runs: Sequence[Run], run: Run, cells: Sequence[Score]) -> list[Score]:
    own = dict(zip(run.measures, cells, strict=True))
    return [own.get(name, Score(math.nan)) for name in all_measures(runs)]


def categories_of_runs(runs: Sequence[Run]) -> Iterator[Table]:
    """mAP of every category, one column per run, best of each row in bold if the runs can be compared."""
    held = {run.name: (run, run.means(AVERAGE, "plain")) for run in runs}
    known = {name: (run, means) for name, (run, means) in held.items() if means}
    if not known:
        return
    rows, different = [], differences(runs)
    for category in dict.fromkeys(name for run, _ in known.values() for name in run.names):
        cells = []
        for run, means in known.values():
            present = category in run.names
            cells.append(Score(float(means.groups[run.names.index(category), 0]) if present else math.nan))
        rows.append((category, *(cells if different else _mark_best(cells))))
    title = f"{runs[0].measures[0]} per category"
    yield Table("categories", title, ("Category", *known), tuple(rows), (), (*different, *_empty_by_run(runs)))


def best_in_bold(rows: Sequence[tuple[Cell, ...]]) -> tuple[tuple[Cell, ...], ...]:
    """The same rows, the highest score of every column marked (all of them where several are highest)."""
    columns = [_mark_best(column) for column in zip(*rows, strict=True)]
    return tuple(zip(*columns, strict=True))


def _mark_best(cells: Sequence[Cell]) -> list[Cell]:
    values = [c.value for c in cells if isinstance(c, Score) and not math.isnan(c.value)]
    if len(values) < 2:
        return list(cells)
    top = max(values)
    return [Score(c.value, c.low, c.high, c.change, best=c.value == top) if isinstance(c, Score) else c for c in cells]


def notes(run: Run, held: Means | None, free: Means | None) -> tuple[str, ...]:
    """What must be known to compare the scores with others'."""
    lines = _measures_defined([run])
    lines += [DEFINITIONS[AVERAGE]] if held else []
    lines += [DEFINITIONS[UNCONSTRAINED]] if free else []
    lines.append(counts(run))
    lines += _empty_categories(run, held) if held else []
    return (*lines, DEFINITIONS["interval"], *run.notes)


def _measures_defined(runs: Sequence[Run]) -> list[str]:
    kinds = dict.fromkeys(name.split("@")[0] for name in all_measures(runs))
    return [DEFINITIONS[kind] for kind in kinds if kind in DEFINITIONS]


def counts(run: Run) -> str:
    """How many queries each of the two scores counts and skips, where they differ, and how large the gallery is."""
    free, held = _scored(run.plain.unconstrained), _scored(run.plain.in_category)
    queries = len(run.category)
    said = []
    if free is not None:
        said.append(
            f"{counted(free, 'query', 'queries')} scored, {queries - free:,} skipped (no positive in the gallery)"
        )
    if held is not None and held != free:
        where = "" if free is None else " in the search held to categories"
        scored = f"{counted(held, 'query', 'queries')} scored{where}"
        said.append(f"{scored}, {queries - held:,} skipped (no category, or no positive in it)")
    return f"{'; '.join(said)}{';' if len(said) > 1 else ','} {counted(run.gallery, run.ranked)}."


def _scored(values: NDArray[np.float64] | None) -> int | None:
    return None if values is None else int((~np.isnan(values).any(axis=1)).sum())


def _shared_notes(runs: Sequence[Run]) -> list[str]:
    return [*_measures_defined(runs), *(f"{r.name}: {counts(r)}" for r in runs), DEFINITIONS["interval"]]


def _empty_by_run(runs: Sequence[Run], become: str = BECOME) -> list[str]:
    held = [(run, run.means(AVERAGE, "plain")) for run in runs]
    return [f"{run.name}: {note}" for run, means in held if means for note in _empty_categories(run, means, become)]


def _empty_categories(run: Run, held: Means, become: str = BECOME) -> list[str]:
    """A note that names the categories without a scored query, and says what becomes of them; none without such."""
    empty = [name for name, scored in zip(run.names, held.scored, strict=True) if not scored]
    if not empty:
        return []
    some = ", ".join(empty[:5]) + (f" and {len(empty) - 5:,} more" if len(empty) > 5 else "")
    return [f"No positives in {some}: {become}."]
