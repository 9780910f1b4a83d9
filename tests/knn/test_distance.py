"""The definition of a distance against plain numpy in the same order of summation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashret.errors import FashretError
from fashret.knn.distance import METRICS, pair_distances, squared_norms
from tests import brute


def all_pairs(a: np.ndarray, b: np.ndarray, metric: str) -> np.ndarray:
    i, j = np.indices((len(a), len(b)))
    return pair_distances(a, i.ravel(), b, j.ravel(), metric).reshape(len(a), len(b))


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    width=st.integers(1, 100),
    metric=st.sampled_from(METRICS),
    dtype=st.sampled_from([np.float32, np.float16]),
    exponent=st.integers(-10, 10),
)
def test_bits_equal_those_of_the_same_sums_in_numpy(seed, width, metric, dtype, exponent) -> None:
    rng = np.random.default_rng(seed)
    scale = 10.0 ** (exponent if dtype is np.float32 else 0)
    a = (rng.standard_normal((5, width)) * scale).astype(dtype)
    b = np.concatenate([a[:2], (rng.standard_normal((4, width)) * scale).astype(dtype)])
    np.testing.assert_array_equal(all_pairs(a, b, metric), brute.distance_matrix(a, b, metric))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("width", [1, 15, 16, 17, 2048])
def test_what_the_definition_promises(metric: str, width: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((30, width)).astype(np.float32)
    x[20:] = x[:10]
    distances = all_pairs(x, x, metric)
    np.testing.assert_array_equal(np.diag(distances), 0)  # a row to itself
    np.testing.assert_array_equal(distances, distances.T)
    np.testing.assert_array_equal(distances[20:], distances[:10])  # equal rows, equal bits
    exact = x.astype(np.longdouble)
    dots, squares = exact @ exact.T, (exact**2).sum(1)
    truth = 1 - dots / np.sqrt(np.outer(squares, squares))
    if metric == "euclidean":
        truth = ((exact[:, None] - exact) ** 2).sum(-1)
    np.testing.assert_allclose(distances, truth.astype(float), atol=1e-14 * width)


def test_pairs_do_not_depend_on_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((40, 33)).astype(np.float32)
    whole = all_pairs(x, x, "cosine")
    monkeypatch.setattr("fashret.knn.distance.CHUNK_BYTES", 1000)
    np.testing.assert_array_equal(all_pairs(x, x, "cosine"), whole)


def test_no_pairs_strided_rows_and_zero_vectors() -> None:
    x = np.zeros((4, 6), np.float32)
    x[1] = 2
    assert pair_distances(x, np.zeros(0, int), x, np.zeros(0, int)).shape == (0,)
    assert np.isnan(pair_distances(x, np.array([0]), x, np.array([1]))).all()
    strided = np.arange(24, dtype=np.float32).reshape(4, 6)[::2, ::3]
    np.testing.assert_array_equal(squared_norms(strided), [0 + 9, 144 + 225])


def test_unknown_metric() -> None:
    with pytest.raises(FashretError, match="metric manhattan: not known; the metrics are cosine, euclidean"):
        pair_distances(np.ones((1, 2)), np.array([0]), np.ones((1, 2)), np.array([0]), "manhattan")  # type: ignore[arg-type]
