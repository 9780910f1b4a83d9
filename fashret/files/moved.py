"""Embeddings that are no longer where rankings say: the user gives them, and they are known by their content.

In: paths that were given. Out: the contents of these files, or one line for a file that no ranking was made from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from fashret.errors import FashretError
from fashret.files.digests import Content
from fashret.files.embeddings import open_embeddings
from fashret.files.rankings import Ranking


def moved_embeddings(given: Sequence[Path]) -> list[Content]:
    """Embeddings files as rankings know them wherever they are: by their content.

    Raises
    ------
    FashretError
        If one is missing, damaged, or another kind of file.
    """
    found = []
    for path in given:
        with open_embeddings(path) as file:
            found.append(file.content)
    return found


def check_moved(moved: Sequence[Content], rankings: Iterable[Ranking]) -> None:
    """Refuse a file that the user gave for the embeddings of rankings and that is of none of them.

    Raises
    ------
    FashretError
        If there is such a file.
    """
    opened = list(rankings)
    known = {digest for ranking in opened for digest in ranking.digests}
    for file in moved:
        if not any(map(file.matches, known)):
            made = ", ".join(str(ranking.path) for ranking in opened) or "any ranking given here"
            raise FashretError(
                f"{file.path}: given with --embeddings, is not what {made} was made from, or has changed; "
                "give that file, or run `fashret search` again"
            )
