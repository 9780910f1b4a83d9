"""Where the three numbers of k-reciprocal re-ranking come from: the method's paper, or how many images a product has.

In: the options of a re-ranking and the number of images per product that the model was trained with, where its file
tells. Out: :class:`Settings`, the numbers and why. The labels of queries and gallery are never looked at: whoever
searches in earnest has none.

The rule of `auto` was measured on drawn vectors, drawn garments and real photos with 2 to 50 images per product:
``python -m tests.benchmarks.rerank_settings``, docs/evaluation.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fashret.options import Reranking

PUBLISHED = (20, 6, 0.3)  # k1, k2 and λ of arXiv 1701.08398
FEWEST, MOST = 10, 20  # k1 follows the number of images between these
SHARE = 0.2  # of k1 that k2 is
MANY = 20  # images per product from which on neighbours are trusted more
TRUSTED, CAREFUL = 0.7, 0.95  # λ with so many, and with fewer
PAIR = 2  # images of a product that has one in the gallery, besides that of the query
ASSUMED = 10.0  # images per product where nobody tells: what is taken then loses least over 2 … 50


@dataclass(frozen=True)
class Settings:
    """The numbers of a re-ranking. ``why``: where they come from, in words."""

    k1: int
    k2: int
    lam: float
    why: str
    nothing_to_gain: bool = False  # a product has one image in the gallery


def by_images(images: float) -> tuple[int, int, float]:
    """k1, k2 and λ for so many images per product.

    >>> by_images(2), by_images(5), by_images(15), by_images(50)
    ((10, 2, 0.95), (10, 2, 0.95), (15, 3, 0.95), (20, 4, 0.7))
    """
    k1 = round(min(max(images, FEWEST), MOST))
    return k1, round(SHARE * k1), TRUSTED if images >= MANY else CAREFUL


def choose(options: Reranking, trained: float | None = None) -> Settings:
    """The numbers that the options ask for.

    Parameters
    ----------
    trained
        Median number of images per product of the rows that the model was trained on; None: not known.
    """
    images = options.images_per_product or trained
    if options.settings == "published":
        numbers, why = PUBLISHED, "published"
    elif images is None:
        numbers, why = by_images(ASSUMED), "auto, number of images per product not known (--images-per-product N)"
    else:
        told = "--images-per-product" if options.images_per_product else "the median of the training rows"
        numbers, why = by_images(images), f"auto, for {images:g} images per product ({told})"
    k1, k2, lam = numbers
    given = {"--k1": options.k1, "--k2": options.k2, "--lambda": options.lam}
    if named := [flag for flag, value in given.items() if value is not None]:
        own = " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)
        why = own if len(named) == len(given) else f"{own}; the rest {why}"
    return Settings(
        k1 if options.k1 is None else options.k1,
        k2 if options.k2 is None else options.k2,
        lam if options.lam is None else options.lam,
        why,
        images is not None and images <= PAIR,
    )
