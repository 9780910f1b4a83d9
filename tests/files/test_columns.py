"""Columns: names of crops, rows taken together, blocks of a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashret.errors import FashretError
from fashret.files import crops
from fashret.files.columns import Rows, blocks, crop_name, text_array
from tests.conftest import make_rows, write_crops


def test_rows_of_unequal_length_are_refused() -> None:
    with pytest.raises(FashretError, match="differ in length"):
        make_rows(3, product=text_array("ab"))


@given(st.lists(st.tuples(st.text(), st.integers(0, 3), st.text()), max_size=20, unique=True))
def test_crop_names_tell_different_crops_apart(triples: list[tuple[str, int, str]]) -> None:
    boxes = [np.full(4, np.nan, np.float32), *(np.arange(4, dtype=np.float32) + i for i in range(3))]
    names = {crop_name(source, boxes[box], product) for source, box, product in triples}
    assert len(names) == len(triples)


def test_blocks_of_a_file_are_its_rows(tmp_path: Path) -> None:
    rows = make_rows(10)
    chosen = np.array([0, 1, 2, 5, 9])
    with crops.open_crops(write_crops(tmp_path / "a.crops.h5", rows)) as file:
        for source in (file, rows):
            for size in (1, 3, 100):
                found = [name for block in blocks(source, chosen, size) for name in block.crop_id]
                assert found == rows.take(chosen).crop_id.tolist()


def test_taking_rows_keeps_columns_together() -> None:
    rows: Rows = make_rows(6)
    some = rows.take(np.array([4, 1]))
    assert list(some.source) == ["photos/4.jpg", "photos/1.jpg"] and list(some.product) == ["p2", "p0"]
