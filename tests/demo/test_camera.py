"""Warps move a picture and its mask alike."""

from __future__ import annotations

import numpy as np
from PIL import Image

from fashret.demo.camera import warp, warped


def test_a_mask_moves_with_its_picture() -> None:
    rng = np.random.default_rng(0)
    square = Image.new("L", (200, 240), 0)
    square.paste(255, (70, 90, 130, 160))
    mesh = warp(rng, square.size, turn=5, tilt=0.08, ripple=0.006)
    mask, picture = warped(square, mesh), warped(Image.merge("RGB", [square] * 3), mesh)
    assert (np.abs(np.asarray(mask, dtype=int) - np.asarray(picture)[..., 0]) > 128).mean() < 0.01
    assert np.asarray(mask).mean() > np.asarray(square).mean()  # nearer, not farther
