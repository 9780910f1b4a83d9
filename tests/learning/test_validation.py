"""What is validated on: products held out of training, drawn by the seed."""

from __future__ import annotations

import numpy as np
import pytest

from fashret.files.columns import Domain, Role
from fashret.learning.validation import MOST_SAMPLED, held_out, sampled, validation_of


def labels(counts: list[int]) -> np.ndarray:
    return np.repeat(np.arange(len(counts)), counts)


def test_a_share_of_the_products_of_several_images_is_drawn():
    held = held_out(labels([3, 1, 4, 2, 2, 5, 3, 2, 2, 2]), 0.4, seed=1)
    assert len(held) == 4 and 1 not in held  # of nine
    assert held.tolist() == sorted(set(held.tolist()))


def test_the_seed_decides():
    first, again, other = (held_out(labels([2] * 50), 0.1, seed).tolist() for seed in (0, 0, 1))
    assert first == again != other and len(first) == len(other) == 5


@pytest.mark.parametrize(
    ("counts", "share"),
    [([1] * 20, 0.1), ([2, 1, 1, 1], 0.5), ([5, 5, 5], 0.5), ([2] * 20, 0.0)],
)
def test_where_too_little_could_be_held_out_nothing_is(counts, share):
    assert not len(held_out(labels(counts), share, seed=0))


def test_of_many_training_products_some_are_drawn_and_of_few_all_that_have_two_images():
    assert sampled(labels([2, 1, 3, 1]), seed=0).tolist() == [0, 2] and not len(sampled(labels([1, 1]), seed=0))
    first, again, other = (sampled(labels([2] * 900), seed).tolist() for seed in (0, 0, 1))
    assert first == again != other and len(first) == MOST_SAMPLED and first == sorted(set(first))


def test_street_photos_are_the_queries_where_there_are_both_domains():
    domain = np.array([Domain.STREET, Domain.SHOP, Domain.SHOP, Domain.SHOP, Domain.SHOP, Domain.STREET, Domain.STREET])
    held = validation_of(np.arange(7) * 10, labels([3, 2, 2]), domain.astype(np.uint8), "some")
    both, query, gallery = int(Role.VAL_QUERY | Role.VAL_GALLERY), int(Role.VAL_QUERY), int(Role.VAL_GALLERY)
    assert held.role.tolist() == [query, gallery, gallery, both, both, both, both]
    assert held.product.tolist() == [0, 0, 0, 1, 1, 2, 2] and held.row.tolist() == list(range(0, 70, 10))
