"""Photos that are held out: none shares a product with a photo that is trained on, directly or by others."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from fashret.detection.boxed_photos import BoxedPhotos
from fashret.detection.held_out import groups_of, held_out
from fashret.files.columns import Rows, text_array


def case(*products: str) -> tuple[BoxedPhotos, Rows]:
    """Photos of which each has boxes of these products: "a b" of two, "" of one that is not known."""
    names = [each.split(" ") for each in products]
    flat = [name for each in names for name in each]
    number = len(flat)
    rows = Rows(
        source=text_array(str(i) for i, each in enumerate(names) for _ in each),
        box=np.tile(np.float32([1, 2, 3, 4]), (number, 1)),
        product=text_array(flat),
        role=np.ones(number, np.uint8),
        domain=np.zeros(number, np.uint8),
        category=np.zeros(number, np.int16),
    )
    counts = [len(each) for each in names]
    photos = BoxedPhotos(
        text_array(map(str, range(len(names)))),
        np.full((len(names), 2), 9),
        np.ones(len(names), np.int64),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        rows.box,
        np.zeros(number, np.int64),
        np.zeros(number, np.bool_),
        np.arange(number),
    )
    return photos, rows


@pytest.mark.parametrize(
    ("products", "groups"),
    [
        (["a", "b", "a", "c"], [0, 1, 0, 2]),
        (["a b", "b c", "c", "d"], [0, 0, 0, 1]),  # a photo of several products, and a chain of them
        (["c", "d", "a b", "b c"], [0, 1, 0, 0]),
        (["", "", "a", " a"], [0, 1, 2, 2]),  # a product that is not known joins nothing
        ([], []),
    ],
)
def test_groups(products: list[str], groups: list[int]) -> None:
    found = groups_of(*case(*products)).tolist()
    assert [[a == b for b in found] for a in found] == [[a == b for b in groups] for a in groups]


@pytest.mark.parametrize("seed", range(5))
def test_no_product_is_on_both_sides(seed: int) -> None:
    random = np.random.default_rng(seed)
    photos, rows = case(*(" ".join(map(str, random.integers(0, 40, random.integers(1, 3)))) for _ in range(30)))
    learned, held = held_out(photos, rows, 0.3, seed)
    assert not set(rows.product[learned.row]) & set(rows.product[held.row])
    assert len(learned) + len(held) == 30 and len(held) > 0 and len(learned) > 1


def test_how_many_are_held_out(caplog: pytest.LogCaptureFixture) -> None:
    photos, rows = case(*"aabcdefghi")
    assert [len(held_out(photos, rows, share, 0)[1]) for share in (0, 0.01, 0.34, 0.5)] == [0, 1, 3, 4]
    assert all({"0", "1"} <= set(held_out(photos, rows, 0.5, seed)[0].source) for seed in range(9))  # the largest group
    assert len(held_out(*case(), 0.1, 0)[1]) == 0
    with caplog.at_level(logging.INFO, "fashret"):
        assert len(held_out(*case("a b", "b c", "c"), 0.1, 0)[1]) == 0
    assert "all photos are joined by products that they share" in caplog.text
