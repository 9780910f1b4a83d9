"""Candidates: the same pairs by column, distances where they are needed, rows left to finer arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from fashret.knn.candidates import LEFT_TO_FINER, Candidates, Limits, leave_to_finer, rescore
from fashret.knn.distance import METRICS
from fashret.knn.vectors import BlockPair
from tests import brute
from tests.knn_case import block_of, with_ties


def drawn(rng: np.random.Generator, which: np.ndarray, columns: int, share: float = 0.4) -> Candidates:
    chosen = rng.random((len(which), columns)) < share
    offsets = np.concatenate([[0], np.cumsum(chosen.sum(axis=1))])
    lower = rng.random(chosen.sum()).astype(np.float32)
    return Candidates.of(which, offsets, np.nonzero(chosen)[1].astype(np.int32), lower, lower + np.float32(0.1))


def by_pair(candidates: Candidates) -> dict[tuple[int, int], tuple[float, float]]:
    rows = np.repeat(candidates.rows, np.diff(candidates.offsets))
    pairs = zip(rows.tolist(), candidates.columns.tolist(), strict=True)
    return dict(zip(pairs, zip(candidates.lower, candidates.upper, strict=True), strict=True))


@pytest.mark.parametrize("shape", [(13, 21), (1, 9), (9, 1), (4, 0)])
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_turned_is_the_transpose(shape: tuple[int, int], share: float) -> None:
    rng = np.random.default_rng(0)
    some = drawn(rng, np.arange(5, 5 + shape[0]), shape[1], share)  # rows 5 … of a block
    turned = some.turned(shape[1])
    assert by_pair(turned) == {(column, row): bounds for (row, column), bounds in by_pair(some).items()}
    assert turned.rows.tolist() == list(range(shape[1])) and len(turned.offsets) == shape[1] + 1
    for t in range(shape[1]):
        assert (np.diff(turned.columns[turned.offsets[t] : turned.offsets[t + 1]]) > 0).all()


@pytest.mark.parametrize("metric", METRICS)
def test_distances_only_where_they_are_undecided(metric: str) -> None:
    rng = np.random.default_rng(1)
    rows, columns = block_of(with_ties(rng, 12, 35), metric), block_of(with_ties(rng, 20, 35), metric)
    some = drawn(rng, np.arange(3, 10), 20)
    some.undecided[:] = rng.random(len(some.columns)) < 0.5
    some.rows[2] = LEFT_TO_FINER
    row = np.repeat(some.rows, np.diff(some.offsets))
    wanted = some.undecided & (row != LEFT_TO_FINER)
    pair = BlockPair(rows.data, columns.data, metric == "cosine")
    assert rescore(0, 7, pair, some) == wanted.sum() > 0
    distances = brute.distance_matrix(rows.data.vectors, columns.data.vectors, metric)
    np.testing.assert_array_equal(some.distances[wanted], distances[row[wanted], some.columns[wanted]])
    assert np.isnan(some.distances[~wanted]).all()
    assert rescore(0, 0, pair, some) == 0


def test_rows_with_much_undecided_are_left() -> None:
    some = drawn(np.random.default_rng(2), np.arange(6), 30)
    given = some.rows
    some.undecided[::2] = True
    counts = [some.undecided[some.offsets[t] : some.offsets[t + 1]].sum() for t in range(6)]
    most = int(np.unique(counts)[-2])  # as many as one row has
    leave_to_finer(0, 6, some, most)
    assert some.rows.tolist() == [LEFT_TO_FINER if count > most else t for t, count in enumerate(counts)]
    assert some.rows is given and LEFT_TO_FINER in some.rows


def test_no_pair_matters_to_nobody() -> None:
    near, far, seeds = Limits.nothing(3)
    assert (near == -np.inf).all() and (far == np.inf).all() and not seeds.any()
    rows = np.arange(3)
    assert Candidates.of(rows, np.zeros(4, int), *np.zeros((3, 0))).rows is not rows  # a row may be given up
