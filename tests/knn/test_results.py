"""Results of disjoint sets of queries merge into those of all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.knn import Neighbours, Positives, SearchResult, SearchSpec, VectorSet, WorkStats
from fashret.knn.results import by_category, categories_of, merge_results

COLUMNS = ("rows", "ranks", "ranks_in_category", "distances")


def drawn(rng: np.random.Generator, queries: int, k: int) -> SearchResult:
    sizes = rng.integers(0, 4, queries)
    count = int(sizes.sum())
    columns = [*rng.integers(0, 100, (3, count)), rng.random(count)]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    neighbours = Neighbours(rng.integers(0, 100, (queries, k)), rng.random((queries, k)))
    return SearchResult(neighbours, Positives(offsets, *columns))


def check_query(whole: SearchResult, query: int, part: SearchResult, index: int) -> None:
    np.testing.assert_array_equal(whole.neighbours.rows[query], part.neighbours.rows[index])
    np.testing.assert_array_equal(whole.neighbours.distances[query], part.neighbours.distances[index])
    one, other = whole.positives.of_query(query), part.positives.of_query(index)
    for name in ("offsets", *COLUMNS):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("sizes", [(5, 1, 7), (13,), (0, 3), ()])
def test_merged_as_each_was_found(sizes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    count, spec = 15, SearchSpec(k=3, positives=True)
    shuffled = np.split(rng.permutation(count), np.cumsum(sizes))[: len(sizes)]
    parts = [(np.sort(asked), drawn(rng, len(asked), 3)) for asked in shuffled]
    whole = merge_results(count, spec, parts)
    for asked, part in parts:
        for index, query in enumerate(asked):
            check_query(whole, query, part, index)
    missing = np.setdiff1d(np.arange(count), np.concatenate([np.zeros(0, int), *(asked for asked, _ in parts)]))
    assert (whole.neighbours.rows[missing] == -1).all() and np.isnan(whole.neighbours.distances[missing]).all()
    assert not np.diff(whole.positives.offsets)[missing].any() and not np.isin(whole.positives.query, missing).any()
    assert len(whole.positives.rows) == sum(len(part.positives.rows) for _, part in parts)
    assert merge_results(count, SearchSpec(k=3), parts).positives is None


def test_the_query_of_each_positive() -> None:
    positives = Positives(np.array([0, 2, 2, 3]), *np.arange(9).reshape(3, 3), np.array([0.1, 0.2, 0.3]))
    assert positives.query.tolist() == [0, 0, 2]
    assert positives.of_query(2).rows.tolist() == [2] and positives.of_query(1).offsets.tolist() == [0, 0]
    assert Positives.none(4).query.tolist() == [] and len(Positives.none(4).offsets) == 5


def test_each_category_sees_its_own_rows_alone() -> None:
    rng = np.random.default_rng(1)
    nothing, vectors = np.full(20, -1), np.ones((20, 2), np.float32)
    queries = VectorSet(vectors, np.arange(20), nothing, rng.integers(-1, 4, 20))
    gallery = VectorSet(vectors, np.arange(20), nothing, rng.integers(-1, 3, 20))
    seen = {int(category): (asked.tolist(), held.tolist()) for category, asked, held in categories_of(queries, gallery)}
    assert seen == {
        category: tuple([i for i in range(20) if side.category[i] == category] for side in (queries, gallery))
        for category in sorted(set(queries.category.tolist()) - {-1})
    }
    found = by_category(
        queries,
        gallery,
        SearchSpec(k=1),
        lambda asked, searched, category: SearchResult(
            Neighbours(np.full((len(asked), 1), category), np.full((len(asked), 1), float(len(searched)))), None
        ),
    )
    assert found.neighbours.rows[:, 0].tolist() == queries.category.tolist()
    held = [sum(gallery.category == category) if category >= 0 else np.nan for category in queries.category]
    np.testing.assert_array_equal(found.neighbours.distances[:, 0], held)


def test_work_is_added_up_and_is_no_part_of_the_question() -> None:
    stats = WorkStats()
    for pairs in (2, 3):
        stats.add("int8", pairs)
    assert stats.pairs == {"int8": 5} and SearchSpec(stats=stats) == SearchSpec()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"k": -1}, "^k should be a whole number, 0 or more, and is -1$"),
        ({"k": 2.0}, r"^k should be .* 2\.0$"),
        ({"k": "3"}, "^k should be .* '3'$"),
        ({"k": True}, "^k should be .* True$"),
        ({"memory": "2GB"}, "^memory should be a whole number of bytes and is '2GB'$"),
        ({"memory": 2e9}, "^memory should be "),
        ({"within": "foo"}, "^within should be \"category\", or None for the whole gallery, and is 'foo'$"),
        ({"within": ""}, "^within should be "),
        ({"arithmetic": "int4"}, "^arithmetic should be auto or int8 or float32 or torch and is 'int4'$"),
    ],
)
def test_what_cannot_be_asked_for_is_one_line(how: dict[str, Any], message: str) -> None:
    with pytest.raises(FashretError, match=message):
        SearchSpec(**how)
    assert SearchSpec(k=np.int64(3), memory=np.int64(10**9), within="category").k == 3
