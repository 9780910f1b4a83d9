"""A comparison of all rows that was interrupted goes on to the same result, with any block size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.knn import SearchSpec, VectorSet, WorkStats, all_neighbours, memory
from fashret.knn.cpu_filter import CpuFilter
from fashret.knn.scan import Arrays


class Interrupted(BaseException):
    pass


class InMemory:
    """Keeps copies; interrupts after some of them."""

    def __init__(self, patience: int) -> None:
        self.patience, self.kept = patience, dict[str, Arrays]()

    def load(self, name: str) -> Arrays:
        return self.kept.get(name, {})

    def offer(self, name: str, arrays: Arrays) -> None:
        self.kept[name] = {key: array.copy() for key, array in arrays.items()}
        self.patience -= 1
        if self.patience == 0:
            raise Interrupted


@pytest.mark.parametrize("arithmetic", ["float32", "int8"])
@pytest.mark.parametrize("patience", [1, 2, 5])
def test_goes_on_to_the_same_result(patience: int, arithmetic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(patience)
    vectors = rng.integers(-3, 4, (130, 9)).astype(np.float32)  # with ties
    none = np.full(130, -1)
    sides = [VectorSet(vectors, rows, none[rows], none[rows]) for rows in np.split(np.arange(130), [41])]
    spec = SearchSpec(k=6, metric="euclidean", arithmetic=arithmetic)
    expected = all_neighbours(sides, spec)
    where = InMemory(patience)
    monkeypatch.setattr(memory, "LEAST", 1)
    monkeypatch.setattr(CpuFilter, "largest", 16)
    with pytest.raises(Interrupted):
        all_neighbours(sides, spec, (where, "all"))
    done = int(where.kept["all"]["done"])
    assert 0 < done < 130
    where.kept["other"] = {}
    monkeypatch.setattr(CpuFilter, "largest", 24)
    stats = WorkStats()
    found = all_neighbours(sides, replace(spec, stats=stats), (where, "all"))
    for name in ("rows", "distances", "farthest"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert stats.pairs[arithmetic] == (130 - done) ** 2  # nothing is compared twice
    assert int(where.kept["all"]["done"]) == 130
    again = all_neighbours(sides, spec, (where, "all"))
    np.testing.assert_array_equal(again.rows, expected.rows)


@pytest.mark.parametrize(
    "change",
    [{"done": np.array(2.5)}, {"done": np.zeros(2, int)}, {"distances": np.zeros((3, 5))}, {"extra": np.zeros(1)}],
    ids=str,
)
def test_what_is_kept_of_another_form_is_one_line(change: Arrays) -> None:
    rows = np.arange(12, dtype=np.float32).reshape(6, 2) + 1
    none, where = np.full(6, -1), InMemory(10**9)
    sides, spec = [VectorSet(rows, np.arange(6), none, none)], SearchSpec(k=3, metric="euclidean")
    all_neighbours(sides, spec, (where, "all"))
    where.kept["all"] |= change
    with pytest.raises(FashretError, match="kept is damaged; start over with --restart"):
        all_neighbours(sides, spec, (where, "all"))
