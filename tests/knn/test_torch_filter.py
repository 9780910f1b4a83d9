"""The filter on a device finds what matters, as the one on the CPU does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fashret.knn import candidates
from fashret.knn.bounds import float32_at_least, float32_at_most
from fashret.knn.candidates import Limits
from fashret.knn.cpu_filter import cpu_filter
from fashret.knn.distance import METRICS
from fashret.knn.torch_filter import TorchFilter
from fashret.knn.vectors import Block
from tests import brute
from tests.knn_case import block_of, check_limits, check_seeds, found_pairs, with_ties

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def blocks(metric: str, rows: int = 30, columns: int = 90) -> tuple[Block, Block]:
    rng = np.random.default_rng(rows)
    vectors = with_ties(rng, rows + columns, 40)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return block_of(vectors[:rows], metric), block_of(vectors[rows:], metric)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("metric", METRICS)
def test_finds_what_matters(metric: str, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for few in (candidates.FEW, 50):  # at once, and some rows at a time
        monkeypatch.setattr(candidates, "FEW", few)
        check_limits(TorchFilter(torch.device(device)), 0, blocks(metric), np.arange(4, 27), 1e-3)
    check_limits(TorchFilter(torch.device(device)), 0, blocks(metric, 1), np.arange(1), 1e-3)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 2, 29, 90, 91])
def test_seeds_hold_the_k_nearest_and_the_farthest(metric: str, device: str, k: int) -> None:
    check_seeds(TorchFilter(torch.device(device)), blocks(metric), k)
    check_seeds(TorchFilter(torch.device(device)), blocks(metric, 1, 1), k)


@pytest.mark.parametrize("device", DEVICES)
def test_both_filters_agree_about_what_they_must_find(device: str) -> None:
    """Limits that are exactly the distance of a pair: bounds that miss by one bit would leave it out."""
    rows, columns = blocks("euclidean")
    distances = brute.distance_matrix(rows.data.vectors, columns.data.vectors, "euclidean")
    ordered, which = np.sort(distances, axis=1), np.arange(30)
    limits = Limits(float32_at_least(ordered[:, 4]), float32_at_most(ordered[:, -2]), np.zeros(30, np.int32))
    both = [
        found_pairs(list(each.candidates(0, rows, columns, which, (limits, None))), distances.shape, distances)
        for each in (TorchFilter(torch.device(device)), cpu_filter("float32", 1))
    ]
    must = (distances <= ordered[:, 4:5]) | (distances >= ordered[:, -2:-1])
    assert both[0][must].all() and both[1][must].all()
    assert (both[0] != both[1]).sum() <= 0.01 * must.sum()


def test_says_what_it_needs() -> None:
    filter_ = TorchFilter(torch.device("cpu"))
    assert filter_.levels == ("float32",) and filter_.largest == 2048 and filter_.row_bytes(10) == 40
    assert not filter_.has_room(10**9, 100)
