"""From a crop to the network's input."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fashret.errors import FashretError
from fashret.models.preprocessing import fit_image, normalise, prepare
from fashret.models.settings import ModelSettings


def crop(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)


@settings(max_examples=60)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 40), st.integers(1, 40))
def test_pad_shrinks_keeping_the_aspect_and_centres_on_white(height, width, input_height, input_width):
    image = np.zeros((height, width, 3), np.uint8)
    fitted = fit_image(image, ModelSettings(height=input_height, width=input_width, fit="pad"))
    assert fitted.shape == (input_height, input_width, 3) and fitted.dtype == np.uint8
    black = (fitted == 0).all(axis=2)
    assert black.any() and (fitted[~black] == 255).all()
    rows, columns = np.flatnonzero(black.any(axis=1)), np.flatnonzero(black.any(axis=0))
    tall, wide = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    assert black.sum() == tall * wide  # one rectangle
    scale = min(1, input_height / height, input_width / width)  # never enlarged
    assert tall == max(1, round(height * scale)) and wide == max(1, round(width * scale))
    for start, length, whole in ((rows[0], tall, input_height), (columns[0], wide, input_width)):
        assert 0 <= (whole - length - start) - start <= 1  # margins differ by a pixel at most


def test_pad_leaves_a_small_crop_as_it_is():
    image = crop(5, 3)
    fitted = fit_image(image, ModelSettings(height=9, width=9, fit="pad"))
    assert np.array_equal(fitted[2:7, 3:6], image)


@pytest.mark.parametrize("shape", [(300, 140), (20, 10), (64, 32), (1, 1), (500, 3)])
def test_stretch_is_an_antialiased_bilinear_resize(shape):
    image = crop(*shape)
    fitted = fit_image(image, ModelSettings(height=64, width=32))
    assert fitted.shape == (64, 32, 3)
    assert np.array_equal(fitted, np.asarray(Image.fromarray(image).resize((32, 64), Image.Resampling.BILINEAR)))


def test_shrinking_averages_over_the_source_and_does_not_skip_pixels():
    stripes = np.zeros((8, 64, 3), np.uint8)
    stripes[:, ::2] = 200  # every second column
    fitted = fit_image(stripes, ModelSettings(height=8, width=8))
    assert np.abs(fitted.astype(int) - 100).max() <= 14


def test_normalise_equals_loop_for_one_and_for_many():
    plain = ModelSettings(height=2, width=3, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
    images = np.stack([crop(2, 3, seed) for seed in range(4)])
    batch = normalise(images, plain)
    assert batch.shape == (4, 3, 2, 3) and batch.dtype == torch.float32 and batch.is_contiguous()
    for b, y, x, c in np.ndindex(4, 2, 3, 3):
        expected = (float(images[b, y, x, c]) / 255 - plain.mean[c]) / plain.std[c]
        assert float(batch[b, c, y, x]) == pytest.approx(expected, abs=1e-5)
    assert torch.equal(normalise(images[1], plain), batch[1])
    assert torch.equal(normalise(torch.from_numpy(images), plain), batch)


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)],
)
def test_what_is_no_rgb_image_is_said_with_its_shape(image):
    with pytest.raises(FashretError, match="h×w×3 uint8, not "):
        fit_image(image, ModelSettings())


def test_a_crop_is_brought_to_the_input_of_each_network():
    fitted = prepare(crop(20, 24), (ModelSettings(height=8, width=6), ModelSettings(height=4, width=4, fit="pad")))
    assert [image.shape for image in fitted] == [(8, 6, 3), (4, 4, 3)]
