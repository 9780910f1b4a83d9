"""Bounds of a distance from an approximate product of two vectors.

In: for each vector its :class:`BoundTerms`, which say how far its rounded form is from it; the product p of two rounded
forms. Out: a lower and an upper bound of the pair's distance as :mod:`fashret.knn.distance` defines it.

With q = q̂ + r_q and g = ĝ + r_g, Cauchy-Schwarz gives |q·g − q̂·ĝ| ≤ |q|·|r_g| + |r_q|·|ĝ|. Both metrics are one form,

    base_q + base_g − scale_q·scale_g·p ± (length_q·residual_g + residual_q·rounded_g) ± (slack_q + slack_g)

with base ½ and vectors of length 1 for cosine, and base |q|² and vectors √2·q for squared Euclidean distance. The slack
covers the float32 roundings of this expression and the float64 ones of the definition: with u = 2⁻²⁴, the former are
below 16·u·(base_q + base_g), the latter below (D + 16)·2⁻⁵²·(base_q + base_g).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

UNIT = 2.0**-24  # relative rounding error of float32
SLACK = 32 * UNIT
WIDENING = 1 + 16 * UNIT  # of what is computed in float64 and rounded to float32
SHORT = 1e-24  # square of the length below which a vector counts as of length 1, so that nothing underflows


class BoundTerms(NamedTuple):
    """Terms of n vectors, n float32 each; or of one vector, each a float32; or tensors of a device."""

    low: Any  # base − slack
    high: Any  # base + slack
    scale: Any
    length: Any
    residual: Any
    rounded: Any  # length of the rounded vector, at most

    def take(self, rows: Any) -> BoundTerms:
        """The terms of some of the vectors."""
        return BoundTerms(*(term[rows] for term in self))


def distance_bounds(product: Any, row: BoundTerms, column: BoundTerms) -> tuple[Any, Any]:
    """Lower and upper bound of a distance: float32 numbers in a compiled loop, or tensors that broadcast."""
    approximate = product * (row.scale * column.scale)
    spread = row.length * column.residual + row.residual * column.rounded
    return (row.low + column.low) - (approximate + spread), (row.high + column.high) - (approximate - spread)


def unit_lengths(squares: NDArray[np.float64], cosine: bool) -> NDArray[np.float64]:
    """The length that each vector is divided by before it is rounded, from its sum of squares."""
    return np.sqrt(squares) if cosine else np.sqrt(np.where(squares > SHORT, squares, 1.0))


def bound_terms(
    squares: NDArray[np.float64], step: NDArray[np.float64], error: NDArray[np.float64], cosine: bool
) -> BoundTerms:
    """Terms of n vectors with vector = length·(step·numbers + residual), |residual| ≤ ``error``.

    ``squares``: their sums of squares. ``step``, ``error``: relative to :func:`unit_lengths`.
    """
    base, length, unit = squares, np.sqrt(2 * squares), np.sqrt(2) * unit_lengths(squares, False)
    if cosine:
        base, length, unit = np.full(len(squares), 0.5), np.ones(len(squares)), np.ones(len(squares))
    terms = (
        base * (1 - SLACK),
        base * (1 + SLACK),
        unit * step,
        length * WIDENING,
        unit * error * WIDENING,
        (length + unit * error) * WIDENING,
    )
    return BoundTerms(*(term.astype(np.float32) for term in terms))


def float32_at_least(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """The smallest float32 ≥ each float64.

    >>> float32_at_least(np.array([1.0, 1.0 + 2**-30]))
    array([1.       , 1.0000001], dtype=float32)
    """
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32)
    return np.where(rounded < values, np.nextafter(rounded, np.float32(np.inf)), rounded)


def float32_at_most(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 ≤ each float64."""
    return -float32_at_least(-values)
