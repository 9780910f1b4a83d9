"""What is known of parts of the rows changes nothing but the work: all neighbours, against comparing everything."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest

from fashret.knn import AllNeighbours, SearchSpec, VectorSet, WorkStats, all_neighbours, memory
from fashret.knn.cpu_filter import CpuFilter
from fashret.knn.square import Square
from tests.knn.test_scan import InMemory, Interrupted
from tests.knn_case import with_ties

SPEC = SearchSpec(k=6, metric="euclidean")


def two_sets(rng: np.random.Generator, rows: int) -> list[VectorSet]:
    vectors, none = with_ties(rng, rows, 9), np.full(rows, -1)
    return [VectorSet(vectors, part, none[part], none[part]) for part in np.split(np.arange(rows), [rows // 3])]


def among(sets: list[VectorSet], parts: list[np.ndarray], spec: SearchSpec) -> list[tuple[np.ndarray, AllNeighbours]]:
    """Each part's rows compared with each other, as a run of its own."""
    border, found = len(sets[0]), []
    for part in parts:
        some = [sets[0].take(part[part < border]), sets[1].take(part[part >= border] - border)]
        found.append((part, all_neighbours(some, spec)))
    return found


def check_equal(found: AllNeighbours, expected: AllNeighbours) -> None:
    for name in ("rows", "distances", "farthest"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize("arithmetic", ["float32", "int8"])
@pytest.mark.parametrize("owners", [1, 2, 5, pytest.param(40, marks=pytest.mark.slow)])
def test_known_parts_are_not_compared_again(owners: int, arithmetic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(owners)
    sets, owner = two_sets(rng, 130), rng.integers(-1, owners, 130)  # −1: in no part
    parts = [part for one in range(owners) if len(part := np.flatnonzero(owner == one))]
    spec = replace(SPEC, arithmetic=arithmetic)
    expected, of_parts = all_neighbours(sets, spec), among(sets, parts, spec)
    monkeypatch.setattr(memory, "LEAST", 1)
    for size in (8, 64):  # of blocks; the larger ones are all held at once
        monkeypatch.setattr(CpuFilter, "largest", size)
        known, stats = copy.deepcopy(of_parts), WorkStats()
        check_equal(all_neighbours(sets, replace(spec, stats=stats), known=known), expected)
        assert not known  # their memory is free
        assert stats.pairs[arithmetic] == 130**2 - sum(len(part) ** 2 for part in parts)


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_few_rows(rows: int) -> None:
    sets = two_sets(np.random.default_rng(rows), rows)
    known = among(sets, [np.arange(rows)], SPEC)
    check_equal(all_neighbours(sets, SPEC, known=known), all_neighbours(sets, SPEC))


def test_resumes_with_known_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    sets, owner = two_sets(rng, 130), rng.integers(0, 4, 130)
    parts = [np.flatnonzero(owner == one) for one in range(3)]
    expected, where = all_neighbours(sets, SPEC), InMemory(7)
    monkeypatch.setattr(memory, "LEAST", 1)
    monkeypatch.setattr(CpuFilter, "largest", 16)
    with pytest.raises(Interrupted):
        all_neighbours(sets, SPEC, (where, "all"), among(sets, parts, SPEC))
    assert 0 < int(where.kept["all"]["done"]) < 130
    check_equal(all_neighbours(sets, SPEC, (where, "all"), among(sets, parts, SPEC)), expected)


def test_pairs_that_are_left() -> None:
    sets = two_sets(np.random.default_rng(0), 10)
    square = Square.of(sets, [np.array([0, 4, 5]), np.array([2, 9])])
    assert square.numbers.tolist() == [0, 4, 5, 2, 9, 1, 3, 6, 7, 8]
    assert square.by_number(square.numbers).tolist() == list(range(10))
    assert square.pairs() == 10 * 11 // 2 - 3 * 4 // 2 - 2 * 3 // 2
    assert [square.pairs(done) for done in (3, 5, 10)] == [2 * 5 + 15, 15, 0]
    assert Square.of(sets).pairs(4) == 6 * 7 // 2
