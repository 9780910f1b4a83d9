"""How long a re-ranking will take and how much memory, before it begins.

In: both sides and the request. Out: a :class:`Cost`: memory is counted, time is measured on samples of the rows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from fashret.retrieval.blocks import least_for_plan, least_for_square_plan
from fashret.retrieval.categories import categories_of
from fashret.retrieval.neighbours import Side, all_neighbours
from fashret.retrieval.pool import Pool, pool_of
from fashret.retrieval.positives import positive_pairs
from fashret.retrieval.request import Request
from fashret.retrieval.scan import tiles_for
from fashret.retrieval.tiles import Effort

SAMPLES = (4096, 12_288)  # rows compared with each other to measure the time
RUNS = 2  # of each sample: the first also compiles, or loads what was compiled, and other work may disturb one
BLOCK = 4096  # rows of the largest block that is compared with another
BYTES_PER_ENTRY = 48  # of one entry of a neighbour list while the lists are sorted and put together
BYTES_PER_MEMBER = 28  # of one member of an expanded set while the weights are made
MEMBERS = 1.5  # members of an expanded set for each entry of a list; embeddings of products have fewer


@dataclass(frozen=True)
class Cost:
    """What a re-ranking takes.

    ``rows``: N of the largest run. ``pairs``: ordered pairs of rows compared, in all runs. ``memory``: the likely
    peak, bytes. ``least``: the smallest budget that would do, bytes.
    """

    rows: int
    pairs: int
    memory: int
    least: int


def cost_of(queries: Side, gallery: Side, request: Request, list_length: int) -> Cost:
    """Count the work and the memory of k-reciprocal re-ranking with neighbour lists of a length, the row included."""
    sizes, least = [], 0
    for asked, of_gallery, wanted in _runs(queries, gallery, request):
        pool = pool_of(asked, of_gallery, request.same_matrix)
        sizes.append(pool.size)
        least = max(least, _for_search(asked, of_gallery, wanted), _for_lists(pool, request, list_length))
    rows = max(sizes, default=0)
    entries = rows * min(list_length, rows)
    lists, sets = entries * BYTES_PER_ENTRY, int(entries * (20 + MEMBERS * BYTES_PER_MEMBER))
    tile = min(rows, BLOCK)
    blocks = 2 * tile * (9 * queries.width + 8 * tile)
    searched = len(queries) * (9 * queries.width + 32 * request.k) + blocks
    memory = min(request.memory, max(lists + blocks, sets + request.memory // 4, searched))
    least = max(least, lists, sets)
    return Cost(rows, sum(size * size for size in sizes), max(memory, lists, sets), least)


def _runs(queries: Side, gallery: Side, request: Request) -> Iterator[tuple[Side, Side, Request]]:
    """What is re-ranked by itself: everything, each category, or both."""
    if request.within is None:
        yield queries, gallery, request
        request = replace(request, k=1)  # then the categories only give ranks
    if request.within == "category" or request.positives:
        for asked, of_gallery in categories_of(queries, gallery):
            yield queries.take(asked), gallery.take(of_gallery), request


def _for_search(queries: Side, gallery: Side, request: Request) -> int:
    """The least memory that the plain search of a run takes."""
    if not len(queries) or not len(gallery):
        return 0
    positives = len(positive_pairs(queries, gallery, request.same_matrix)[1]) if request.positives else 0
    tiles = tiles_for(request.device, "auto", len(queries) * len(gallery) * queries.width, Effort())
    return least_for_plan(queries, gallery, request.k, 16 * len(queries) * request.k + 80 * positives, tiles)


def _for_lists(pool: Pool, request: Request, list_length: int) -> int:
    """The least memory that the neighbour lists of a run take while they are made."""
    tiles = tiles_for(request.device, "auto", pool.size**2 * pool.sides[0].width // 2, Effort())
    return least_for_square_plan(pool.sides, pool.size * (32 * list_length + 8), tiles)


def seconds_for(cost: Cost, side: Side, request: Request) -> float:
    """Time that the comparison of all pairs will take, from two samples of a side.

    Fits t = a·n² + b·n, b·n being what n lists take to fill.
    """
    small, large = SAMPLES
    few, many = (min(_measured(side, rows, request) for _ in range(RUNS)) for rows in SAMPLES)
    a = max((many - few * large / small) / (large * (large - small)), 0.3 * many / large**2)
    b = max(0.0, many / large - a * large)
    return a * cost.pairs + b * cost.pairs**0.5


def _measured(side: Side, rows: int, request: Request) -> float:
    chosen = side.take(np.unique(np.linspace(0, len(side) - 1, rows).astype(np.int64)))
    started = time.perf_counter()
    all_neighbours([chosen], 21, memory=request.memory, device=request.device)
    return time.perf_counter() - started
