"""`fashret rerank`: ranking.h5 → ranking.h5, re-ranked.

In: a ranking of `fashret search`, which names its queries and the embeddings that it was made from. Out: a ranking
of the same queries by the re-ranked distance, with the exact rank of every positive. The results in the ranking
that comes in are not used: re-ranking looks at the whole gallery.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashret.console import counted, duration, log, noted_if_stopped
from fashret.errors import FashretError
from fashret.files import hdf5
from fashret.files.atomic import check_output, only_writer
from fashret.files.digests import Content, one_per_file
from fashret.files.embeddings import Embeddings, open_embeddings
from fashret.files.moved import check_moved, moved_embeddings
from fashret.files.rankings import Ranking, RankingOrigin, open_ranking, write_ranking
from fashret.files.resume import arrays_path
from fashret.files.saved_arrays import open_arrays
from fashret.knn import SearchSpec
from fashret.knn.results import merge_results
from fashret.models.devices import choose_device
from fashret.options import RerankOptions, SearchOptions, taken_over
from fashret.reranking.by_category import rerank_all
from fashret.reranking.estimate import estimate
from fashret.reranking.methods import find_method
from fashret.vector_sets import SearchSets, inputs_of, ranking_arrays, search_sets, search_spec

LONG = 5 * 10**12  # products above which the time is estimated: about a minute


@dataclass(frozen=True)
class RerankSummary:
    """What was re-ranked."""

    output: Path
    method: str
    settings: dict[str, Any]
    settings_from: str  # what the settings were chosen by
    queries: int
    gallery: int
    results: int  # kept for each query
    positives: int
    queries_without_positive: int
    seconds: float


def run(ranking: Path, output: Path, options: RerankOptions, unfinished: Path | None = None) -> RerankSummary:
    """Re-rank the gallery for the queries of a ranking and write ranking.h5.

    ``unfinished``: where finished work is kept while the run lasts; by default beside the output.

    Raises
    ------
    FashretError
        If the embeddings are not there or have changed, an option cannot be, it needs more memory than allowed, or
        the output cannot be written.
    """
    started = time.monotonic()
    check_output(output, ranking)
    with (
        only_writer(output),
        _open_source(ranking, options.embeddings) as source,
        open_embeddings(source.embeddings_path("query")) as asked,
        open_embeddings(source.embeddings_path("gallery")) as searched,
    ):
        method = find_method(options, searched.images_per_product)
        settings = {"method": options.method, **method.settings}
        if method.nothing_to_gain:
            log.warning("products have one image in the gallery: there is nothing to gain from re-ranking")
        sets, order = _sets(source, asked, searched)
        spec = _spec(source, sets, options)
        if method.list_length:
            announce(sets, spec, method.list_length)
        inputs = [Content(ranking).record(), *inputs_of(asked, searched)]
        contents = one_per_file(asked.content, searched.content)
        task = {
            "queries": contents[0],
            "gallery": contents[1],
            "rows of the queries": hashlib.sha256(source.query_row.tobytes()).hexdigest(),
            "within": source.attribute("within"),
            **({"where": list(source.where)} if source.where else {}),
            "options": {"top": spec.k, **settings},
        }
        kept = open_arrays(unfinished or arrays_path(output), task, resume=options.resume, restart=options.restart)
        lost = unfinished == arrays_path(output)  # in a folder that does not outlive the run
        with noted_if_stopped(
            lambda: f"{kept.path} is kept; --resume continues" if kept.path.exists() and not lost else ""
        ):
            reranked = rerank_all(method.run, sets.queries, sets.gallery, spec, kept)
        result = merge_results(len(order), spec, [(order, reranked)])
        origin = RankingOrigin(
            query=contents[0].known_as(source.digests[0]),
            gallery=contents[1].known_as(source.digests[1]),
            metric=method.metric,
            within=source.attribute("within"),
            where=source.where,
            gallery_size=len(sets.gallery),
            centroids=searched.centroids,
            queries_with_copies=source.queries_with_copies,
            reranking=settings | ({"settings": method.why} if method.why else {}),
            options=asdict(options),
            inputs=inputs,
        )
        write_ranking(output, origin, ranking_arrays(result, source.query_row))
        kept.path.unlink(missing_ok=True)
    gallery_size, seconds = len(sets.gallery), time.monotonic() - started
    return RerankSummary(
        output, options.method, method.settings, method.why, gallery=gallery_size, seconds=seconds, **result.counts()
    )


def announce(sets: SearchSets, spec: SearchSpec, list_length: int) -> None:
    """Say how long k-reciprocal re-ranking will take, if it is long, and with how much memory.

    Raises
    ------
    FashretError
        If the memory that it needs is not allowed, or not free.
    """
    cost = estimate(sets.queries, sets.gallery, spec, list_length)
    what = f"re-ranking {counted(cost.rows, 'row')} with lists of {list_length}"
    if cost.least > spec.memory:
        raise FashretError(
            f"{what} needs {in_words(cost.least)} of memory at least and {in_words(spec.memory, math.floor)} "
            f"are allowed; give --memory {in_words(cost.least)} or more"
        )
    if (free := free_memory()) is not None and cost.memory > free:
        raise FashretError(
            f"{what} needs about {in_words(cost.memory)} of memory and {in_words(free, math.floor)} are free; "
            "stop other programs or give a smaller --memory"
        )
    if cost.products >= LONG:
        log.info("%s: about %s and %s of memory", what, duration(cost.seconds), in_words(cost.memory))


def in_words(memory: int, whole: Callable[[float], int] = math.ceil) -> str:
    """An amount of memory as people and `--memory` write it; what is needed rounded up, what there is rounded down.

    >>> in_words(1_630_000_000), in_words(45_300_000), in_words(45_300_000, math.floor), in_words(1000)
    ('1.7GB', '46MB', '45MB', '1KB')
    """
    if memory >= 1e9:
        return f"{whole(memory / 1e8) / 10:g}GB"
    return f"{whole(memory / 1e6)}MB" if memory >= 1e6 else f"{whole(memory / 1e3)}KB"


def free_memory() -> int | None:
    """Memory that programs can still get, in bytes; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        lines = []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")), None)


