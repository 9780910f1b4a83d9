"""A memory budget is kept by the tiles that a scan makes; the least budget is enough and one byte less is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.knn import SearchSpec, VectorSet, all_neighbours, memory, search
from fashret.knn.candidates import Candidates
from fashret.knn.cpu_filter import CpuFilter
from fashret.knn.vectors import Block
from tests.knn_case import with_ties

SPEC = SearchSpec(k=4, metric="euclidean", arithmetic="float32")
BYTES = 8  # of a pair of a tile: its product, and its share of the candidates


def search_all(rows: VectorSet, budget: int) -> np.ndarray:
    return search(rows, rows, replace(SPEC, memory=budget)).neighbours.rows


def compare_all(rows: VectorSet, budget: int) -> np.ndarray:
    return all_neighbours([rows], replace(SPEC, memory=budget)).rows


def rows_of(dtype: type) -> VectorSet:
    vectors = with_ties(np.random.default_rng(0), 500, 24).astype(dtype)
    return VectorSet(vectors, np.arange(0, 500), np.full(500, -1), np.full(500, -1))


@pytest.fixture
def tiles(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Block, Block, int]]:
    """The blocks and the rows of each tile that is made."""
    made, candidates = [], CpuFilter.candidates

    def record(self, level: int, rows: Block, columns: Block, which: np.ndarray, limits) -> Iterator[Candidates]:
        made.append((rows, columns, len(which)))
        return candidates(self, level, rows, columns, which, limits)

    monkeypatch.setattr(CpuFilter, "candidates", record)
    monkeypatch.setattr(memory, "SPARE", 0)
    return made


def least_of(run: Callable[[VectorSet, int], np.ndarray], rows: VectorSet) -> int:
    with pytest.raises(FashretError, match=r"a memory budget of 1 bytes .* the least is [\d,]+ bytes: give") as e:
        run(rows, 1)
    assert "\n" not in str(e.value)
    return int(str(e.value).split("least is ")[1].split(" ")[0].replace(",", ""))


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("run", [search_all, compare_all])
def test_what_is_held_keeps_within_the_budget(run: Callable, dtype: type, tiles: list) -> None:
    rows = rows_of(dtype)
    least, expected, most = least_of(run, rows), run(rows, 10**9), len(tiles)
    assert most == 1  # all at once where memory allows
    for budget in (least, least + 1, 2 * least, 5 * least, 20 * least):
        tiles.clear()
        np.testing.assert_array_equal(run(rows, budget), expected)
        for left, right, height in tiles:
            blocks = [left, right] if left is not right else [left]
            # of a row: its vector if it is a copy, its float32 form, its sum of squares, bound terms, result
            of_row = rows.width * (4 + 4 * (dtype is not np.float32)) + 8 + 6 * 4 + 16 * SPEC.k
            assert sum(len(block) for block in blocks) * of_row + BYTES * height * len(right) <= budget
        assert len(tiles) >= most
    assert least < 10**6


@pytest.mark.parametrize("run", [search_all, compare_all])
def test_more_memory_never_makes_smaller_tiles(run: Callable, tiles: list) -> None:
    rows, sizes = rows_of(np.float32), []
    least = least_of(run, rows)
    for budget in (least, 2 * least, 4 * least, 8 * least, 16 * least, 10**9):
        tiles.clear()
        run(rows, budget)
        sizes.append(max(height * len(right) for _, right, height in tiles))
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1] == 500 * 500


@pytest.mark.parametrize("run", [search_all, compare_all])
def test_one_byte_less_than_the_least_is_refused(run: Callable) -> None:
    for rows in (rows_of(np.float32), rows_of(np.float16), rows_of(np.float32).take(np.arange(1))):
        least = least_of(run, rows)
        run(rows, least)
        with pytest.raises(FashretError, match=f"the least is {least:,} bytes"):
            run(rows, least - 1)
