"""Patterns: unlike each other, without a seam."""

from __future__ import annotations

import numpy as np

from fashret.demo.fabrics import COLOURS, PATTERNS, SIZE, tile


def test_patterns_differ_and_repeat_without_a_seam() -> None:
    base, second, accent = COLOURS["ivory"], COLOURS["navy"], COLOURS["red"]
    tiles = {name: tile(name, base, second, accent).astype(np.int64) for name in PATTERNS}
    assert all(cloth.shape == (SIZE, SIZE, 3) for cloth in tiles.values())
    names = list(tiles)
    for i, one in enumerate(names):
        for other in names[:i]:
            assert (np.abs(tiles[one] - tiles[other]).max(axis=2) > 24).mean() > 0.03, (one, other)
    for name in ("floral", "leopard", "polka dot", "hearts", "camouflage"):  # shapes that cross the border
        cloth = tiles[name]
        seam = np.abs(cloth[:, 0] - cloth[:, -1]).mean()
        inner = np.abs(np.diff(cloth, axis=1)).mean(axis=(0, 2)).max()
        assert seam < 1.5 * inner, name
