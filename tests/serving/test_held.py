"""A held file gives what the file gives, and goes on when that is no more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fashret.files.columns import Role
from fashret.files.embeddings import open_embeddings
from fashret.files.row_filter import chosen_rows
from fashret.serving import held
from fashret.serving.held import HeldEmbeddings
from tests.serving_case import write_shop


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shop(tmp_path_factory.mktemp("held"))


def test_everything_is_as_in_the_file(catalogue: Path) -> None:
    with open_embeddings(catalogue) as file, HeldEmbeddings(catalogue) as mine:
        assert len(mine) == len(file) and mine.width == file.width and mine.model == file.model
        assert np.array_equal(mine.vectors, file.vectors) and mine.categories == file.categories
        for name in ("crop_id", "source", "product", "role", "category", "domain"):
            assert getattr(mine, name).tolist() == getattr(file, name).tolist()
            assert mine.column(name, 2, 5).tolist() == file.column(name, 2, 5).tolist()
        assert np.array_equal(mine.box, file.box, equal_nan=True)
        assert mine.further_kinds == file.further_kinds
        assert mine.further_values([3, 1, 3]) == file.further_values([3, 1, 3])
        assert mine.block(1, 4).further["price"].plain() == file.block(1, 4).further["price"].plain()
        where = ["price > 12", "new = true"]
        assert chosen_rows(mine, Role.GALLERY, where).tolist() == chosen_rows(file, Role.GALLERY, where).tolist()


def test_a_file_that_is_emptied_in_place_is_not_missed(catalogue: Path, tmp_path: Path) -> None:
    copy = tmp_path / "shop.emb.h5"
    copy.write_bytes(catalogue.read_bytes())
    with HeldEmbeddings(copy) as mine:
        before = mine.vectors.copy(), mine.further_values([2])
        with copy.open("r+b") as stream:
            stream.truncate(0)
        assert np.array_equal(mine.vectors, before[0]) and mine.further_values([2]) == before[1]
        assert not isinstance(mine.vectors, np.memmap)


def test_many_vectors_stay_mapped(catalogue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "COPIED", 8)
    with HeldEmbeddings(catalogue) as mine:
        assert isinstance(mine.vectors, np.memmap)
