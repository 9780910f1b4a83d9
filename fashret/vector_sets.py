"""Queries and gallery of a search, taken from embeddings files by role.

In: one embeddings.h5 or two, and the options of a search. Out: two vector sets with codes for products and categories
that both share, and what is asked of them; and, the other way, results of a search as the arrays of ranking.h5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fashret.console import counted
from fashret.copies import Copies, find_copies
from fashret.errors import FashretError
from fashret.files.columns import Role
from fashret.files.digests import one_per_file
from fashret.files.embeddings import Embeddings, made_otherwise, names_apart
from fashret.files.hints import LABELS
from fashret.files.row_filter import chosen_rows
from fashret.knn.distance import Metric
from fashret.knn.results import Positives, SearchResult, SearchSpec
from fashret.knn.vectors import VectorSet
from fashret.options import SearchOptions, parse_memory


@dataclass(frozen=True)
class SearchSets:
    """Queries and gallery of a search.

    Attributes
    ----------
    same_matrix
        Both are rows of one file; a row then never finds itself.
    categories
        Names of the category codes.
    copies
        What queries and gallery have in common.
    """

    queries: VectorSet
    gallery: VectorSet
    same_matrix: bool
    categories: tuple[str, ...]
    copies: Copies

    @property
    def ranked(self) -> int:
        """G, how many gallery rows are ranked; or photos or products, where they are collapsed."""
        group = self.gallery.group
        return len(self.gallery if group is None else np.unique(group))


def search_sets(
    queries: Embeddings, gallery: Embeddings | None = None, options: SearchOptions | None = None
) -> SearchSets:
    """Queries from one file, gallery from the same or another, each by its role; of the gallery those rows of which the
    conditions of the options hold, as photos or products where it is collapsed.

    A row of two files, of the same photo, box and content, never finds itself; nor, with --exclude-copies, a copy that
    has another name.

    Raises
    ------
    FashretError
        If a set has no rows, or the files are not of the same model.
    """
    gallery = gallery or queries
    same = gallery.path.resolve() == queries.path.resolve()
    if not same:
        check_same_model(queries, gallery)
        _check_order(queries, gallery)
    options = options or SearchOptions()
    files, rows = (queries, gallery), (rows_with_role(queries, Role.QUERY), gallery_rows(gallery, options.where))
    product = _codes(queries.product[rows[0]], gallery.product[rows[1]])
    names = tuple(dict.fromkeys((*queries.categories, *gallery.categories)))
    category = [_category_codes(file, names)[found] for file, found in zip(files, rows, strict=True)]
    copies = find_copies(files, rows, one=same, exclude=options.exclude_copies)
    identity = copies.identity or (None, None)
    both = [
        VectorSet(file.vectors, found, product[i], category[i], str(file.path), identity=identity[i])
        for i, (file, found) in enumerate(zip(files, rows, strict=True))
    ]
    if options.collapse:
        both[1] = both[1].in_groups(_groups(gallery, both[1], options.collapse))
    return SearchSets(both[0], both[1], same, names, copies)


def _groups(file: Embeddings, gallery: VectorSet, collapse: str) -> NDArray[np.int64]:
    """Codes of the photos or products that gallery rows are collapsed to, each of one product and one category.

    A row without a product is a product of its own.
    """
    each = np.where(gallery.product < 0, -2 - np.arange(len(gallery)), gallery.product)
    if collapse == "photo":
        each = np.unique(file.source[gallery.rows].astype(str), return_inverse=True)[1]
    codes = np.stack([each, gallery.product, gallery.category])
    return np.unique(codes, axis=1, return_inverse=True)[1].reshape(-1)


def _check_order(queries: Embeddings, gallery: Embeddings) -> None:
    """Refuse a file of queries given as the gallery of a file without any."""
    if not len(queries.with_role(Role.QUERY)) and len(gallery.with_role(Role.QUERY)):
        raise FashretError(
            f"{queries.path}: no row has the role query ({counted(len(queries), 'row')}), and {gallery.path} has some; "
            f"the other way round: fashret search {gallery.path} {queries.path}"
        )


def search_spec(options: SearchOptions, device: str, sets: SearchSets | None = None) -> SearchSpec:
    """What the options of a search ask for, of queries and a gallery where these are known.

    Raises
    ------
    FashretError
        If no result is to be kept, or the memory is no amount.
    """
    if options.k < 1:
        raise FashretError(f"--top {options.k}: keep at least 1 result")
    return SearchSpec(
        k=min(options.k, sets.ranked) if sets else options.k,
        metric=cast(Metric, options.metric),  # the search checks it
        within="category" if options.within else None,
        same_matrix=bool(sets and sets.same_matrix),
        exclude_same_product=options.exclude_same_product,
        positives=not options.exclude_same_product,
        memory=parse_memory(options.memory),
        device=device,
    )


def rows_with_role(file: Embeddings, role: Role) -> NDArray[np.int64]:
    """Ascending rows of a role.

    Raises
    ------
    FashretError
        If there are none.
    """
    found = file.with_role(role)
    if not len(found):
        name = str(role.name).lower()
        raise FashretError(
            f"{file.path}: no row has the role {name} ({counted(len(file), 'row')}); {_advice(file, role)}"
        )
    return found


def gallery_rows(file: Embeddings, where: Sequence[str] = ()) -> NDArray[np.int64]:
    """Ascending gallery rows of which all conditions hold.

    Raises
    ------
    FashretError
        If there are none, or a condition cannot be used (`fashret.files.row_filter`).
    """
    every = rows_with_role(file, Role.GALLERY)
    rows = chosen_rows(file, Role.GALLERY, where)
    if not len(rows):
        said = " and ".join(where)
        raise FashretError(
            f"{file.path}: no gallery row is left where {said[:80]} ({counted(len(every), 'row')} in all)"
        )
    return rows


def _advice(file: Embeddings, role: Role) -> str:
    """What to do about a file without rows of a role."""
    if role == Role.GALLERY and len(file.with_role(Role.QUERY)):
        return f"to search it in another file: fashret search {file.path} GALLERY.emb.h5"
    if role != Role.QUERY or not len(file.with_role(Role.GALLERY)):
        return "see `fashret info`"
    return (
        f"to search it for one photo: fashret search {file.path} --image PHOTO; for many: fashret search "
        f"QUERIES.emb.h5 {file.path}; to score it, {LABELS}"
    )


def unlabelled_set(file: Embeddings, role: Role, where: Sequence[str] = ()) -> VectorSet:
    """The rows of a role without their products and categories, to be searched by vectors that are in no file.

    Of gallery rows those of which the conditions hold.
    """
    rows = gallery_rows(file, where) if role == Role.GALLERY else rows_with_role(file, role)
    none = np.full(len(rows), -1, np.int64)
    return VectorSet(file.vectors, rows, none, none, str(file.path))


def check_same_model(queries: Embeddings, gallery: Embeddings) -> None:
    """Refuse vectors of different width or, where both files say what made them, of different models."""
    digests = [file.model.get("digest") for file in (queries, gallery)]
    one = all(digests) and digests[0] == digests[1]
    different = made_otherwise(queries.model, gallery.model) if one else []
    if queries.width != gallery.width and not different:
        raise FashretError(
            f"{queries.path} has vectors of width {queries.width}, {gallery.path} of width {gallery.width}: "
            "embed both with the same model"
        )
    if all(digests) and not one:
        names = names_apart(queries.model, gallery.model)
        raise FashretError(
            f"{queries.path} was made by the model {names[0]} and {gallery.path} by {names[1]}, "
            "whose weights differ: embed both with the same model"
        )
    if different:
        raise FashretError(
            f"{queries.path} and {gallery.path} were made by one model in two ways ({'; '.join(different)}): "
            "embed both with the same options"
        )


def _codes(*columns: NDArray[np.object_]) -> list[NDArray[np.int64]]:
    """Names as numbers that all columns share, −1 for the empty name."""
    number: dict[str, int] = {"": -1}
    for column in columns:
        for name in column:
            number.setdefault(name, len(number) - 1)
    return [np.fromiter((number[name] for name in column), np.int64, len(column)) for column in columns]


def _category_codes(file: Embeddings, names: tuple[str, ...]) -> NDArray[np.int64]:
    """Each row's category as a position in `names`, −1 for none."""
    place = np.array([*(names.index(name) for name in file.categories), -1], np.int64)
    known = (file.category >= 0) & (file.category < len(file.categories))
    return place[np.where(known, file.category, -1)]


def inputs_of(*files: Embeddings) -> list[dict[str, Any]]:
    """What a ranking says of the embeddings it was made from; a file that is there twice is named once."""
    contents = one_per_file(*(file.content for file in files))
    return [content.record() for content in dict.fromkeys(contents)]


def ranking_arrays(result: SearchResult, query_rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """The arrays of ranking.h5 by name."""
    found, positives = result.neighbours, result.positives or Positives.none(len(query_rows))
    return {
        "gallery_row": found.rows,
        "distance": found.distances.astype(np.float32),
        "query_row": query_rows,
        "positives/offsets": positives.offsets,
        "positives/row": positives.rows,
        "positives/rank": positives.ranks,
        "positives/rank_in_category": positives.ranks_in_category,
        "positives/distance": positives.distances,
    }
