"""`fashret search`: embeddings files → ranking.h5: the exact nearest rows, and the exact rank of every positive.

In: one embeddings.h5 or two. Out: a ranking file and how many positives it holds.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path

from fashret.files.atomic import check_output, only_writer
from fashret.files.embeddings import open_embeddings
from fashret.files.rankings import RankingOrigin, write_ranking
from fashret.knn import search
from fashret.models.devices import choose_device
from fashret.options import SearchOptions
from fashret.vector_sets import inputs_of, ranking_arrays, search_sets, search_spec


@dataclass(frozen=True)
class SearchSummary:
    """What was searched."""

    output: Path
    queries: int
    gallery: int  # rows, or photos or products with --collapse
    results: int  # kept for each query
    positives: int
    queries_without_positive: int
    queries_in_gallery: int  # of another file: the same photo, box and content, which never find each other
    queries_with_copies: int  # in the gallery, under another name
    seconds: float


def run(queries: Path, gallery: Path | None, output: Path, options: SearchOptions) -> SearchSummary:
    """Search the gallery for every query and write ranking.h5.

    Raises
    ------
    FashretError
        If the files cannot be searched with each other, or the output cannot be written.
    """
    check_output(output, queries, gallery)
    started = time.monotonic()
    with only_writer(output), open_embeddings(queries) as asked, open_embeddings(gallery or queries) as searched:
        sets = search_sets(asked, searched, options)
        spec = search_spec(options, str(choose_device(options.device)), sets)
        result = search(sets.queries, sets.gallery, spec)
        origin = RankingOrigin(
            query=asked.content,
            gallery=searched.content,
            metric=options.metric,
            within=options.within,
            where=options.where,
            collapse=options.collapse,
            gallery_size=sets.ranked,
            centroids=searched.centroids,
            queries_with_copies=0 if options.exclude_copies else sets.copies.copies,
            options=asdict(options),
            inputs=inputs_of(asked, searched),
        )
        write_ranking(output, origin, ranking_arrays(result, sets.queries.rows))
    return SearchSummary(
        output=output,
        gallery=sets.ranked,
        queries_in_gallery=sets.copies.same,
        queries_with_copies=sets.copies.copies,
        seconds=time.monotonic() - started,
        **result.counts(),
    )
