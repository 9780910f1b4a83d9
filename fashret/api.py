"""fashret from Python: the functions of `import fashret`, on opened files or on arrays; docs/python.md shows them.

In: files, photos, or matrices of vectors. Out: results with named fields, of the functions that the commands call.
numpy, torch and the rest are imported when a function that needs them is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashret.errors import FashretError
from fashret.options import EmbedOptions, EvaluateOptions, Reranking, check_number

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from fashret.evaluation.scores import QueryScores
    from fashret.files.crops import Crops
    from fashret.files.embeddings import Embeddings
    from fashret.files.rankings import Ranking
    from fashret.knn import SearchResult, SearchSpec, VectorSet
    from fashret.models.embedder import Embedder
    from fashret.models.photos import Box, Photo

    Searchable = Embeddings | VectorSet | ArrayLike  # an open file, vectors with labels, or a matrix


def open(path: Path | str) -> Crops | Embeddings | Ranking:
    """Open a crops.h5, embeddings.h5 or ranking.h5 for reading, whichever it is; each is a context manager.

    Raises
    ------
    FashretError
        If it is missing, damaged, or another kind of file.
    """
    from fashret.files import crops, embeddings, hdf5, rankings

    openers: dict[str, Any] = {
        crops.KIND: crops.open_crops,
        embeddings.KIND: embeddings.open_embeddings,
        rankings.KIND: rankings.open_ranking,
    }
    kind = hdf5.kind_of(Path(path))
    if kind not in openers:
        raise FashretError(
            f"{path}: is {kind or 'an HDF5 file of other software'}; open crops, embeddings or a ranking"
        )
    return openers[kind](path)


def embed(
    photos: Photo | Sequence[Photo],
    model: Path | str | Embedder,
    boxes: Sequence[Box] | None = None,
    size: int = EmbedOptions.size,
    device: str = EmbedOptions.device,
) -> NDArray[Any]:
    """N photos → N×D float32 vectors of length 1.

    Parameters
    ----------
    photos
        Paths, or H×W×3 uint8 RGB arrays; one photo counts as a list of one.
    model
        A model's folder or its model.json, or an embedder that is open already.
    boxes
        The garment in each photo, x1, y1, x2, y2 in pixels of the upright photo; None: whole photos.
    size
        Longer side of a crop in pixels, as in `fashret crop`.
    device
        Where the model runs: auto, cpu, cuda, cuda:N or mps. An open embedder stays where it is.

    Raises
    ------
    FashretError
        If a photo cannot be read, a box has no area in it, or the folder is not a complete model.
    """
    from fashret.models.embedder import Embedder
    from fashret.models.opening import open_embedder
    from fashret.models.photos import embed_photos, listed

    check_number("size", size)
    if not isinstance(model, Embedder):
        model = open_embedder([Path(model)], device=device, precision="float32")
    return embed_photos(model, listed(photos), boxes, size)


def search(
    queries: Searchable,
    gallery: Searchable | None = None,
    spec: SearchSpec | None = None,
    where: Sequence[str] = (),
) -> SearchResult:
    """The exact nearest gallery rows of each query and, with ``positives``, the exact rank of each positive.

    Parameters
    ----------
    queries, gallery
        Open embeddings, whose rows of the role "query" or "gallery" are taken; a :class:`VectorSet`; or a matrix of
        vectors. Without a gallery the queries are searched among themselves, and a row never finds itself.
    spec
        What to find, and how.
    where
        Conditions that gallery rows of open embeddings fulfil, such as "price < 50"; others are not searched.

    Returns
    -------
    Rows are those of the file or matrix; −1 where there are fewer than k.

    Raises
    ------
    FashretError
        If the vectors cannot be searched with each other, or need more memory than the spec allows, the machine
        does not have its device, or a condition cannot be used.

    >>> rows = [[1, 0], [0, 1], [3, 1], [1, 3]]
    >>> import fashret
    >>> fashret.search(rows, spec=fashret.SearchSpec(k=2)).neighbours.rows.tolist()
    [[2, 3], [3, 2], [0, 3], [1, 2]]
    """
    from fashret import knn

    asked, searched, how = _prepared(queries, gallery, spec, where)
    return knn.search(asked, searched, how)


def rerank(
    queries: Searchable,
    gallery: Searchable | None = None,
    spec: SearchSpec | None = None,
    options: Reranking | None = None,
    where: Sequence[str] = (),
) -> SearchResult:
    """As :func:`search`, by re-ranked distances.

    Parameters
    ----------
    options
        The method and its numbers. Embeddings know how many images per product their model was trained with.
    """
    from fashret.files.embeddings import Embeddings
    from fashret.reranking.by_category import rerank_all
    from fashret.reranking.methods import find_method

    asked, searched, how = _prepared(queries, gallery, spec, where)
    files = [given for given in (gallery, queries) if isinstance(given, Embeddings)]
    images = files[0].images_per_product if files else None
    return rerank_all(find_method(options or Reranking(), images).run, asked, searched, how)


def evaluate(
    found: Ranking | SearchResult, ks: Sequence[int] = EvaluateOptions.k, categories: ArrayLike | None = None
) -> QueryScores:
    """Average precision and Acc@k of every query, and their means.

    Parameters
    ----------
    found
        An open ranking, or the result of a search or re-ranking that was asked for ``positives``.
    ks
        k of Acc@k.
    categories
        For a result: the queries' categories, Q whole numbers (−1: none), for the average over categories. A ranking
        knows its own.

    Raises
    ------
    FashretError
        If a result has no ranks of positives, or the embeddings of a ranking have changed.

    >>> import fashret
    >>> rows = fashret.VectorSet.of([[1, 0], [0, 1], [3, 1], [1, 3]], product=[7, 8, 7, 8])
    >>> found = fashret.search(rows, spec=fashret.SearchSpec(positives=True))
    >>> fashret.evaluate(found, ks=(1,)).mean
    {'mAP': 1.0, 'Acc@1': 1.0}
    """
    import numpy as np

    from fashret.evaluation.scores import score_positives, score_ranking
    from fashret.files.rankings import Ranking

    if isinstance(found, Ranking):
        return score_ranking(found, ks)
    positives = found.positives
    if positives is None:
        raise FashretError("the search did not rank positives; search with SearchSpec(positives=True)")
    queries = len(positives.offsets) - 1
    category = np.full(queries, -1) if categories is None else np.asarray(categories)
    if category.shape != (queries,) or category.dtype.kind not in "iu":
        raise FashretError(
            f"categories should be one whole number per query ({queries:,}) and are {category.dtype} of shape "
            f"{category.shape}"
        )
    return score_positives(positives.offsets, positives.ranks, positives.ranks_in_category, ks, category)


def _prepared(
    queries: Searchable, gallery: Searchable | None, spec: SearchSpec | None, where: Sequence[str]
) -> tuple[VectorSet, VectorSet, SearchSpec]:
    """Both sets, and the spec with what is known of them."""
    from fashret.files.embeddings import Embeddings
    from fashret.knn import SearchSpec, VectorSet
    from fashret.models.devices import choose_device
    from fashret.options import SearchOptions
    from fashret.vector_sets import search_sets

    spec = spec or SearchSpec()
    if spec.k < 1:
        raise FashretError(f"k {spec.k}: keep at least 1 result")
    spec = replace(spec, device=str(choose_device(spec.device)))
    if isinstance(queries, Embeddings) and (gallery is None or isinstance(gallery, Embeddings)):
        sets = search_sets(queries, gallery, SearchOptions(where=tuple(where)))
        return sets.queries, sets.gallery, replace(spec, same_matrix=sets.same_matrix)
    if where and not isinstance(gallery, Embeddings):
        raise FashretError("where: is of columns, which an array does not have; search an open embeddings file")
    if gallery is None:
        rows = queries if isinstance(queries, VectorSet) else VectorSet.of(queries)
        return rows, rows, replace(spec, same_matrix=True)
    return _vector_set(queries, "queries"), _vector_set(gallery, "gallery", where), spec


def _vector_set(given: Searchable, name: str, where: Sequence[str] = ()) -> VectorSet:
    from fashret.files.columns import Role
    from fashret.files.embeddings import Embeddings
    from fashret.knn import VectorSet
    from fashret.vector_sets import unlabelled_set

    if isinstance(given, Embeddings):
        return unlabelled_set(given, Role.QUERY if name == "queries" else Role.GALLERY, where)
    return given if isinstance(given, VectorSet) else VectorSet.of(given, name=name)
