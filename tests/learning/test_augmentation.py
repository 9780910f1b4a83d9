"""Random changes to training images."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fashret.errors import FashretError
from fashret.learning.augmentation import Augmentation, augment, generator_for
from fashret.models.preprocessing import normalise
from fashret.models.settings import ModelSettings

SETTINGS = ModelSettings(height=24, width=12)
NOTHING = Augmentation(flip=0, pad=0, jitter=0, erase=0)


def image(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 255, (24, 12, 3), np.uint8)  # no black: that is the margin


def test_nothing_is_the_plain_input():
    assert torch.equal(augment(image(), SETTINGS, NOTHING, generator_for(0, 0, 0)), normalise(image(), SETTINGS))


def test_result_depends_on_seed_epoch_and_position_alone():
    everything = Augmentation(jitter=0.2)
    results = {}
    torch.manual_seed(0)
    for key in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 2**40)]:
        first = augment(image(), SETTINGS, everything, generator_for(*key))
        torch.rand(3)  # the process's random numbers have no part in it
        assert torch.equal(first, augment(image(), SETTINGS, everything, generator_for(*key)))
        results[key] = first
    values = list(results.values())
    assert all(not torch.equal(a, b) for i, a in enumerate(values) for b in values[i + 1 :])


def test_the_input_is_left_as_it_was_and_may_be_read_only():
    pixels = image()
    pixels.flags.writeable = False
    augment(pixels, SETTINGS, Augmentation(jitter=0.5), generator_for(0, 0, 0))
    assert np.array_equal(pixels, image())


def test_flip_mirrors_in_its_share_of_cases():
    plain, mirrored = normalise(image(), SETTINGS), normalise(image()[:, ::-1], SETTINGS)
    half = Augmentation(flip=0.5, pad=0, erase=0)
    results = [augment(image(), SETTINGS, half, generator_for(0, 0, i)) for i in range(400)]
    flips = sum(torch.equal(result, mirrored) for result in results)
    assert flips + sum(torch.equal(result, plain) for result in results) == 400
    assert 160 < flips < 240  # ± 4 standard deviations


def test_shift_is_a_crop_of_the_image_with_a_black_margin():
    pad = 3
    canvas = np.zeros((24 + 2 * pad, 12 + 2 * pad, 3), np.uint8)
    canvas[pad:-pad, pad:-pad] = image()
    crops = {
        (top, left): normalise(canvas[top : top + 24, left : left + 12], SETTINGS)
        for top in range(2 * pad + 1)
        for left in range(2 * pad + 1)
    }
    seen = set()
    for i in range(300):
        result = augment(image(), SETTINGS, Augmentation(flip=0, pad=pad, erase=0), generator_for(0, 0, i))
        places = [place for place, crop in crops.items() if torch.equal(result, crop)]
        assert len(places) == 1
        seen.update(places)
    assert {top for top, _ in seen} == {left for _, left in seen} == set(range(2 * pad + 1))


def test_erasing_fills_one_rectangle_of_the_published_size_with_the_mean():
    plain = normalise(image(), SETTINGS)
    always = Augmentation(flip=0, pad=0, erase=1)
    shares = []
    for i in range(300):
        result = augment(image(), SETTINGS, always, generator_for(0, 0, i))
        changed = (result != plain).any(dim=0)
        rows, columns = changed.any(dim=1).nonzero().flatten(), changed.any(dim=0).nonzero().flatten()
        tall, wide = int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
        assert changed.sum() == tall * wide  # a full rectangle
        inside = result[:, changed]
        assert torch.equal(inside, torch.tensor(SETTINGS.mean)[:, None].expand_as(inside))
        share, ratio = tall * wide / (24 * 12), tall / wide
        assert 0.01 < share < 0.45 and 0.2 < ratio < 4.5  # 0.02..0.4 and 0.3..1/0.3 before rounding to pixels
        shares.append(share)
    assert min(shares) < 0.06 and max(shares) > 0.33


def test_erasing_happens_in_its_share_of_cases_and_gives_up_on_tiny_images():
    plain = normalise(image(), SETTINGS)
    sometimes = Augmentation(flip=0, pad=0, erase=0.25)
    changed = sum(
        not torch.equal(augment(image(), SETTINGS, sometimes, generator_for(0, 0, i)), plain) for i in range(400)
    )
    assert 65 < changed < 135
    dot = np.full((1, 1, 3), 9, np.uint8)
    result = augment(dot, SETTINGS, Augmentation(flip=0, pad=0, erase=1), generator_for(0, 0, 0))
    assert torch.equal(result, normalise(dot, SETTINGS))


def test_jitter_scales_brightness_and_contrast_within_bounds():
    gray = np.full((24, 12, 3), 100, np.uint8)  # contrast does nothing to a flat image
    plain = ModelSettings(height=24, width=12, mean=(0, 0, 0), std=(1, 1, 1))
    jittered = Augmentation(flip=0, pad=0, erase=0, jitter=0.2)
    values = [float(augment(gray, plain, jittered, generator_for(0, 0, i)).mean()) * 255 for i in range(200)]
    assert 79 <= min(values) < 85 and 115 < max(values) <= 120
    two_tones = gray.copy()
    two_tones[:12] = 140
    spreads = []
    for i in range(200):
        result = augment(two_tones, plain, jittered, generator_for(0, 0, i)) * 255
        spreads.append(float((result[:, :12].mean() - result[:, 12:].mean()) / result.mean()) / (40 / 120))
    assert 0.83 < min(spreads) < 0.9 and 1.1 < max(spreads) < 1.17  # contrast × 0.85..1.15


@pytest.mark.parametrize("values", [{"flip": 1.5}, {"erase": -0.1}, {"pad": -1}, {"jitter": 2}])
def test_values_out_of_range_are_said(values):
    with pytest.raises(FashretError):
        Augmentation(**values)
