"""Which rows make up the batches: properties that hold for every seed and every catalogue."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashret.errors import FashretError
from fashret.learning.batches import Batching, check_batching, epoch_batches
from fashret.loading.processes import Place


def catalogue(seed: int, products: int = 12, most: int = 7) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Product, domain and category of shuffled rows; 1 to `most` images a product."""
    random = np.random.default_rng(seed)
    counts = random.integers(1, most + 1, products)
    product = random.permutation(np.repeat(np.arange(products), counts))
    category = random.integers(0, 3, products)[product]
    return product, random.integers(0, 2, len(product)), category


@st.composite
def catalogues(draw):
    rows = catalogue(draw(st.integers(0, 10**6)), draw(st.integers(2, 12)), draw(st.integers(1, 9)))
    p = draw(st.integers(2, len(np.unique(rows[0]))))
    batching = Batching(
        products=p,
        images=draw(st.integers(1, 5)),
        missing=draw(st.sampled_from(["resample", "mask"])),
        same_category=draw(st.booleans()),
        seed=draw(st.integers(0, 99)),
    )
    return rows, batching, draw(st.integers(0, 5))


@settings(max_examples=150)
@given(catalogues())
def test_every_batch_is_p_products_of_k_images(drawn):
    (product, domain, category), batching, epoch = drawn
    p, k = batching.products, batching.images
    for batch in epoch_batches(product, domain, category, batching, epoch):
        assert batch.dtype == np.int64 and batch.shape == (p * k,)
        groups = [group[group >= 0] for group in batch.reshape(p, k)]
        owners = [set(product[group].tolist()) for group in groups if len(group)]
        assert all(len(owner) == 1 for owner in owners)
        assert len(set().union(*owners)) == len(owners) >= 2  # different products
        if batching.missing == "resample" and not batching.same_category:
            assert (batch >= 0).all()
        if batching.same_category:
            assert len(set(category[batch[batch >= 0]].tolist())) == 1
        for group in groups:
            if len(group) == 0:
                continue
            rows = np.flatnonzero(product == product[group[0]])
            if batching.missing == "mask" or len(rows) >= k:
                assert len(set(group.tolist())) == len(group)  # no image twice
            if k >= 2 and len(group) >= 2 and len(set(domain[rows].tolist())) == 2:
                assert len(rows) < k or set(domain[group].tolist()) == {0, 1}


@settings(max_examples=60)
@given(catalogues())
def test_function_of_its_arguments_alone(drawn):
    rows, batching, epoch = drawn
    state = np.random.get_state()[1].copy()
    first, second = (epoch_batches(*rows, batching, epoch) for _ in range(2))
    assert len(first) == len(second) and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert np.array_equal(np.random.get_state()[1], state)


