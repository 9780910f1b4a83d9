"""What the demo's tests share: the props of one seed, a product's look as pixels, how far two looks differ."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from fashret.demo.catalogue import TWINS, Product
from fashret.demo.drawing import sprite
from fashret.demo.scenes import Props, props
from fashret.stages import demo


@cache
def scene() -> Props:
    """The props of seed 0, made once for all tests."""
    return props(0)


def draw_less(patch: pytest.MonkeyPatch) -> None:
    """Make `fashret demo` in this process draw fewer photos, with the same props for every seed."""
    patch.setattr(demo, "PHOTOS", {"train": (1, 0), "val": (0, 1), "test": (2, 1)})
    patch.setattr(demo, "props", lambda seed: scene())


def families(catalogue: list[Product]) -> list[list[Product]]:
    """The products, each with its twins."""
    return [catalogue[i : i + TWINS] for i in range(0, len(catalogue), TWINS)]


def seen(product: Product) -> np.ndarray:
    """The sprite, worn and flat side by side, on light grey."""
    drawn, pictures = sprite(product), []
    for cutout in (drawn.worn, drawn.flat):
        alpha = np.asarray(cutout.alpha, dtype=np.float64)[..., None] / 255
        pictures.append(np.asarray(cutout.rgb, dtype=np.float64) * alpha + 240 * (1 - alpha))
    return np.stack(pictures)


def visible_share(one: np.ndarray, other: np.ndarray) -> float:
    """Share of a sprite in which two products differ visibly, worn or flat, whichever is less."""
    return float((np.abs(one - other).max(axis=3) > 24).mean(axis=(1, 2)).min())
