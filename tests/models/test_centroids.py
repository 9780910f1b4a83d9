"""Means of the gallery images of each product."""

from __future__ import annotations

import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.files.columns import text_array
from fashret.models.centroids import product_centroids
from tests.conftest import make_rows
from tests.files.test_further_columns import column


def test_centroids_do_not_depend_on_the_pieces() -> None:
    generator = np.random.default_rng(0)
    rows = make_rows(40, product=text_array(generator.choice(["", "x", "y", "z"], 40)), role=np.full(40, 4, np.uint8))
    vectors = generator.normal(size=(40, 3)).astype(np.float32)
    whole = product_centroids([(rows, vectors)])
    cuts = [0, 1, 17, 39, 40]
    pieces = [(rows.take(slice(a, b)), vectors[a:b]) for a, b in zip(cuts, cuts[1:], strict=False)]
    parts = product_centroids(pieces)
    np.testing.assert_array_equal(parts[1], whole[1])
    assert parts[0].crop_id.tolist() == whole[0].crop_id.tolist() and len(parts[0]) == 3
    with pytest.raises(FashretError, match="no row has a product"):
        product_centroids([(make_rows(2, role=np.full(2, 2, np.uint8)), vectors[:2])])


def test_further_columns_are_kept_where_all_images_of_a_product_agree() -> None:
    further = {
        "brand": column("text", ["a", "x", "a", "b", "b", None]),
        "price": column("number", [1.5, 9.0, 1.5, 2.0, 3.0, 2.0]),
        "sale": column("boolean", [False, None, False, None, True, None]),
    }
    products = text_array(["p", "", "p", "q", "q", "q"])
    rows = make_rows(6, product=products, role=np.full(6, 4, np.uint8), further=further)
    vectors = np.eye(6, dtype=np.float32)
    for cuts in ([0, 6], [0, 1, 3, 4, 6]):
        pieces = [(rows.take(slice(a, b)), vectors[a:b]) for a, b in zip(cuts, cuts[1:], strict=False)]
        found = product_centroids(pieces)[0].further
        assert {name: (each.kind, each.plain()) for name, each in found.items()} == {
            "brand": ("text", ["a", None]),
            "price": ("number", [1.5, None]),
            "sale": ("boolean", [False, None]),
        }
