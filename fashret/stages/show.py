"""`fashret show`: one query and what was found for it, as a picture.

In: a ranking.h5, or several of the same queries (plain, re-ranked), and the crops behind them. Out: a PNG or JPEG with
one line per ranking, true matches framed in green.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fashret.errors import FashretError
from fashret.files.embeddings import open_embeddings
from fashret.files.moved import check_moved, moved_embeddings
from fashret.files.rankings import Ranking, open_ranking
from fashret.options import ShowOptions
from fashret.report.gallery import Found, gallery_row
from fashret.report.pictures import pictures_of
from fashret.report.row_picture import check_name, save_row


@dataclass(frozen=True)
class ShowSummary:
    """What the picture shows."""

    picture: Path
    query: int
    product: str
    photo: str
    first_hits: dict[str, int]  # by ranking, from 1; 0 = no positive in the gallery


def run(rankings: Sequence[Path], output: Path, options: ShowOptions) -> ShowSummary:
    """Draw one query with its best results.

    Raises
    ------
    FashretError
        If there is no such query, a ranking's embeddings or their crops are not there, or the picture cannot be
        written.
    """
    check_name(output)
    if options.results < 1:
        raise FashretError(f"--results {options.results}: show at least 1")
    with ExitStack() as stack:
        moved = moved_embeddings(options.embeddings)
        opened = [stack.enter_context(open_ranking(path, moved)) for path in rankings]
        check_moved(moved, opened)
        paths = [opened[0].embeddings_path(side) for side in ("query", "gallery")]
        for other in opened[1:]:
            _check_same_crops(opened[0], other)
        query, gallery = (stack.enter_context(open_embeddings(path)) for path in paths)
        found = Found(dict(zip(line_names(opened), opened, strict=True)), query, gallery, {})
        row = gallery_row(found, options.query, results=options.results)
        asked, searched = (stack.enter_context(pictures_of(file, options.crops)) for file in (query, gallery))
        save_row(output, row, {"query": asked, "gallery": searched})
    return ShowSummary(
        output, row.number, row.query.product, row.query.source, {li.name: li.first_hit for li in row.lines}
    )


def _check_same_crops(first: Ranking, other: Ranking) -> None:
    """Rankings by several models can be drawn together, but only of the same crops."""
    if first.search_identity[:2] == other.search_identity[:2]:
        return
    for side in ("query", "gallery"):
        one, two = first.embeddings_path(side, check=False), other.embeddings_path(side, check=False)
        with open_embeddings(one) as ours, open_embeddings(two) as theirs:
            if not np.array_equal(ours.crop_id, theirs.crop_id):
                raise FashretError(f"{first.path} and {other.path}: are not rankings of the same {side} crops")


def line_names(rankings: Sequence[Ranking]) -> list[str]:
    """What to call each: plain or re-ranked, its file where that is not enough."""
    names = ["re-ranked" if ranking.reranking else "plain" for ranking in rankings]
    return names if len(set(names)) == len(names) else [str(ranking.path) for ranking in rankings]
