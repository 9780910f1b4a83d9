"""Heaps of the k nearest: compiled functions on the slots of one row.

In: distances and numbers of k slots, the worst of them first; a pair that comes before the worst. Out: the slots with
the pair in one of them, the worst first.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

NOWHERE = np.iinfo(np.int64).max  # number in an empty slot: after every row


@njit(nogil=True, cache=True, error_model="numpy")
def comes_before(distance: float, number: int, other_distance: float, other_number: int) -> bool:
    """The order of a ranking: ascending distance, ties by the smaller number."""
    return distance < other_distance or (distance == other_distance and number < other_number)


@njit(nogil=True, cache=True, error_model="numpy")
def replace_root(distances: NDArray, numbers: NDArray, distance: float, number: int) -> None:
    """Put a pair in the place of a heap's root and let it sink."""
    size, parent = distances.shape[0], 0
    while True:
        child = 2 * parent + 1
        if child >= size:
            break
        other = child + 1
        if other < size and comes_before(distances[child], numbers[child], distances[other], numbers[other]):
            child = other
        if not comes_before(distance, number, distances[child], numbers[child]):
            break
        distances[parent], numbers[parent] = distances[child], numbers[child]
        parent = child
    distances[parent], numbers[parent] = distance, number


@njit(nogil=True, cache=True, error_model="numpy")
def replace_in_group(
    distances: NDArray, numbers: NDArray, groups: NDArray, distance: float, number: int, group: int
) -> None:
    """Put a pair in the place of its group's, if it comes before that, or else of the worst.

    Only the first slot is in order afterwards: it holds the worst.
    """
    place = 0
    for at in range(groups.shape[0]):
        if groups[at] == group and numbers[at] != NOWHERE:
            if not comes_before(distance, number, distances[at], numbers[at]):
                return
            place = at
    distances[place], numbers[place], groups[place] = distance, number, group
    worst = 0
    for at in range(1, groups.shape[0]):
        if comes_before(distances[worst], numbers[worst], distances[at], numbers[at]):
            worst = at
    distances[0], distances[worst] = distances[worst], distances[0]
    numbers[0], numbers[worst] = numbers[worst], numbers[0]
    groups[0], groups[worst] = groups[worst], groups[0]
