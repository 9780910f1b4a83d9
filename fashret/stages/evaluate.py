"""`fashret evaluate`: embeddings or rankings → scores.

In: embeddings.h5 files (searched here, and re-ranked if asked) or ranking.h5 files (scored at once), one run each; a
plain ranking and its re-ranked one are one run. Out: the tables of the runs; a report and a plot where asked.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fashret.console import counted, log
from fashret.errors import FashretError
from fashret.evaluation.scores import (
    NothingToScoreError,
    QueryScores,
    TooFewResultsError,
    digests_of_sides,
    score_ranking,
)
from fashret.files import embeddings, hdf5, rankings
from fashret.files.atomic import only_writer
from fashret.files.columns import Role
from fashret.files.hints import LABELS
from fashret.files.moved import check_moved, moved_embeddings
from fashret.files.resume import arrays_path
from fashret.options import EvaluateOptions, RerankOptions, SearchOptions, taken_over
from fashret.report.cross_domain import Origin, cross_domain_tables
from fashret.report.evaluation import Evaluation, chosen_form
from fashret.report.runs import Run, Searches, short_names
from fashret.report.score_tables import score_tables
from fashret.report.sections import Shown, check_outputs, check_pictures, plot_sizes, report_on_run, report_on_runs
from fashret.report.tables import Table
from fashret.stages import search


@dataclass(frozen=True)
class Scored:
    """One run: its rankings by name, "plain" or "re-ranked" or both, and its scores."""

    rankings: dict[str, rankings.Ranking]
    run: Run


OF_SEARCHES = ("rerank", "metric", "exclude_copies")  # options that a finished ranking cannot follow


def run(files: Sequence[Path], options: EvaluateOptions, given: Collection[str] = ()) -> Evaluation:
    """Score every file.

    Parameters
    ----------
    given
        Names of the options that were set on the command line.

    Raises
    ------
    FashretError
        If a file is neither embeddings nor a ranking, or no query has a positive.
    """
    form = chosen_form(options)
    if not options.k:
        raise FashretError("--k: give numbers from 1 on")
    kinds = {path: _kind(path) for path in files}
    for path, kind in kinds.items():
        if options.cross_domain and kind == rankings.KIND:
            raise FashretError(f"{path}: --cross-domain takes embeddings files, which know the dataset of their model")
    _check_searches(kinds, [name for name in OF_SEARCHES if name in given])
    searched = [path for path, kind in kinds.items() if kind == embeddings.KIND]
    _check_both_sides(searched)
    check_outputs(options.report, options.size_plot)
    with tempfile.TemporaryDirectory(prefix="fashret-") as scratch, ExitStack() as stack:
        opened = _opened(kinds, options, stack)
        pairs = _paired(kinds, opened)
        if options.report and len(pairs) == 1:
            check_pictures(opened.get(pairs[0][0], pairs[0][0]), options.crops)
        names = short_names([str(paths[0]) for paths in pairs])
        try:
            scored = [
                _of_rankings(name, *(opened[path] for path in paths), options=options)
                if kinds[paths[0]] == rankings.KIND
                else _of_embeddings(name, paths[0], Path(scratch) / str(i), options, stack)
                for i, (name, paths) in enumerate(zip(names, pairs, strict=True))
            ]
        except NothingToScoreError as error:
            raise FashretError(f"{error}; {_across(*searched)}" if len(searched) == 2 else str(error)) from None
        if len(scored) > 1 and not options.cross_domain:
            scored = [_with_sides(each) for each in scored]
        runs = [each.run for each in scored]
        if options.cross_domain:
            tables = cross_domain_tables([(_origin(paths[0]), run) for paths, run in zip(pairs, runs, strict=True)])
        else:
            tables = score_tables(runs, options.per_category)
        if options.report:
            _report(options.report, scored, tables, options)
        if options.size_plot:
            plot_sizes(options.size_plot, [each.rankings for each in scored], runs)
    return Evaluation(tables, form, options.report / "index.html" if options.report else None)


def _check_searches(kinds: Mapping[Path, str], asked: Sequence[str]) -> None:
    """Refuse options of searches where all files are rankings, which were searched before."""
    if asked and set(kinds.values()) == {rankings.KIND}:
        flag = asked[0].replace("_", "-")
        raise FashretError(
            f"{next(iter(kinds))}: is a ranking, which --{flag} does not change; give the embeddings, "
            "or make another with `fashret search` or `fashret rerank` and give both"
        )


def _check_both_sides(paths: Sequence[Path]) -> None:
    """Refuse two files or more of which one has only queries, or only a gallery: each is a run by itself.

    Raises
    ------
    FashretError
        With the commands that search one in another.
    """
    has = {}
    for path in paths if len(paths) > 1 else ():
        with embeddings.open_embeddings(path) as file:
            has[path] = [bool(len(file.with_role(role))) for role in (Role.QUERY, Role.GALLERY)]
    for path, (asks, holds) in has.items():
        other = next((one for one in paths if one != path and has[one][0 if holds else 1]), None)
        if asks != holds and other:
            pair = (path, other) if asks else (other, path)
            raise FashretError(f"{path}: has no {'gallery' if asks else 'queries'}; {_across(*pair)}")


def _across(queries: Path, gallery: Path) -> str:
    return (
        f"to search one file in another: fashret search {queries} {gallery} -o ranking.h5, "
        "then: fashret evaluate ranking.h5"
    )


def _kind(path: Path) -> str:
    kind = hdf5.kind_of(path, embeddings.KIND)
    if kind not in (embeddings.KIND, rankings.KIND):
        raise FashretError(f"{path}: is {kind or 'an HDF5 file of other software'}; give embeddings.h5 or ranking.h5")
    return kind


def _origin(path: Path) -> Origin:
    with embeddings.open_embeddings(path) as file:
        return Origin.of(file, hdf5.read_json(file.file, "inputs", []))


def _opened(kinds: Mapping[Path, str], options: EvaluateOptions, stack: ExitStack) -> dict[Path, rankings.Ranking]:
    """The ranking files among those given; they know where their embeddings were moved to."""
    moved = moved_embeddings(options.embeddings)
    paths = [path for path, kind in kinds.items() if kind == rankings.KIND]
    opened = {path: stack.enter_context(rankings.open_ranking(path, moved)) for path in paths}
    check_moved(moved, opened.values())
    return opened


def _paired(files: Iterable[Path], opened: Mapping[Path, rankings.Ranking]) -> list[list[Path]]:
    """The files of each run: one, or a plain ranking and the first re-ranked one of the same search."""
    plain: dict[Path, tuple[Any, ...]] = {}
    again: dict[Path, tuple[Any, ...]] = {}
    for path, ranking in opened.items():
        (again if ranking.reranking else plain)[path] = ranking.search_identity
    pairs: dict[Path, list[Path]] = {}
    for path, identity in plain.items():
        twin = next((other for other, its in again.items() if its == identity), None)
        if twin:
            del again[twin]
            pairs[path] = [path, twin]
    second = {paths[1] for paths in pairs.values()}
    return [pairs.get(path, [path]) for path in files if path not in second]


def _report(folder: Path, scored: Sequence[Scored], tables: list[Table], options: EvaluateOptions) -> None:
    if len(scored) > 1:
        report_on_runs(folder, [each.rankings for each in scored], [each.run for each in scored], tables)
    else:
        shown = Shown(options.report_queries, options.crops)
        report_on_run(folder, scored[0].rankings, scored[0].run, tables, shown)


def _of_embeddings(name: str, path: Path, scratch: Path, options: EvaluateOptions, stack: ExitStack) -> Scored:
    """One run: embeddings searched, and re-ranked, into the folder `scratch`; `stack` closes the rankings."""
    scratch.mkdir()
    k = min(4 * max(options.k), 1000) if options.hits == "product" else max(options.k)
    while True:
        try:
            made = _searched(path, scratch, k, options)
            return _of_rankings(
                name, *(stack.enter_context(rankings.open_ranking(each)) for each in made), options=options
            )
        except TooFewResultsError:  # product hits of queries whose first results are all of few products
            k *= 4


def _searched(path: Path, scratch: Path, k: int, options: EvaluateOptions) -> list[Path]:
    plain, reranked = scratch / "ranking.h5", scratch / "reranked.h5"
    search.run(path, None, plain, taken_over(SearchOptions, options, k=k))
    if not options.rerank:
        return [plain]
    from fashret.stages import rerank

    again = taken_over(RerankOptions, options, k=k, embeddings=())
    unfinished = arrays_path(path.with_name(path.name + ".reranking"))
    with ExitStack() as stack:
        try:
            stack.enter_context(only_writer(unfinished))
        except FashretError as error:  # another evaluation of the same file, a folder that is read-only
            log.info("if this re-ranking is interrupted, --resume will start it again: %s", error)
            unfinished = arrays_path(reranked)
        rerank.run(plain, reranked, again, unfinished=unfinished)
    return [plain, reranked]


def _of_rankings(
    name: str, first: rankings.Ranking, second: rankings.Ranking | None = None, *, options: EvaluateOptions
) -> Scored:
    """Score a ranking, or a plain one and its re-ranked twin."""
    scores = score_ranking(first, options.k, options.hits)
    if scores.skipped == len(first) and not options.report:  # a report shows what was found without labels too
        raise NothingToScoreError(
            f"{name}: no query has a positive in the gallery ({counted(len(first), 'query', 'queries')}); "
            f"nothing to score. If the photos have no products, {LABELS}"
        )
    again = score_ranking(second, options.k, options.hits) if second is not None else None
    run = Run(
        name=f"{name} (centroids)" if first.centroids else name,
        measures=scores.measures,
        category=scores.category,
        categories=scores.categories,
        gallery=int(first.attribute("gallery_size")),
        plain=_searches(scores),
        reranked=_searches(again) if again else None,
        ranked=f"gallery {first.collapse or 'row'}",
        notes=(*_notes(first, options), *_settings_note(second or first)),
    )
    found = {"re-ranked" if first.reranking else "plain": first}
    return Scored(found | ({"re-ranked": second} if second is not None else {}), run)


def _with_sides(scored: Scored) -> Scored:
    """The same, knowing its queries and gallery by their digests, so that it can be compared with others."""
    sides = digests_of_sides(next(iter(scored.rankings.values())))
    return replace(scored, run=replace(scored.run, sides=sides))


def _searches(scores: QueryScores) -> Searches:
    return Searches(scores.unconstrained, scores.in_category)


def _notes(ranking: rankings.Ranking, options: EvaluateOptions) -> tuple[str, ...]:
    notes = []
    if ranking.centroids:
        notes.append("Centroid score: one gallery vector per product, made with its labels; not a score over images.")
    if ranking.where:
        notes.append(f"Only gallery rows were searched where {' and '.join(ranking.where)}.")
    if ranking.collapse:
        notes.append(f"{ranking.collapse.capitalize()}s are ranked, each by the nearest of its rows.")
    if options.hits == "product":
        notes.append("Product hits: ranked images are collapsed to products before k is counted.")
    if copies := ranking.queries_with_copies:
        shown = counted(copies, "query shows", "queries show")
        notes.append(f"{shown} the same as gallery rows of another name; search --exclude-copies leaves these out.")
    return tuple(notes)


def _settings_note(ranking: rankings.Ranking) -> tuple[str, ...]:
    """What a re-ranking was made with, and why; nothing for a plain ranking."""
    used = ranking.reranking
    why = f"; settings: {used.pop('settings')}" if "settings" in used else ""
    return (f"Re-ranked: {', '.join(f'{name} {value}' for name, value in used.items())}{why}.",) if used else ()
