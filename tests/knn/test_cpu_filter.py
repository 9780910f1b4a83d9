"""The filter on the CPU: every pair that matters is among the candidates, and hardly another."""

from __future__ import annotations

import numpy as np
import pytest

from fashret.knn import candidates, cpu_filter
from fashret.knn.cpu_filter import SMALL, CpuFilter
from fashret.knn.distance import METRICS
from fashret.knn.quantise import ARITHMETICS
from fashret.knn.vectors import Block
from tests.knn_case import block_of, check_limits, check_seeds, with_ties

MARGIN = {"float32": 1e-3, "int8": 0.1}  # of distances of vectors about 1 long


def blocks(metric: str, rows: int = 30, columns: int = 90) -> tuple[Block, Block]:
    rng = np.random.default_rng(rows)
    vectors = with_ties(rng, rows + columns, 40)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return block_of(vectors[:rows], metric), block_of(vectors[rows:], metric)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_finds_what_matters(arithmetic: str, metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for few in (candidates.FEW, 400):  # at once, and four rows at a time
        monkeypatch.setattr(candidates, "FEW", few)
        check_limits(CpuFilter(ARITHMETICS[arithmetic]), 0, blocks(metric), np.arange(4, 27), MARGIN[arithmetic])
    check_limits(CpuFilter(ARITHMETICS[arithmetic]), 0, blocks(metric, 1), np.arange(1), MARGIN[arithmetic])


@pytest.mark.parametrize("metric", METRICS)
def test_finds_what_matters_in_finer_arithmetic(metric: str) -> None:
    check_limits(CpuFilter(ARITHMETICS["int8"]), 1, blocks(metric), np.array([2, 3, 11, 29]), MARGIN["float32"])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("k", [1, 2, 7, 29, 90, 91])  # 90 columns are two groups
def test_seeds_hold_the_k_nearest_and_the_farthest(arithmetic: str, metric: str, k: int) -> None:
    check_seeds(CpuFilter(ARITHMETICS[arithmetic]), blocks(metric), k)


def test_seeds_of_one_row_and_one_column() -> None:
    for shape in ((1, 40), (40, 1), (1, 1)):
        check_seeds(CpuFilter(ARITHMETICS["int8"]), blocks("euclidean", *shape), 3)


def test_coarse_forms_are_kept_with_the_block() -> None:
    rows, columns = blocks("cosine")
    check_seeds(CpuFilter(ARITHMETICS["int8"]), (rows, columns), 2)
    assert list(rows.forms) == list(columns.forms) == ["int8"]


def test_little_work_is_not_worth_measuring() -> None:
    assert cpu_filter.cpu_filter("auto", SMALL - 1).levels == ("float32",)
    assert cpu_filter.cpu_filter("int8", 1).levels == ("int8", "float32")
    assert cpu_filter.cpu_filter("float32", 10 * SMALL).row_bytes(100) == 400
