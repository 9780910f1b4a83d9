"""Vector sets from plain matrices, and the blocks that they are read in."""

from __future__ import annotations

import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.knn.square import Square
from fashret.knn.vectors import BlockData, BlockPair, VectorSet, load_all, load_block, load_blocks
from tests import brute


def test_a_matrix_is_taken_as_it_is_where_it_can_be_searched() -> None:
    for dtype in (np.float32, np.float16):
        vectors = np.ones((3, 2), dtype)
        assert VectorSet.of(vectors).vectors is vectors
    for other in (np.ones((3, 2)), np.ones((3, 2), int), [[1, 1]] * 3):
        assert VectorSet.of(other).vectors.dtype == np.float32
    assert VectorSet.of(np.ones((3, 2)), category=np.array([1, -1, 0], np.int16)).category.dtype == np.int64
    assert len(VectorSet.of(np.ones((0, 2)), product=[])) == 0


@pytest.mark.parametrize(
    ("vectors", "codes", "message"),
    [
        ([1, 2], None, "queries: should be a matrix of numbers, one row per vector, and are int64 of shape"),
        ([["a"]], None, "queries: should be a matrix of numbers"),
        ([[1], [1, 2]], None, "queries: should be a matrix of numbers, and its rows differ in length"),
        ([[1, 2]], ["bag"], "queries: product should be one whole number per row \\(1\\) and is <U3"),
        ([[1, 2]], [1, 2], "queries: product should be one whole number per row \\(1\\)"),
        ([[1, 2]], [0.5], "queries: product should be one whole number"),
    ],
)
def test_what_is_no_set_of_vectors_is_one_line(vectors, codes, message: str) -> None:
    with pytest.raises(FashretError, match=message):
        VectorSet.of(vectors, codes, name="queries")


def selection(rng: np.random.Generator, count: int, *, gaps: bool, dtype: str = "float32") -> VectorSet:
    vectors = rng.standard_normal((count, 5)).astype(dtype)
    rows = np.sort(rng.choice(count, count // 2, replace=False)) if gaps else np.arange(count // 4, count)
    return VectorSet(vectors, rows, rng.integers(-1, 4, len(rows)), rng.integers(-1, 3, len(rows)), "some")


@pytest.mark.parametrize("gaps", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("size", [1, 7, 100])
def test_blocks_hold_the_selection_once_and_in_order(gaps: bool, dtype: str, size: int) -> None:
    chosen = selection(np.random.default_rng(0), 30, gaps=gaps, dtype=dtype)
    blocks = list(load_blocks(chosen, size, cosine=True))
    stored = chosen.vectors[chosen.rows].astype(np.float32)
    columns = chosen.rows, chosen.product, chosen.category, chosen.rows, chosen.rows
    expected = stored, brute.lane_dots(stored, stored).diagonal(), *columns
    for name, column in zip(BlockData._fields, expected, strict=True):
        np.testing.assert_array_equal(np.concatenate([getattr(block.data, name) for block in blocks]), column)
    assert [(block.start, block.stop) for block in blocks] == [
        (start, min(start + size, len(chosen))) for start in range(0, len(chosen), size)
    ]
    assert all(block.data.vectors.dtype == np.float32 and not block.data.vectors.flags.writeable for block in blocks)
    assert chosen.is_mapped == (not gaps and dtype == "float32")
    assert np.shares_memory(blocks[0].data.vectors, chosen.vectors) or not chosen.is_mapped


@pytest.mark.parametrize("first", [0, 3, 22, 37, 38])
def test_rows_of_several_sets_are_numbered_through(first: int) -> None:
    rng = np.random.default_rng(1)
    sets = [selection(rng, 30, gaps=False), selection(rng, 4, gaps=True), selection(rng, 26, gaps=True)]
    whole = np.concatenate([vectors.vectors[vectors.rows] for vectors in sets])
    assert len(whole) == 38
    blocks = list(load_all(Square.of(sets).sets, 6, False, first))
    nothing = np.zeros((0, 5), np.float32), np.zeros(0, int)
    np.testing.assert_array_equal(np.concatenate([nothing[0], *(b.data.vectors for b in blocks)]), whole[first:])
    np.testing.assert_array_equal(np.concatenate([nothing[1], *(b.data.numbers for b in blocks)]), np.arange(first, 38))
    assert all(len(block) <= 6 and block.data.numbers[0] == block.start for block in blocks)


def test_parts_of_sets_and_of_blocks() -> None:
    rng = np.random.default_rng(2)
    chosen, index = selection(rng, 30, gaps=True), np.array([1, 4, 5, 11])
    numbered = VectorSet(chosen.vectors, chosen.rows, chosen.product, chosen.category, "q", np.arange(100, 115))
    for vectors, known in ((chosen.take(index), chosen.rows[index]), (numbered.take(index), 100 + index)):
        np.testing.assert_array_equal(vectors.known_as, known)
        np.testing.assert_array_equal(vectors.rows, chosen.rows[index])
        np.testing.assert_array_equal(vectors.product, chosen.product[index])
        np.testing.assert_array_equal(vectors.category, chosen.category[index])
        assert len(vectors) == 4 and vectors.width == 5
    block = load_block(numbered, 5, 15, cosine=False)
    part = block.part(2, 6)
    assert (part.start, part.stop, part.data.numbers.tolist()) == (7, 11, [107, 108, 109, 110])
    assert np.shares_memory(part.data.vectors, block.data.vectors)
    assert not chosen.take(index[:0]).is_mapped and list(load_blocks(chosen.take(index[:0]), 4, cosine=True)) == []
    turned = BlockPair(block.data, part.data, True).turned
    assert turned.rows is part.data and turned.columns is block.data and turned.cosine


def test_many_bad_rows_are_one_line() -> None:
    vectors = np.ones((20, 2), np.float32)
    vectors[3:15] = np.nan
    with pytest.raises(FashretError, match=r"^some: vectors of rows 4, 5, 6, 7, 8 and 5 more nearby hold NaN .*$"):
        load_block(VectorSet(vectors, np.arange(4, 20), *np.zeros((2, 16), int), "some"), 0, 10, cosine=False)
