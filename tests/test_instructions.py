"""The compiler's missing instructions against what they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numba import njit

from fashret.retrieval.bounds import Stored, Terms, Tile, settle_pair, settle_pairs
from fashret.retrieval.instructions import ABREAST, CHUNK, lane_sum, lane_sums, lowest_bit, reaching
from fashret.retrieval.selection import at_least

SMALLEST = np.float32(1e-45)


@njit
def bits_of(values, first, least):
    return reaching(values, first, least)


@njit
def lowest(bits):
    return lowest_bit(bits)


@njit
def one_by_one(a, i, b, rows):
    return [lane_sum(a, i, b, row) for row in rows]


@njit
def abreast(a, i, b, rows):
    return lane_sums(a, i, b, (rows[0], rows[1], rows[2], rows[3]))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    size=st.sampled_from([0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 200]),
    least=st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 1.0, 3.0, np.inf, np.nan]),
)
@example(seed=0, size=CHUNK, least=-np.inf)
def test_places_of_values_that_reach_a_bound(seed: int, size: int, least: float) -> None:
    """With ties, both zeros, numbers that are none, and infinite ones; integers likewise."""
    rng = np.random.default_rng(seed)
    values = rng.choice(np.array([-np.inf, -1, -0.0, 0, SMALLEST, 0.5, 1, 2, np.inf, np.nan], np.float32), size)
    found = np.empty(size, np.int64)
    count = at_least(values, np.float32(least), found)
    with np.errstate(invalid="ignore"):
        assert found[:count].tolist() == [place for place in range(size) if values[place] >= np.float32(least)]
    numbers = rng.integers(-2, 3, size).astype(np.int32)
    count = at_least(numbers, np.int32(1), found)
    assert found[:count].tolist() == [place for place in range(size) if numbers[place] >= 1]


def test_bits_are_in_the_order_of_the_values() -> None:
    values = np.arange(-7, CHUNK, dtype=np.float32)
    for least in range(CHUNK):
        bits = bits_of(values, 7, np.float32(least))
        assert int(bits) == sum(1 << value for value in range(CHUNK) if value >= least)
        assert lowest(np.uint64(bits)) == least


@pytest.mark.parametrize("width", [1, 3, 15, 16, 17, 40, 512])
def test_sums_abreast_are_the_sums_one_by_one(width: int) -> None:
    rng = np.random.default_rng(width)
    a = rng.standard_normal((3, width)).astype(np.float32)
    b = rng.standard_normal((9, width)).astype(np.float32)
    for _ in range(20):
        i, rows = int(rng.integers(3)), rng.integers(0, 9, ABREAST)  # some twice
        assert list(abreast(a, i, b, rows)) == list(one_by_one(a, i, b, rows))


@pytest.mark.parametrize("cosine", [False, True])
@pytest.mark.parametrize("count", [0, 1, ABREAST - 1, ABREAST, ABREAST + 1, 2 * ABREAST + 3])
def test_pairs_settled_together_have_the_bits_of_each_alone(count: int, cosine: bool) -> None:
    rng = np.random.default_rng(count)

    def stored(rows: int) -> Stored:
        vectors = rng.standard_normal((rows, 37)).astype(np.float32)
        vectors.flags.writeable = False
        none = np.full(rows, -1)
        return Stored(vectors, (vectors.astype(float) ** 2).sum(axis=1), np.arange(rows), none, none)

    rows, columns, nothing = stored(2), stored(20), Terms(*[np.empty(0, np.float32)] * 7)
    tile = Tile(np.empty((2, 20), np.float32), np.arange(2), rows, columns, nothing, nothing, cosine)
    found = rng.integers(0, 20, count)
    assert settle_pairs(tile, 1, found).tolist() == [settle_pair(tile, 1, j) for j in found]
