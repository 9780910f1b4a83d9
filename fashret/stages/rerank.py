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
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashret.console import duration, log
from fashret.errors import FashretError
from fashret.files import hdf5
from fashret.files.embeddings import Embeddings, open_embeddings
from fashret.files.rankings import (
    Ranking,
    RankingOrigin,
    check_moved,
    moved_embeddings,
    open_ranking,
    write_ranking,
)
from fashret.files.unfinished import open_unfinished, unfinished_path
from fashret.models.devices import choose_device
from fashret.options import RerankOptions, parse_memory
from fashret.retrieval.alone import rerank_alone
from fashret.retrieval.categories import rerank_all
from fashret.retrieval.cost import cost_of, seconds_for
from fashret.retrieval.expansion import Expansion, rerank_expanded
from fashret.retrieval.parts import Method, join
from fashret.retrieval.request import Request
from fashret.retrieval.reranking import Reciprocal, rerank
from fashret.vector_sets import Sides, inputs_of, ranking_arrays, sides_of

LONG = 10**13  # pairs of rows times their width above which the time is estimated: about a minute


@dataclass(frozen=True)
class RerankSummary:
    """What was re-ranked."""

    output: Path
    method: str
    queries: int
    gallery: int
    results: int  # kept for each query
    positives: int
    queries_without_positive: int
    seconds: float


def run(ranking: Path, output: Path, options: RerankOptions, unfinished: Path | None = None) -> RerankSummary:
    """Re-rank the gallery for the queries of a ranking and write ranking.h5.

    Parameters
    ----------
    unfinished
        Where finished work is kept while the run lasts; by default beside the output.

    Raises
    ------
    FashretError
        If the embeddings are not there or have changed, an option cannot be, it needs more memory than allowed, or
        the output cannot be written.
    """
    started = time.monotonic()
    hdf5.check_output(output, ranking)
    settings, method = method_of(options)
    source = _open_source(ranking, options.embeddings)
    paths = source.embeddings_path("query"), source.embeddings_path("gallery")
    with open_embeddings(paths[0]) as asked, open_embeddings(paths[1]) as searched:
        sides, order = _sides(source, asked, searched)
        request = _request(source, sides, options)
        if options.method == "k-reciprocal":
            announce(sides, request, Reciprocal(options.k1, options.k2).list_length)
        inputs = [hdf5.input_record(ranking), *inputs_of(asked, searched)]
        task = {
            "queries": asked.digest,
            "gallery": searched.digest,
            "rows of the queries": hashlib.sha256(source.query_row.tobytes()).hexdigest(),
            "within": source.attribute("within"),
            "options": {"top": request.k, **settings},
        }
        kept = open_unfinished(
            unfinished or unfinished_path(output), task, resume=options.resume, restart=options.restart
        )
        reranked = rerank_all(method, sides.queries, sides.gallery, replace(request, keeping=kept))
        found, positives = join(len(order), request, [(order, reranked)])
        origin = RankingOrigin(
            query=paths[0],
            gallery=paths[1],
            metric="euclidean" if options.method == "k-reciprocal" else "cosine",
            within=source.attribute("within"),
            gallery_size=len(sides.gallery),
            centroids=searched.centroids,
            reranking=settings,
            options=asdict(options),
            inputs=inputs,
        )
        write_ranking(output, origin, ranking_arrays(found, positives, source.query_row))
    source.close()
    kept.path.unlink(missing_ok=True)
    counts = np.diff(positives.offsets) if positives else np.zeros(len(order), np.int64)
    return RerankSummary(
        output,
        options.method,
        len(order),
        len(sides.gallery),
        request.k,
        int(counts.sum()),
        int(np.count_nonzero(counts == 0)),
        time.monotonic() - started,
    )


