"""The bootstrap against a loop that draws and averages one sample at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashret.evaluation import intervals
from fashret.evaluation.intervals import bootstrap, resampled_means


def one_by_one(values, group, groups, resamples, seed):
    """Slow twin: the same draws, averaged with Python's sums."""
    rng = np.random.default_rng(seed)
    per_group = {}
    for g in range(groups):
        members = [values[i] for i in range(len(values)) if group[i] == g]
        if not members:
            continue
        drawn = [[members[i] for i in rng.integers(len(members), size=len(members))] for _ in range(resamples)]
        per_group[g] = np.array(
            [[sum(column) / len(sample) for column in zip(*sample, strict=True)] for sample in drawn]
        )
    overall = sum(per_group.values()) / len(per_group)
    ends = {g: np.percentile(means, [2.5, 97.5], axis=0).T for g, means in per_group.items()}
    return ends, np.percentile(overall, [2.5, 97.5], axis=0).T


@pytest.mark.parametrize("block", [1, 7, 10_000])
def test_equals_the_loop_whatever_the_block_size(monkeypatch, block):
    monkeypatch.setattr(intervals, "BLOCK", block)
    rng = np.random.default_rng(3)
    values = rng.random((23, 3)).round(1)
    values[:, 1] = values[:, 1] > 0.5
    group = rng.choice([0, 1, 3], size=23)
    found = bootstrap(values, group, 4, resamples=60, seed=5)
    ends, overall = one_by_one(values, group, 4, 60, 5)
    for g in (0, 1, 3):
        np.testing.assert_allclose(found.groups[g], ends[g], atol=1e-12)
    assert np.isnan(found.groups[2]).all()
    np.testing.assert_allclose(found.mean, overall, atol=1e-12)


def test_one_query_has_a_degenerate_interval_and_none_has_nan():
    found = bootstrap(np.array([[0.25]]), np.array([0]), 2, resamples=9)
    assert found.groups[0].tolist() == [[0.25, 0.25]]
    assert np.isnan(bootstrap(np.empty((0, 2)), np.empty(0, int), 3).mean).all()


def test_covers_the_true_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    samples = rng.random((400, 60, 1))
    inside = 0
    for i, sample in enumerate(samples):
        ((low, high),) = bootstrap(sample, np.zeros(60, int), 1, resamples=300, seed=i).mean
        inside += low <= 0.5 <= high
    assert 0.90 <= inside / 400 <= 0.98  # 95 % nominal; 4 standard errors are 0.044


@settings(max_examples=40)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(0, 9))
def test_means_of_samples_lie_between_the_smallest_and_the_largest_value(values, seed):
    column = np.array(values)[:, None]
    means = resampled_means(column, 20, np.random.default_rng(seed))
    assert means.shape == (20, 1)
    assert means.min() >= min(values) - 1e-12 and means.max() <= max(values) + 1e-12


def test_the_same_seed_draws_the_same_queries_for_two_runs():
    values = np.random.default_rng(1).random((50, 1))
    first, second = (resampled_means(v, 30, np.random.default_rng(4)) for v in (values, values + 0.125))
    np.testing.assert_allclose(second - first, 0.125)
