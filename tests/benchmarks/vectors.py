"""Synthetic embeddings of any size for the benchmarks, written straight to HDF5.

A product is a random centre, its images are the centre plus noise; both have a power-law spectrum (variance of
direction i proportional to i^−exponent) in a random basis, as learned embeddings have. 3 to 8 gallery images a product.
The noise is set so that mAP lies between 0.4 and 0.6. ``relu`` cuts the negative values off, as after pooling.

In: a :class:`Recipe`. Out: blocks of vectors with their products, or an embeddings file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from fashret.files.columns import Role, Rows, text_array
from fashret.files.embeddings import EmbeddingsOrigin, write_embeddings

PRODUCTS_PER_BLOCK = 1024


@dataclass(frozen=True)
class Recipe:
    """What to draw; the same recipe gives the same vectors."""

    queries: int
    gallery: int
    width: int
    noise: float = 1.0  # standard deviation of an image around its product, that of a product being 1
    exponent: float = 1.0  # of the power law
    relu: bool = False
    seed: int = 0


def _spectrum(recipe: Recipe) -> NDArray[np.float32]:
    variance = np.arange(1, recipe.width + 1) ** -recipe.exponent
    return np.sqrt(variance / variance.sum()).astype(np.float32)


def _mixed(recipe: Recipe, latent: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors of length 1 from latent ones: random signs and a cosine transform stand for a random rotation."""
    signs = np.random.default_rng([recipe.seed, 9]).choice(np.array([-1, 1], np.float32), recipe.width)
    mixed = dct(latent * signs, norm="ortho", axis=1, workers=2)
    if recipe.relu:
        np.maximum(mixed, 0, out=mixed)
    mixed /= np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-30)
    return mixed.astype(np.float32, copy=False)


def _centres(recipe: Recipe, block: int) -> NDArray[np.float32]:
    draw = np.random.default_rng([recipe.seed, 0, block])
    return draw.standard_normal((PRODUCTS_PER_BLOCK, recipe.width), np.float32) * _spectrum(recipe)


def _images(recipe: Recipe, centres: NDArray[np.float32], draw: np.random.Generator) -> NDArray[np.float32]:
    noise = draw.standard_normal(centres.shape, np.float32) * (recipe.noise * _spectrum(recipe))
    return _mixed(recipe, centres + noise)


def query_blocks(recipe: Recipe) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Blocks of (vectors n×D float32, products n int64) of the queries: one image of each of the first products."""
    for block, first in enumerate(range(0, recipe.queries, PRODUCTS_PER_BLOCK)):
        count = min(PRODUCTS_PER_BLOCK, recipe.queries - first)
        draw = np.random.default_rng([recipe.seed, 1, block])
        yield _images(recipe, _centres(recipe, block)[:count], draw), np.arange(first, first + count)


def gallery_blocks(recipe: Recipe) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Blocks of (vectors n×D float32, products n int64) of the gallery, ``recipe.gallery`` rows in all."""
    left, block = recipe.gallery, 0
    while left:
        draw = np.random.default_rng([recipe.seed, 2, block])
        images = draw.integers(3, 9, PRODUCTS_PER_BLOCK)
        product = np.repeat(np.arange(PRODUCTS_PER_BLOCK), images)[:left]
        vectors = _images(recipe, _centres(recipe, block)[product], draw)
        yield vectors, product + block * PRODUCTS_PER_BLOCK
        left, block = left - len(product), block + 1


def write(recipe: Recipe, path: Path) -> None:
    """Write an embeddings file, the queries first."""
    origin = EmbeddingsOrigin({"name": "drawn vectors"}, normalized=True, dataset="drawn vectors")
    shape = (recipe.queries + recipe.gallery, recipe.width)
    with write_embeddings(path, shape, ("drawn",), origin) as append:
        for blocks, role in ((query_blocks, Role.QUERY), (gallery_blocks, Role.GALLERY)):
            for vectors, product in blocks(recipe):
                append(_rows(product, role), vectors)


def _rows(product: NDArray[np.int64], role: Role) -> Rows:
    count = len(product)
    return Rows(
        source=text_array(["drawn"] * count),
        box=np.full((count, 4), np.nan, np.float32),
        product=text_array([str(number) for number in product]),
        role=np.full(count, role, np.uint8),
        domain=np.ones(count, np.uint8),
        category=np.zeros(count, np.int16),
        categories=("drawn",),
    )


def calibrated(recipe: Recipe, target: float = 0.5, sample: int = 200) -> Recipe:
    """The recipe with its noise set so that mAP is about ``target``, by bisection on a sample."""
    low, high = 0.05, 8.0
    for _ in range(9):
        middle = (low * high) ** 0.5
        reached = _estimated_map(replace(recipe, noise=middle), sample)
        low, high = (middle, high) if reached > target else (low, middle)
    return replace(recipe, noise=round((low * high) ** 0.5, 3))


def _estimated_map(recipe: Recipe, sample: int) -> float:
    """mAP over the whole gallery, estimated from the first ``sample`` queries and a part of the gallery."""
    part = replace(recipe, queries=min(sample, recipe.queries), gallery=min(20_000, recipe.gallery))
    queries, wanted = next(query_blocks(part))
    others: list[NDArray] = []
    near: list[NDArray] = []
    for vectors, product in gallery_blocks(part):
        scores, same = queries @ vectors.T, wanted[:, None] == product
        near.append(np.where(same, scores, -2.0)[:, same.any(0)] if same.any() else np.empty((len(queries), 0)))
        others.append(np.where(same, -2.0, scores))
    before, positive = np.sort(np.hstack(others), axis=1), np.hstack(near)
    scale = recipe.gallery / part.gallery
    precision = []
    for row, scores in zip(before, positive, strict=True):
        hits = np.sort(scores[scores > -2])[::-1]
        ahead = scale * (len(row) - np.searchsorted(row, hits))
        precision.append(np.mean(np.arange(1, len(hits) + 1) / (ahead + np.arange(1, len(hits) + 1))))
    return float(np.mean(precision))
