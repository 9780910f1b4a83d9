"""The two kinds of photo: what a street photo must show, what a shop photo must be."""

from __future__ import annotations

import numpy as np

from fashret.demo.catalogue import CATEGORIES, Product, products
from fashret.demo.drawing import sprite
from fashret.demo.scenes import shop_photo, street_photo
from fashret.demo.styles import CUTS
from tests.demo_case import scene


def test_street_photos_hide_nothing_that_matters() -> None:
    """The box lies in the photo, is neither tiny nor all of it, and holds the garment's colour and not the ground's."""
    for i, category in enumerate(CATEGORIES):
        bright = Product(i, 0, category, next(iter(CUTS[category])), "plain", ("fuchsia",) * 3, "none", "none", "test")
        drawn = sprite(bright)
        found = 0
        for number in range(4):
            photo, (x1, y1, x2, y2) = street_photo(bright, drawn, scene(), np.random.default_rng((i, number)))
            assert 0 <= x1 < x2 <= photo.width
            assert 0 <= y1 < y2 <= photo.height
            assert 0.3 * min(photo.size) < max(x2 - x1, y2 - y1)
            hue = np.asarray(photo.convert("HSV"))[..., :2].astype(np.int64)
            pink = (np.abs((hue[..., 0] - 235 + 128) % 256 - 128) < 24) & (hue[..., 1] > 70)
            inside, outside = pink[y1:y2, x1:x2].mean(), pink.copy()
            outside[y1:y2, x1:x2] = False
            found += inside > 0.08 and inside > 2 * outside.mean()
        assert found >= 2, category  # the light may turn fuchsia into something else


def test_shop_photos_are_whole_on_a_light_ground() -> None:
    product = products(24, 0)[0]
    for number in range(6):
        photo = shop_photo(sprite(product), scene(), np.random.default_rng(number), first=True)
        border = np.concatenate([np.asarray(photo)[0], np.asarray(photo)[-1]])
        assert border.min() > 150
        assert np.asarray(photo).std() > 20
