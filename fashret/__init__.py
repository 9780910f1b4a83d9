"""Street-to-shop fashion retrieval: photos become crops, crops vectors, vectors a ranking, a ranking a score.

The names below are all that the package promises to Python; docs/python.md shows them at work. Each is imported when
it is first used, so `import fashret` is immediate.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fashret.api import embed, evaluate, open, rerank, search
    from fashret.catalogue import Catalogue, Hit
    from fashret.errors import FashretError
    from fashret.evaluation.scores import QueryScores
    from fashret.knn import Neighbours, Positives, SearchResult, SearchSpec, VectorSet
    from fashret.options import Reranking

__version__ = "0.2.0.dev0"

__all__ = [
    "Catalogue",
    "FashretError",
    "Hit",
    "Neighbours",
    "Positives",
    "QueryScores",
    "Reranking",
    "SearchResult",
    "SearchSpec",
    "VectorSet",
    "embed",
    "evaluate",
    "open",
    "rerank",
    "search",
]

_MODULES = {  # where each name comes from; fashret.api for those that are not here
    "Catalogue": "fashret.catalogue",
    "FashretError": "fashret.errors",
    "Hit": "fashret.catalogue",
    "QueryScores": "fashret.evaluation.scores",
    "Reranking": "fashret.options",
    **dict.fromkeys(("Neighbours", "Positives", "SearchResult", "SearchSpec", "VectorSet"), "fashret.knn"),
}


if not TYPE_CHECKING:  # to type checkers it would say that any name is there

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_MODULES.get(name, "fashret.api")), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
