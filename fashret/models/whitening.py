"""Whitening: vectors are turned to their principal directions, the first few of which are kept and evened out.

In: vectors of training rows, all of length 1. Out: a `Whitening`, and vectors to which it was applied, of length 1
again. It is fitted on at most `MOST_ROWS` rows, a sample drawn by the seed, which bounds memory (`MOST_ROWS` × D × 8
bytes, twice) and time whatever the number of rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fashret.errors import FashretError
from fashret.files.whitening import Whitening

MOST_ROWS = 16_384
SMALLEST_VARIANCE = 1e-9  # of the largest: what is below is rounding
SHORTEST = 1e-12  # a vector of length 0 stays 0


def sample(rows: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """At most `MOST_ROWS` of some rows, drawn by the seed, in their order.

    >>> sample(np.arange(3), seed=0).tolist(), len(sample(np.arange(100_000), seed=0))
    ([0, 1, 2], 16384)
    """
    if len(rows) <= MOST_ROWS:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))


def check_width(width: int, inputs: int, rows: int) -> None:
    """Refuse a width that vectors of `inputs` numbers, or as many training rows, cannot give.

    Raises
    ------
    FashretError
        With the largest that they could.
    """
    if width > inputs:
        raise FashretError(f"--whiten {width:,}: the vectors have {inputs:,} numbers; ask for that or fewer")
    if rows < 2:
        raise FashretError(
            f"--whiten {width:,}: is fitted on rows with the role train, and there are {rows}; give crops with "
            "training rows, or --whiten-from a file that was whitened"
        )
    if width > rows - 1:
        raise FashretError(
            f"--whiten {width:,}: {rows:,} training rows give at most {rows - 1:,} numbers; ask for that or fewer"
        )


def fit_whitening(vectors: NDArray[np.float32], width: int, power: float) -> Whitening:
    """Principal directions of some vectors, each divided by its variance to a power.

    0.5 makes the variances equal, as whitening does; 0 keeps them and only turns and cuts.

    Parameters
    ----------
    vectors
        N×D, each of length 1.
    width
        K, how many directions are kept, those of the largest variance.

    Raises
    ------
    FashretError
        If the vectors do not have that many numbers, or do not vary in that many directions.
    """
    from sklearn.decomposition import PCA

    check_width(width, vectors.shape[1], len(vectors))
    solver = "covariance_eigh" if len(vectors) > vectors.shape[1] else "full"  # the same result, by the shorter way
    with np.errstate(invalid="ignore"):  # of equal vectors; below they are refused
        pca = PCA(width, svd_solver=solver).fit(vectors.astype(np.float64))
    variance = pca.explained_variance_
    varied = int((variance > SMALLEST_VARIANCE * variance[0]).sum())
    if varied < width or not variance[0] > 0:
        varied = varied if variance[0] > 0 else 0
        raise FashretError(
            f"--whiten {width:,}: the {len(vectors):,} training rows vary in {varied:,} directions only; "
            "ask for that or fewer"
        )
    directions = pca.components_ / variance[:, None] ** power
    return Whitening(pca.mean_.astype(np.float32), directions.astype(np.float32), float(power), len(vectors))


def whitened(vectors: NDArray[np.float32], whitening: Whitening) -> NDArray[np.float32]:
    """N×D vectors of length 1 → N×K float32 of length 1, computed in float64: a row does not depend on the others."""
    shifted = vectors.astype(np.float64) - whitening.mean
    turned = shifted @ whitening.directions.T.astype(np.float64)
    length = np.sqrt((turned**2).sum(axis=1, keepdims=True))
    return (turned / np.maximum(length, SHORTEST)).astype(np.float32)
