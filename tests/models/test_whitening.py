"""Whitening against the principal directions that loops find, and the widths that rows cannot give."""

from __future__ import annotations

import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.models import whitening
from fashret.models.whitening import fit_whitening, sample, whitened


def unit_rows(count: int, width: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, width)) * (1 + np.arange(width)) + 0.5
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def directions_by_loops(vectors: np.ndarray, width: int) -> tuple[np.ndarray, list[np.ndarray], list[float]]:
    """Mean, and the directions of the largest variance, each by power iteration on what the ones before leave."""
    mean = sum(vector.astype(np.float64) for vector in vectors) / len(vectors)
    left = [vector - mean for vector in vectors]
    directions, variances = [], []
    for _ in range(width):
        direction = np.arange(1.0, len(mean) + 1)
        for _ in range(3000):
            direction = sum((float(vector @ direction) * vector for vector in left), np.zeros(len(mean)))
            direction /= np.linalg.norm(direction)
        variances.append(sum(float(vector @ direction) ** 2 for vector in left) / (len(left) - 1))
        directions.append(direction)
        left = [vector - float(vector @ direction) * direction for vector in left]
    return mean, directions, variances


@pytest.mark.parametrize("count", [12, 5])  # more rows than numbers, and fewer
@pytest.mark.parametrize("power", [0.5, 0.25, 0.0])
def test_whitened_vectors_are_those_of_the_definition(count: int, power: float) -> None:
    vectors, width = unit_rows(count, 6), 3
    mean, directions, variances = directions_by_loops(vectors, width)
    found = fit_whitening(vectors, width, power)
    assert (found.width, found.rows, found.power) == (3, count, power)
    for one, result in zip(vectors, whitened(vectors, found), strict=True):
        turned = [float((one - mean) @ d) / v**power for d, v in zip(directions, variances, strict=True)]
        length = sum(value**2 for value in turned) ** 0.5
        signs = np.sign(np.sum(found.directions * np.array(directions), axis=1))  # of a direction: either
        np.testing.assert_allclose(result * signs, np.array(turned) / length, atol=1e-4)


def test_half_a_power_makes_the_variances_equal_and_none_keeps_the_cosines_of_what_is_centred() -> None:
    vectors = unit_rows(40, 6)
    for power, spread in ((0.5, 1.0), (0.0, None)):
        found = fit_whitening(vectors, 5 if spread else 6, power)
        turned = (vectors - found.mean) @ found.directions.T
        if spread:
            np.testing.assert_allclose(turned.var(axis=0, ddof=1), spread, rtol=1e-3)
        else:
            centred = vectors - vectors.mean(axis=0)
            np.testing.assert_allclose(turned @ turned.T, centred @ centred.T, atol=1e-5)


def test_a_vector_does_not_depend_on_the_others_and_has_length_one() -> None:
    vectors = unit_rows(40, 6)
    found = fit_whitening(vectors, 4, 0.5)
    together = whitened(vectors, found)
    np.testing.assert_array_equal(np.concatenate([whitened(vectors[i : i + 1], found) for i in range(40)]), together)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    assert whitened(found.mean[None], found).tolist() == [[0, 0, 0, 0]]  # nothing to scale: no NaN


@pytest.mark.parametrize(
    ("width", "vectors", "message"),
    [
        (7, unit_rows(40, 6), "--whiten 7: the vectors have 6 numbers; ask for that or fewer"),
        (4, unit_rows(4, 6), "--whiten 4: 4 training rows give at most 3 numbers"),
        (1, unit_rows(1, 6), "is fitted on rows with the role train, and there are 1"),
        (1, unit_rows(0, 6), "is fitted on rows with the role train, and there are 0"),
        (4, unit_rows(4, 6)[[0, 1, 2, 3] * 5], "--whiten 4: the 20 training rows vary in 3 directions only"),
        (1, unit_rows(1, 6)[[0] * 5], "vary in 0 directions only"),
    ],
)
def test_a_width_that_rows_cannot_give_is_refused(width: int, vectors: np.ndarray, message: str) -> None:
    with pytest.raises(FashretError, match=message) as error:
        fit_whitening(vectors, width, 0.5)
    assert "\n" not in str(error.value)


def test_many_rows_are_sampled_by_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whitening, "MOST_ROWS", 5)
    rows = np.arange(3, 40)
    one, same, other = (sample(rows, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert len(set(one.tolist())) == 5 and set(one.tolist()) <= set(rows.tolist()) and sorted(one) == one.tolist()
    assert one.tolist() != other.tolist()
    assert sample(rows[:5], 0).tolist() == [3, 4, 5, 6, 7]