def announce(sides: Sides, request: Request, list_length: int) -> None:
    """Say how long k-reciprocal re-ranking will take, if it is long, and with how much memory.

    Raises
    ------
    FashretError
        If the memory that it needs is not allowed, or not free.
    """
    cost = cost_of(sides.queries, sides.gallery, request, list_length)
    what = f"re-ranking {cost.rows:,} rows with lists of {list_length}"
    if cost.least > request.memory:
        raise FashretError(
            f"{what} needs {in_words(cost.least)} of memory at least and {in_words(request.memory, math.floor)} "
            f"are allowed; give --memory {in_words(cost.least)} or more"
        )
    free = free_memory()
    if free is not None and cost.memory > free:
        raise FashretError(
            f"{what} needs about {in_words(cost.memory)} of memory and {in_words(free, math.floor)} are free; "
            "stop other programs or give a smaller --memory"
        )
    if cost.pairs * sides.gallery.width >= LONG:
        seconds = seconds_for(cost, sides.gallery, request)
        log.info("%s: about %s and %s of memory", what, duration(seconds), in_words(cost.memory))


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
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")), None)


def method_of(options: RerankOptions) -> tuple[dict[str, Any], Method]:
    """The settings that the result depends on, as the file keeps them, and the re-ranking itself."""
    if options.method == "k-reciprocal":
        how = Reciprocal(options.k1, options.k2, options.lam)
        settings = {"k1": how.k1, "k2": how.k2, "lambda": how.weight, "per_query": options.per_query}
        return {"method": options.method, **settings}, partial(rerank_alone if options.per_query else rerank, how=how)
    if options.method not in ("aqe", "alpha-qe"):
        raise FashretError(f"--method {options.method}: expected k-reciprocal, aqe or alpha-qe")
    moved = Expansion(options.neighbours, options.alpha if options.method == "alpha-qe" else 0.0)
    return {"method": options.method, **asdict(moved)}, partial(rerank_expanded, how=moved)


def _open_source(path: Path, given: tuple[Path, ...]) -> Ranking:
    """The ranking to re-rank, which finds its embeddings among the given ones too."""
    if len(given) > 2:
        raise FashretError(f"--embeddings was given {len(given)} times: give the queries' file and the gallery's")
    moved = moved_embeddings(given)
    source = open_ranking(path, moved)
    check_moved(moved, [source])
    return source


def _sides(ranking: Ranking, asked: Embeddings, searched: Embeddings) -> tuple[Sides, NDArray[np.int64]]:
    """Both sides with the ranking's queries, ascending, and the place of each in the ranking."""
    sides = sides_of(asked, searched)
    order = np.argsort(ranking.query_row, kind="stable")
    rows = ranking.query_row[order]
    place = np.searchsorted(sides.queries.rows, rows)
    known = np.append(sides.queries.rows, -1)[place] == rows
    if not known.all() or (np.diff(rows) == 0).any():
        wrong = rows[np.argmin(known)] if not known.all() else rows[:-1][np.diff(rows) == 0][0]
        what = "is twice" if known.all() else "has not the role query"
        raise FashretError(f"{ranking.path}: row {wrong} of its queries {what}; run `fashret search` again")
    if len(sides.gallery) != ranking.attribute("gallery_size"):
        raise FashretError(
            f"{ranking.path}: was made from {ranking.attribute('gallery_size'):,} gallery rows, "
            f"{searched.path} has {len(sides.gallery):,}; run `fashret search` again"
        )
    return Sides(sides.queries.take(place), sides.gallery, sides.same_matrix, sides.categories), order


def _request(ranking: Ranking, sides: Sides, options: RerankOptions) -> Request:
    if options.k < 1:
        raise FashretError(f"--top {options.k}: keep at least 1 result")
    before = hdf5.read_json(ranking.file, "options", {})
    left_out = bool(before.get("exclude_same_product", False))
    return Request(
        k=min(options.k, len(sides.gallery)),
        within="category" if ranking.attribute("within") else None,
        same_matrix=sides.same_matrix,
        exclude_same_product=left_out,
        positives=not left_out,
        memory=parse_memory(options.memory),
        device=str(choose_device(options.device)),
    )
