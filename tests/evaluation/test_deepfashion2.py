"""DeepFashion2's rule against one that is written step by step, with loops."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashret.evaluation.deepfashion2 import NEVER, Annotated, Garments, Results, score_from_photos

K = 6


def overlap(one: list[int], other: list[int]) -> Fraction:
    """Intersection over union of two boxes of whole numbers."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    inside = max(wide, 0) * max(high, 0)
    both = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return Fraction(inside, both - inside)


def by_steps(queries: Annotated, gallery: Annotated, results: Results) -> tuple[list[int], list[int]]:
    """The found garment and the rank of each annotated one with a pair."""
    found, ranks = [], []
    for i in range(len(queries.product)):
        if queries.product[i] < 0:
            continue
        photo = queries.garments.photo[i]
        candidates = []
        for j in range(len(results.score)):
            if results.garments.photo[j] != photo:
                continue
            there = [g for g in range(len(queries.product)) if queries.garments.photo[g] == photo]
            overlaps = [overlap(results.garments.box[j].tolist(), queries.garments.box[g].tolist()) for g in there]
            owner = there[overlaps.index(max(overlaps))]
            if owner == i and results.garments.category[j] == queries.garments.category[i]:
                candidates.append(j)
        best = -1
        for j in candidates:
            if best < 0 or results.score[j] > results.score[best]:
                best = j
        rank = NEVER
        if best >= 0:
            for t in reversed(range(K)):
                for g in range(len(gallery.product)):
                    same = gallery.product[g] == queries.product[i]
                    there = same and gallery.garments.photo[g] == results.photo[best, t]
                    if there and overlap(results.box[best, t].tolist(), gallery.garments.box[g].tolist()) >= 0.5:
                        rank = t
        found.append(best)
        ranks.append(int(rank))
    return found, ranks


def boxes(rng: np.random.Generator, *shape: int) -> np.ndarray:
    corner = rng.integers(0, 6, (*shape, 2))
    return np.concatenate([corner, corner + rng.integers(1, 6, (*shape, 2))], axis=-1)


def drawn(rng: np.random.Generator, count: int, photos: int) -> Garments:
    return Garments(rng.integers(0, photos, count), boxes(rng, count), rng.integers(1, 3, count))


@settings(max_examples=80)
@given(seed=st.integers(0, 10**6), sizes=st.tuples(st.integers(0, 15), st.integers(0, 25), st.integers(0, 25)))
def test_the_rule_is_the_one_of_the_steps(seed: int, sizes: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(seed)
    annotated, shop, found = (drawn(rng, count, 4) for count in sizes)
    queries = Annotated(annotated, rng.integers(-1, 3, sizes[0]))
    gallery = Annotated(shop, rng.integers(-1, 3, sizes[1]))
    photo, box = rng.integers(-1, 4, (sizes[2], K)), boxes(rng, sizes[2], K)
    for i in range(sizes[2] * bool(sizes[1])):  # some results are right
        some = rng.integers(0, sizes[1], K // 2)
        photo[i, : K // 2], box[i, : K // 2] = shop.photo[some], shop.box[some]
    results = Results(found, rng.integers(0, 4, sizes[2]) / 4, photo, box)
    outcome = score_from_photos(queries, gallery, results)
    assert (outcome.found.tolist(), outcome.rank.tolist()) == by_steps(queries, gallery, results)


def one(photo: int, box: list[int], category: int) -> Garments:
    return Garments(np.array([photo]), np.array([box]), np.array([category]))


def scored(found: Garments, *, result: list[int] | None = None, shop: int = 9):
    queries, gallery = (
        Annotated(one(1, [0, 0, 4, 4], 2), np.array([5])),
        Annotated(one(9, [0, 0, 4, 4], 7), np.array([5])),
    )
    box = np.array([[result or [0, 0, 4, 4]] * K])
    return score_from_photos(queries, gallery, Results(found, np.ones(1), np.full((1, K), shop), box))


def test_a_box_that_overlaps_nothing_belongs_to_the_first_garment() -> None:
    outcome = scored(one(1, [50, 50, 60, 60], 2))
    assert outcome.recall == outcome.accuracy(1) == 1


@pytest.mark.parametrize(
    ("found", "kwargs", "recall", "accuracy"),
    [
        (one(1, [0, 0, 4, 4], 3), {}, 0, 0),  # another category
        (one(2, [0, 0, 4, 4], 2), {}, 0, 0),  # another photo
        (one(1, [0, 0, 4, 4], 2), {"shop": 8}, 1, 0),  # another photo of the shop
        (one(1, [0, 0, 4, 4], 2), {"result": [0, 0, 4, 2]}, 1, 1),  # half of it
        (one(1, [0, 0, 4, 4], 2), {"result": [0, 0, 3, 2]}, 1, 0),  # less than half
    ],
)
def test_what_is_found_and_right(found: Garments, kwargs: dict, recall: float, accuracy: float) -> None:
    outcome = scored(found, **kwargs)
    assert (outcome.recall, outcome.accuracy(K)) == (recall, accuracy)
    assert outcome.accuracy_of_found(K) == accuracy if recall else np.isnan(outcome.accuracy_of_found(K))
