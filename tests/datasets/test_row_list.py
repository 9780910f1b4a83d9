"""Rows that a reader collects: their columns, and those that are refused with their place."""

from __future__ import annotations

import numpy as np
import pytest

from fashret.datasets.row_list import WHOLE, Row, RowList
from fashret.errors import FashretError
from fashret.files.columns import Domain, Role


def test_rows_under_construction_become_columns() -> None:
    rows = RowList(["bags", "tops"])
    rows.add(Row("b.jpg", WHOLE, "p", Role.QUERY, Domain.STREET, "tops"), "here")
    rows.add(Row("c.jpg", (1, 2, 3, 4), "", Role.GALLERY, Domain.SHOP), "here")
    found = rows.rows()
    assert found.source.tolist() == ["b.jpg", "c.jpg"] and found.category.tolist() == [1, -1]
    assert np.isnan(found.box[0]).all() and found.box[1].tolist() == [1, 2, 3, 4]
    assert found.role.tolist() == [Role.QUERY, Role.GALLERY] and found.categories == ("bags", "tops")
    assert len(RowList().rows()) == 0
    with pytest.raises(FashretError, match="^here: product 'a.x00'; expected UTF-8 text"):
        rows.add(Row("d.jpg", WHOLE, "a\0", Role.TRAIN, Domain.SHOP), "here")
    with pytest.raises(FashretError, match="^here: photo "):
        rows.add(Row("../d.jpg", WHOLE, "a", Role.TRAIN, Domain.SHOP), "here")