def _open_source(path: Path, given: tuple[Path, ...]) -> Ranking:
    """The ranking to re-rank, which finds its embeddings among the given ones too."""
    if len(given) > 2:
        raise FashretError(f"--embeddings was given {len(given)} times: give the queries' file and the gallery's")
    moved = moved_embeddings(given)
    source = open_ranking(path, moved)
    try:
        check_moved(moved, [source])
    except FashretError:
        source.close()
        raise
    return source


def _sets(ranking: Ranking, asked: Embeddings, searched: Embeddings) -> tuple[SearchSets, NDArray[np.int64]]:
    """Both sets with the ranking's queries, ascending, and the place of each in the ranking."""
    if ranking.collapse:
        raise FashretError(
            f"{ranking.path}: ranks {ranking.collapse}s, and re-ranking compares rows; search again without --collapse"
        )
    copies = bool(_searched_with(ranking, "exclude_copies"))
    sets = search_sets(asked, searched, SearchOptions(exclude_copies=copies, where=ranking.where))
    order = np.argsort(ranking.query_row, kind="stable")
    rows = ranking.query_row[order]
    place = np.searchsorted(sets.queries.rows, rows)
    unknown, again = np.append(sets.queries.rows, -1)[place] != rows, np.diff(rows, append=-1) == 0
    for wrong, what in ((unknown, 'does not have the role "query"'), (again, "is twice")):
        if wrong.any():
            row = rows[np.argmax(wrong)]
            raise FashretError(f"{ranking.path}: row {row} of its queries {what}; run `fashret search` again")
    size = ranking.attribute("gallery_size")
    if len(sets.gallery) != size:
        raise FashretError(
            f"{ranking.path}: was made from {counted(size, 'gallery row')}, "
            f"{searched.path} has {len(sets.gallery):,}; run `fashret search` again"
        )
    return replace(sets, queries=sets.queries.take(place)), order


def _searched_with(ranking: Ranking, option: str) -> Any:
    """An option of the search that made a ranking; None if it does not say."""
    return hdf5.read_json(ranking.file, "options", {}).get(option)


def _spec(ranking: Ranking, sets: SearchSets, options: RerankOptions) -> SearchSpec:
    """What is asked of the re-ranking: what the search was asked for, with options of its own."""
    left_out = bool(_searched_with(ranking, "exclude_same_product"))
    asked = taken_over(SearchOptions, options, within=ranking.attribute("within"), exclude_same_product=left_out)
    return search_spec(asked, str(choose_device(options.device)), sets)
