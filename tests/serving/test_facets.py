"""What a catalogue can be filtered by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fashret.files.columns import text_array
from fashret.files.embeddings import open_embeddings
from fashret.files.further_columns import FurtherColumn
from fashret.serving.facets import MOST_VALUES, Facet, facets
from tests.conftest import make_rows, write_embeddings


def facets_of(folder: Path, **further: FurtherColumn) -> dict[str, Facet]:
    count = len(next(iter(further.values())))
    path = write_embeddings(folder / "a.emb.h5", make_rows(count, further=further), np.ones((count, 2), np.float32))
    with open_embeddings(path) as file:
        return {facet.column: facet for facet in facets(file, np.arange(count))}


def test_values_count_products_not_photos(tmp_path: Path) -> None:
    brand = FurtherColumn("text", text_array(["a", "a", "b", "a", "a", "b", "", ""]))  # two rows per product
    found = facets_of(tmp_path, brand=brand)["brand"]
    assert found.values == (("a", 3), ("b", 2))


def test_numbers_and_dates_have_a_range(tmp_path: Path) -> None:
    price = FurtherColumn("number", np.array([5.0, np.nan, 2.5, 9.0]))
    stock = FurtherColumn("integer", np.array([1, 2, 3, 4]))
    since = FurtherColumn("date", text_array(["2026-01-02", "", "2025-11-30T10:00:00", "2026-01-01"]))
    found = facets_of(tmp_path, price=price, stock=stock, since=since)
    assert (found["price"].least, found["price"].most) == (2.5, 9.0)
    assert (found["stock"].least, found["stock"].most) == (1, 4)
    assert (found["since"].least, found["since"].most) == ("2025-11-30", "2026-01-02")


def test_booleans_are_values(tmp_path: Path) -> None:
    new = FurtherColumn("boolean", np.array([1, 1, 0, -1], np.int8))
    assert facets_of(tmp_path, new=new)["new"].values == ((False, 1), (True, 1))


@pytest.mark.parametrize(
    "values",
    [
        ["same"] * 8,
        ["", ""] * 4,
        [f"title {i}" for i in range(2 * MOST_VALUES + 10)],
        [f"{i}" for i in range(20)],  # a value per row
        ["x" * 100, "y"] * 4,
    ],
)
def test_what_says_nothing_or_too_much_is_no_facet(tmp_path: Path, values: list[str]) -> None:
    assert "title" not in facets_of(tmp_path, title=FurtherColumn("text", text_array(values)))
