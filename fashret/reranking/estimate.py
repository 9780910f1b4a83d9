"""How much memory a re-ranking takes, and how long it may take, before it begins.

In: both sets and what is asked for. Out: an :class:`Estimate`. Memory is counted; time follows from the number of
products and the speed at which this machine makes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from fashret.knn.memory import search_sizes, square_sizes
from fashret.knn.positives import positive_pairs
from fashret.knn.quantise import seconds_per_product
from fashret.knn.results import SearchSpec, categories_of
from fashret.knn.scan import choose_filter
from fashret.knn.square import SMALLEST_PART
from fashret.knn.vectors import VectorSet
from fashret.reranking.union import Union

BLOCK = 4096  # rows of the largest block that is compared with another
BYTES_PER_ENTRY = 48  # of one entry of a neighbour list while the lists are sorted and put together
BYTES_PER_MEMBER = 28  # of one member of an expanded set while the weights are made
MEMBERS = 1.5  # members of an expanded set for each entry of a list; embeddings of products have fewer
OTHER_WORK = 1.5  # seconds in all per second of products


@dataclass(frozen=True)
class Estimate:
    """What a re-ranking takes.

    ``rows``: N of the largest run. ``products``: multiplications of all runs. ``memory``: the likely peak, bytes.
    ``least``: the smallest budget that would do, bytes.
    """

    rows: int
    products: int
    memory: int
    least: int

    @property
    def seconds(self) -> float:
        """Roughly how long it takes on the CPU."""
        return OTHER_WORK * self.products * seconds_per_product()


def estimate(queries: VectorSet, gallery: VectorSet, spec: SearchSpec, list_length: int) -> Estimate:
    """Count the work and the memory of k-reciprocal re-ranking with neighbour lists of a length, the row included."""
    rows, pairs, least, waiting = 0, 0, 0, 0
    for asked, of_gallery, wanted in _runs(queries, gallery, spec):
        union = Union.of(asked, of_gallery, spec.same_matrix)
        size, of_all = len(union), wanted is spec
        shared = spec.within is None and not of_all and size >= SMALLEST_PART  # its lists begin those of all rows
        rows, pairs = max(rows, size), pairs + (0 if shared else size * size)
        least = max(least, _least(asked, of_gallery, wanted, union, list_length) + (0 if of_all else waiting))
        waiting += size * (16 * list_length + 8) if shared else 0
    entries, tile = rows * min(list_length, rows), min(rows, BLOCK)
    lists, sets = entries * BYTES_PER_ENTRY, int(entries * (20 + MEMBERS * BYTES_PER_MEMBER))
    blocks = 2 * tile * (9 * queries.width + 8 * tile)
    searched = len(queries) * (9 * queries.width + 32 * spec.k) + blocks
    memory = min(spec.memory, max(lists + blocks, sets + spec.memory // 4, searched))
    return Estimate(rows, pairs * gallery.width // 2, max(memory, lists, sets), max(least, lists, sets))


def _runs(
    queries: VectorSet, gallery: VectorSet, spec: SearchSpec
) -> Iterator[tuple[VectorSet, VectorSet, SearchSpec]]:
    """What is re-ranked by itself: everything, with ``spec`` itself, each category, or both."""
    if spec.within is None:
        yield queries, gallery, spec
    if spec.within == "category" or spec.positives:
        k = spec.k if spec.within else 1  # beside everything, categories only give ranks
        for _, asked, searched in categories_of(queries, gallery):
            yield queries.take(asked), gallery.take(searched), replace(spec, k=k)


def _least(queries: VectorSet, gallery: VectorSet, spec: SearchSpec, union: Union, list_length: int) -> int:
    """The least memory that a run takes for its plain search and for its neighbour lists while they are made."""
    needs = choose_filter(spec.device, "auto", len(union) ** 2 * gallery.width // 2)
    least = square_sizes(union.sets, len(union) * (32 * list_length + 8), needs)[-1].memory
    if not len(queries) or not len(gallery):
        return least
    positives = len(positive_pairs(queries, gallery, spec.same_matrix)[1]) if spec.positives else 0
    needs = choose_filter(spec.device, "auto", len(queries) * len(gallery) * queries.width)
    results = 16 * len(queries) * spec.k + 80 * positives
    return max(least, search_sizes(queries, gallery, spec.k, results, needs)[-1].memory)
