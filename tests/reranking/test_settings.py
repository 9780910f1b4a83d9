"""The numbers of k-reciprocal re-ranking: those asked for, else by the number of images per product, or the paper's."""

from __future__ import annotations

import pytest

from fashret.errors import FashretError
from fashret.options import Reranking, RerankOptions
from fashret.reranking.settings import ASSUMED, PUBLISHED, by_images, choose


def numbers(options: Reranking, trained: float | None = None) -> tuple[int, int, float]:
    chosen = choose(options, trained)
    return chosen.k1, chosen.k2, chosen.lam


def test_published_are_those_of_the_paper() -> None:
    assert numbers(Reranking(settings="published")) == (20, 6, 0.3) == PUBLISHED
    assert numbers(Reranking(settings="published"), trained=5) == PUBLISHED
    assert choose(Reranking(settings="published"), 5).why == "published"


def test_auto_goes_by_what_the_user_says_then_by_the_training_rows_then_by_a_middle() -> None:
    said = choose(Reranking(images_per_product=30), trained=5)
    assert (said.k1, said.k2, said.lam) == by_images(30)
    assert said.why == "auto, for 30 images per product (--images-per-product)"
    trained = choose(Reranking(), trained=5.5)
    assert (trained.k1, trained.k2, trained.lam) == by_images(5.5)
    assert trained.why == "auto, for 5.5 images per product (the median of the training rows)"
    unknown = choose(Reranking())
    assert (unknown.k1, unknown.k2, unknown.lam) == by_images(ASSUMED)
    assert unknown.why == "auto, number of images per product not known (--images-per-product N)"


def test_numbers_override() -> None:
    assert numbers(Reranking(settings="published", k1=7)) == (7, 6, 0.3)
    assert numbers(Reranking(lam=0.0), trained=50) == (*by_images(50)[:2], 0.0)
    assert choose(Reranking(k1=7, k2=2)).why.startswith("--k1 and --k2; the rest auto, ")
    whole = choose(Reranking(k1=7, k2=2, lam=1.0))
    assert (whole.k1, whole.k2, whole.lam, whole.why) == (7, 2, 1.0, "--k1, --k2 and --lambda")


def test_the_fewer_images_the_more_the_plain_distance_counts() -> None:
    numbers = [by_images(images) for images in (1, 2, 2.5, 5, 10, 13, 19.5, 20, 50, 1000)]
    for k1, k2, lam in numbers:
        assert 1 <= k2 <= k1 <= PUBLISHED[0] and lam > PUBLISHED[2]
    assert [k1 for k1, _, _ in numbers] == sorted(k1 for k1, _, _ in numbers)
    assert [lam for _, _, lam in numbers] == sorted((lam for _, _, lam in numbers), reverse=True)
    assert len(set(numbers[:5])) == len(set(numbers[-3:])) == 1


@pytest.mark.parametrize(("images", "nothing"), [(1, True), (2, True), (3, False), (None, False)])
def test_one_image_in_the_gallery_has_nothing_to_gain(images: int | None, nothing: bool) -> None:
    assert choose(Reranking(images_per_product=images)).nothing_to_gain is nothing


def test_what_cannot_be_is_one_line() -> None:
    with pytest.raises(FashretError, match="^--settings mine: not known; give auto or published$"):
        RerankOptions(settings="mine")
    with pytest.raises(FashretError, match="^--images-per-product 0: must be 1 or more$"):
        RerankOptions(images_per_product=0)
