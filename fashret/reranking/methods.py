"""Re-rankers: name → builder. To add one, write a module with a function of the same form and one entry here.

In: the options of `fashret rerank`. Out: a :class:`Reranker`. Modules are imported when they are chosen, so that help
can list the names without loading numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from fashret.errors import FashretError
from fashret.reranking.settings import choose

if TYPE_CHECKING:
    from fashret.options import Reranking
    from fashret.reranking.by_category import Method


@dataclass(frozen=True)
class Reranker:
    """A re-ranking that is ready to run.

    ``settings``: what the result depends on, as files record it. ``metric``: of the distances that it searches by.
    ``list_length``: of the neighbour lists of all rows that it makes; 0 = none. ``why``: where the settings come from;
    "" = the options. ``nothing_to_gain``: whether a product has one image in the gallery.
    """

    run: Method
    settings: dict[str, Any]
    metric: str
    list_length: int = 0
    why: str = ""
    nothing_to_gain: bool = False


def _k_reciprocal(options: Reranking, images: float | None) -> Reranker:
    from fashret.reranking.k_reciprocal import KReciprocal, rerank
    from fashret.reranking.single_query import rerank_single

    chosen = choose(options, images)
    how = KReciprocal(chosen.k1, chosen.k2, chosen.lam)
    settings = {"k1": how.k1, "k2": how.k2, "lambda": how.weight, "per_query": options.per_query}

    def run(queries: Any, gallery: Any, spec: Any, lists: Any = None) -> Any:
        return (rerank_single if options.per_query else rerank)(queries, gallery, spec, how, lists)

    return Reranker(run, settings, "euclidean", how.list_length, chosen.why, chosen.nothing_to_gain)


def _expansion(options: Reranking, images: float | None, weighted: bool) -> Reranker:
    from fashret.reranking.query_expansion import Expansion, rerank_expanded

    how = Expansion(options.neighbours, options.alpha if weighted else 0.0)

    def run(queries: Any, gallery: Any, spec: Any, lists: Any = None) -> Any:
        return rerank_expanded(queries, gallery, spec, how)

    return Reranker(run, {"neighbours": how.neighbours, "alpha": how.alpha}, "cosine")


METHODS: dict[str, Callable[[Reranking, float | None], Reranker]] = {
    "k-reciprocal": _k_reciprocal,
    "aqe": partial(_expansion, weighted=False),
    "alpha-qe": partial(_expansion, weighted=True),
}


def find_method(options: Reranking, images: float | None = None) -> Reranker:
    """The re-ranker that the options name; ``images``: per product, in the median of what the model was trained on."""
    if options.method not in METHODS:
        *first, last = METHODS
        raise FashretError(f"--method {options.method}: expected {', '.join(first)} or {last}")
    return METHODS[options.method](options, images)
