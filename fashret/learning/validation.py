"""What a network is validated on while it is trained.

In: a crops file, or the products of training rows, some of which are held out or, where there is nothing else, drawn
to be looked at before and after training. Out: the rows of a `Validation`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashret.files.columns import Domain, Role, RowFile

LEFT_TO_TRAIN = 2  # products that are never held out
MOST_SAMPLED = 200  # training products that a model is compared with its start on


@dataclass(frozen=True)
class Validation:
    """The rows that the network is validated on, in the crops file, and what they show."""

    row: NDArray[np.int64]
    role: NDArray[np.uint8]
    product: NDArray[np.int64]  # number of the product; −1 = unlabelled
    kind: str = "validation rows"  # what they are, for people
    trained_on: bool = False  # they show whether training did harm, and nothing about other products


def validation_rows(file: RowFile) -> Validation | None:
    """Queries and gallery that the file itself has; None where no query has a positive."""
    row = file.with_role(Role.VAL_QUERY | Role.VAL_GALLERY)
    names, product = np.unique(file.product[row].astype(str), return_inverse=True)
    product = np.where(names[product] == "", -1, product).astype(np.int64) if len(row) else np.empty(0, np.int64)
    role = file.role[row]
    queries, gallery = role & int(Role.VAL_QUERY) > 0, role & int(Role.VAL_GALLERY) > 0
    for query in np.flatnonzero(queries & (product >= 0)):
        if np.count_nonzero(gallery & (product == product[query])) > gallery[query]:
            return Validation(row, role, product)
    return None


def held_out(label: NDArray[np.int64], share: float, seed: int) -> NDArray[np.int64]:
    """The products to keep from training and validate on, drawn by the seed among those of two images or more.

    Parameters
    ----------
    label
        N, the product's number of each training row, from 0 without gaps.
    share
        Of the products that can be drawn, but two at least.

    Returns
    -------
    Their numbers, in order; none where fewer than two can be held out, or fewer than `LEFT_TO_TRAIN` would be left.
    """
    count = np.bincount(label)
    several = np.flatnonzero(count > 1)
    wanted = min(max(2, round(share * len(several))), len(several), len(count) - LEFT_TO_TRAIN)
    if share <= 0 or wanted < 2:
        return several[:0]
    return np.sort(np.random.default_rng(seed).choice(several, wanted, replace=False))


def sampled(label: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Training products of two images or more to compare a model with its start on, drawn by the seed, in order."""
    several = np.flatnonzero(np.bincount(label) > 1)
    return np.sort(np.random.default_rng(seed).choice(several, min(len(several), MOST_SAMPLED), replace=False))


def validation_of(
    row: NDArray[np.int64], label: NDArray[np.int64], domain: NDArray[np.uint8], kind: str, trained_on: bool = False
) -> Validation:
    """Rows of some products as queries and gallery; `kind` and `trained_on` as in `Validation`.

    Street photos are the queries where a product has both domains; otherwise each image is searched among the others.
    """
    street = domain == Domain.STREET
    both = np.isin(label, label[street]) & np.isin(label, label[~street])
    role = np.where(street, Role.VAL_QUERY, Role.VAL_GALLERY)
    role = np.where(both, role, Role.VAL_QUERY | Role.VAL_GALLERY).astype(np.uint8)
    return Validation(row, role, label, kind, trained_on)
