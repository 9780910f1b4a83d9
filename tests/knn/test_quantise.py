"""Rounded vectors: rounding loses no more than the bound terms say, and products are what they should be."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fashret.knn.bounds import UNIT, BoundTerms
from fashret.knn.distance import METRICS
from fashret.knn.quantise import Float32, Int8, TileBuffers, full_precision, gains_by_mixing
from fashret.knn.vectors import VectorSet
from tests.knn_case import block_of, with_ties


def units(vectors: np.ndarray) -> np.ndarray:
    exact = vectors.astype(float)
    return exact / np.linalg.norm(exact, axis=1, keepdims=True)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("width", [1, 33, 512])
def test_int8_loses_no_more_than_it_says(metric: str, width: int) -> None:
    rng = np.random.default_rng(width)
    vectors = with_ties(rng, 50, width)
    vectors[3] = np.eye(1, width) * 1e-9
    vectors[4] *= np.float32(1e12)
    form = Int8().quantise(block_of(vectors, metric).data, metric == "cosine")
    length = np.ones(50) if metric == "cosine" else np.sqrt(2) * np.linalg.norm(vectors.astype(float), axis=1)
    rounded = form.terms.scale.astype(float)[:, None] * form.numbers.numpy()
    residual = np.linalg.norm(units(vectors) * length[:, None] - rounded, axis=1)
    assert (residual <= form.terms.residual).all()
    assert (form.terms.residual <= 1.001 * residual + 8 * UNIT * length).all()
    assert (np.linalg.norm(rounded, axis=1) <= form.terms.rounded).all()
    assert (np.abs(form.numbers.numpy().astype(int)).max(axis=1) == 127).all()


@pytest.mark.parametrize("metric", METRICS)
def test_mixed_int8_has_products_within_what_it_says(metric: str) -> None:
    rng = np.random.default_rng(5)
    vectors = with_ties(rng, 40, 128) * np.float32(0.9) ** np.arange(128, dtype=np.float32)
    form = Int8(mixed=True).quantise(block_of(vectors, metric).data, metric == "cosine")
    terms = BoundTerms(*(term.astype(float) for term in form.terms))
    exact = units(vectors) @ units(vectors).T
    if metric == "euclidean":
        exact = 2 * vectors.astype(float) @ vectors.astype(float).T
    products = form.numbers.numpy().astype(float) @ form.numbers.numpy().astype(float).T
    approximate = products * np.outer(terms.scale, terms.scale)
    spread = np.outer(terms.length, terms.residual) + np.outer(terms.residual, terms.rounded)
    assert (np.abs(approximate - exact) <= spread).all()


def test_vectors_are_mixed_where_it_shortens_what_rounding_loses() -> None:
    rng = np.random.default_rng(6)
    even = rng.standard_normal((300, 128)).astype(np.float32)
    decaying = even * np.float32(0.9) ** np.arange(128, dtype=np.float32)
    nothing = np.zeros_like(even)
    found = [
        gains_by_mixing(VectorSet.of(vectors)) for vectors in (even, decaying, nothing, decaying[:0], decaying[:, :100])
    ]
    assert found == [False, True, False, False, False]


def test_int8_products_are_those_of_integers() -> None:
    rng = np.random.default_rng(0)
    a, b = (Int8().quantise(block_of(with_ties(rng, n, 600), "cosine").data, True) for n in (33, 41))
    a.numbers[0], b.numbers[0], b.numbers[1] = 127, 127, -127  # the largest sums
    expected = a.numbers.numpy().astype(int) @ b.numbers.numpy().astype(int).T
    np.testing.assert_array_equal(Int8().products(a, b, TileBuffers()), expected)


@pytest.mark.parametrize("before", ["highest", "medium"])
def test_float32_products_are_as_close_as_promised(before: str) -> None:
    rng = np.random.default_rng(1)
    a, b = with_ties(rng, 30, 300), with_ties(rng, 20, 300)
    torch.set_float32_matmul_precision(before)
    try:
        one, other = (Float32().quantise(block_of(side, "cosine").data, True) for side in (a, b))
        products = Float32().products(one, other, TileBuffers())
        assert torch.get_float32_matmul_precision() == before
    finally:
        torch.set_float32_matmul_precision("highest")
    np.testing.assert_allclose(products, units(a) @ units(b).T, rtol=0, atol=(300 + 8) * UNIT)


def test_precision_is_given_back_after_an_error() -> None:
    torch.set_float32_matmul_precision("high")
    try:
        with pytest.raises(ZeroDivisionError), full_precision():
            assert torch.get_float32_matmul_precision() == "highest"
            raise ZeroDivisionError
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_one_row_some_rows_and_no_rows() -> None:
    rng = np.random.default_rng(2)
    form = Int8().quantise(block_of(with_ties(rng, 9, 5), "cosine").data, True)
    part = form.take(slice(4, 5))
    assert (
        part.numbers.tolist() == form.numbers[4:5].tolist() and part.terms.low.tolist() == form.terms.low[4:5].tolist()
    )
    whole, some = (Int8().products(rows, form, TileBuffers()) for rows in (form, part))
    np.testing.assert_array_equal(some, whole[4:5])
    zeros = Int8().quantise(block_of(np.zeros((2, 3), np.float32), "euclidean").data, False)
    assert not zeros.numbers.any() and np.isfinite(np.array(zeros.terms)).all()
    assert len(Float32().quantise(block_of(np.zeros((0, 3), np.float32), "cosine").data, True).numbers) == 0


def test_tiles_of_a_name_share_their_memory() -> None:
    rng = np.random.default_rng(3)
    large, small = (Float32().quantise(block_of(with_ties(rng, n, 4), "cosine").data, True) for n in (8, 3))
    buffers = TileBuffers()
    first, second = buffers.tile("a", large, large, torch.float32), buffers.tile("a", small, large, torch.int32)
    assert first.data_ptr() == second.data_ptr() and second.shape == (3, 8) and second.dtype == torch.int32
    assert buffers.tile("b", small, small, torch.float32).data_ptr() != first.data_ptr()
