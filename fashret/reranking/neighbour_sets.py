"""Who is whose neighbour both ways: k-reciprocal sets and their expansion, as sparse matrices of 0 and 1.

In: exact neighbour lists of N rows, each row first in its own list. Out: for every row the set of rows that describe
it: N×N ``csr_array``, columns ascending.

Zhong et al., "Re-ranking Person Re-identification with k-Reciprocal Encoding", CVPR 2017, sections 3.2 and 3.3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

ROWS_AT_ONCE = 1 << 14  # rows that are expanded together


def half(k1: int) -> int:
    """Half of k1 as the published method rounds it: to the nearest, ties to the even number.

    >>> [half(k) for k in (1, 2, 3, 5, 20)]
    [0, 1, 2, 2, 10]
    """
    return round(k1 / 2)


def membership(lists: NDArray[np.int32], columns: int, kind: type = np.int32) -> sparse.csr_array:
    """n×columns, 1 where a row has a column in its list (n×K, −1 after the end), entries in the order of the lists."""
    there = lists >= 0
    offsets = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    return sparse.csr_array((np.ones(offsets[-1], kind), lists[there], offsets), (len(lists), columns))


def reciprocal_sets(lists: NDArray[np.int32], k: int) -> sparse.csr_array:
    """R(i, k): the k+1 nearest of i, i included, that have i among their own k+1 nearest (equation 2).

    ``lists``: N×K int32, K ≥ min(k+1, N), neighbours of each row, the row itself first, −1 where there are no more.

    >>> reciprocal_sets(np.array([[0, 1], [1, 2], [2, 1]], np.int32), 1).toarray().tolist()
    [[1, 0, 0], [0, 1, 1], [0, 1, 1]]
    """
    near = membership(lists[:, : k + 1], len(lists))
    near.sort_indices()
    return near.multiply(near.T.tocsr()).tocsr()


def expanded_sets(
    whole: sparse.csr_array, halves: sparse.csr_array, rows: NDArray[np.int64] | None = None
) -> sparse.csr_array:
    """R*(i, k1): R(i, k1) and, of each member, the half-sized set R(·, k1/2) of which R(i, k1) holds more than 2/3
    (equation 4): n×N, row i always holds i.

    ``whole``, ``halves``: N×N, :func:`reciprocal_sets` for k1 and for :func:`half` of it. ``rows``: n int64, the rows
    wanted (all with None).
    """
    rows = np.arange(whole.shape[0]) if rows is None else rows
    sizes, turned = np.diff(halves.indptr), halves.T.tocsr()
    parts = []
    for start in range(0, len(rows), ROWS_AT_ONCE):
        base = whole[rows[start : start + ROWS_AT_ONCE]]
        taken = (base @ turned).multiply(base).tocsr()  # members that share rows with the set, and how many
        taken.data = (3 * taken.data > 2 * sizes[taken.indices]).astype(np.int32)
        parts.append(base + taken @ halves)
    expanded = sparse.vstack(parts, "csr") if parts else whole[rows]
    expanded.eliminate_zeros()
    expanded.sort_indices()
    return expanded