def test_epochs_and_seeds_differ():
    rows = catalogue(0)
    drawn = {
        tuple(np.concatenate(epoch_batches(*rows, Batching(4, 2, seed=seed), epoch)).tolist())
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(drawn) == 9


@pytest.mark.parametrize("world", [2, 4])
@pytest.mark.parametrize("batching", [Batching(4, 3), Batching(4, 3, missing="mask"), Batching(0, 8)])
def test_processes_share_the_batch_of_one(world, batching):
    rows = catalogue(3, products=20)
    whole = epoch_batches(*rows, batching, 1)
    parts = [epoch_batches(*rows, batching, 1, Place(rank, world)) for rank in range(world)]
    assert len(whole) > 1
    for i, batch in enumerate(whole):
        shared = [part[i] for part in parts]
        assert {len(share) for share in shared} == {len(batch) // world}
        assert sorted(np.concatenate(shared).tolist()) == sorted(batch.tolist())
        if batching.products:  # the images of a product stay in one process
            owners = [set(rows[0][share[share >= 0]].tolist()) for share in shared]
            assert sum(map(len, owners)) == len(set().union(*owners))


def test_an_epoch_shows_each_image_once_where_products_divide_evenly():
    product = np.repeat(np.arange(6), 8)
    batches = epoch_batches(product, np.zeros(48, int), np.zeros(48, int), Batching(6, 4), epoch=2)
    assert Counter(np.concatenate(batches).tolist()) == Counter(range(48))


def test_masking_uses_the_rest_and_leaves_places_empty():
    product, zeros = np.repeat([0, 1], [6, 1]), np.zeros(7, int)
    batches = epoch_batches(product, zeros, zeros, Batching(2, 4, missing="mask"), epoch=0)
    assert len(batches) == 1  # one group of product 1
    assert sorted((batches[0] >= 0).reshape(2, 4).sum(axis=1).tolist()) in ([1, 2], [1, 4])
    product = np.repeat([0, 1], 6)
    batches = epoch_batches(product, np.zeros(12, int), np.zeros(12, int), Batching(2, 4, missing="mask"), epoch=0)
    assert Counter(row for batch in batches for row in batch.tolist() if row >= 0) == Counter(range(12))


def test_resampling_leaves_the_rest_for_another_epoch_but_reaches_every_image():
    product = np.repeat([0, 1], 5)
    seen = set()
    for epoch in range(20):
        batches = epoch_batches(product, np.zeros(10, int), np.zeros(10, int), Batching(2, 4), epoch)
        assert len(batches) == 1
        seen |= set(batches[0].tolist())
    assert seen == set(range(10))


def test_the_rarer_domain_comes_up_in_every_group():
    product, domain = np.zeros(12, int), np.array([0] + [1] * 11)
    product = np.concatenate([product, np.ones(12, int)])
    domain = np.tile(domain, 2)
    batches = epoch_batches(product, domain, np.zeros(24, int), Batching(2, 4), epoch=0)
    assert len(batches) == 3
    for group in np.concatenate(batches).reshape(-1, 4):
        assert (domain[group] == 0).sum() == 1


def test_a_category_with_few_products_fills_up_with_empty_places_and_one_product_is_left_out():
    product = np.repeat([0, 1, 2, 3, 4, 5], 2)
    category = np.array([7, 7, 7, 8, 8, 9])[product]
    batches = epoch_batches(product, np.zeros(12, int), category, Batching(3, 2, same_category=True), epoch=0)
    shown = {int(category[batch[batch >= 0]][0]): int((batch >= 0).sum()) for batch in batches}
    assert shown == {7: 6, 8: 4}


def test_random_batches_are_a_permutation_without_the_rest():
    rows = np.zeros(10, int), np.zeros(10, int), np.zeros(10, int)
    batches = epoch_batches(*rows, Batching(0, 4), epoch=0)
    assert [len(batch) for batch in batches] == [4, 4]
    assert len(set(np.concatenate(batches).tolist())) == 8
    assert sorted(epoch_batches(*rows, Batching(0, 64), epoch=0)[0].tolist()) == list(range(10))


@pytest.mark.parametrize(
    ("product", "batching", "options", "words"),
    [
        ([], Batching(2, 2), {}, ["no training rows"]),
        ([3, 3, 3], Batching(2, 2), {}, ["only one product"]),
        ([0, 0, 1], Batching(4, 2), {}, ["--batch-products", "2"]),
        ([0, 0, 1], Batching(2, 2, missing="refuse"), {}, ["1 product has", "fewer than 2", "--batch-images"]),
        ([0, 0, 1], Batching(2, 1), {"needs_pairs": True}, ["--batch-images 1"]),
        ([0, 0, 1], Batching(0, 4), {"needs_pairs": True}, ["--batch-products"]),
        ([0, 1, 2], Batching(3, 2), {"world": 2}, ["multiple of 2"]),
        ([0, 1, 2], Batching(0, 5), {"world": 2}, ["multiple of the 2"]),
        ([0, 1, 2], Batching(1, 2), {}, ["at least 2"]),
        ([0, 1, 2], Batching(0, 2, same_category=True), {}, ["--same-category", "--batch-products"]),
    ],
)
def test_what_cannot_work_is_said_before_training(product, batching, options, words):
    with pytest.raises(FashretError) as error:
        check_batching(np.array(product, dtype=np.int64), batching, **options)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_what_works_passes():
    check_batching(np.array([0, 0, 1]), Batching(2, 2), needs_pairs=True)
    check_batching(np.array([0, 0, 1, 1]), Batching(2, 2, missing="refuse"), world=2)
    check_batching(np.array([0, 1]), Batching(0, 2))
