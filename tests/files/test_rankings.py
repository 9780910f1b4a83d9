"""ranking.h5: its arrays, and the embeddings that it was made from."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.files import rankings
from tests.conftest import make_rows, write_embeddings


def ranking_arrays() -> dict[str, np.ndarray]:
    return {
        "gallery_row": np.array([[1, 2], [0, -1]]),
        "distance": np.array([[0.1, 0.2], [0.3, np.nan]], np.float32),
        "query_row": np.array([0, 1]),
        "positives/offsets": np.array([0, 1, 1]),
        "positives/row": np.array([2]),
        "positives/rank": np.array([1]),
        "positives/rank_in_category": np.array([1]),
        "positives/distance": np.array([0.2]),
    }


def test_a_ranking_finds_its_embeddings_and_sees_that_they_changed(tmp_path: Path) -> None:
    source = write_embeddings(tmp_path / "a.emb.h5", make_rows(4), np.ones((4, 2), np.float32))
    (tmp_path / "deep").mkdir()
    path = tmp_path / "deep" / "a.ranking.h5"
    rankings.write_ranking(path, rankings.RankingOrigin(source, source, "cosine"), ranking_arrays())
    file = rankings.open_ranking(path)
    np.testing.assert_array_equal(file.gallery_row, [[1, 2], [0, -1]])
    np.testing.assert_array_equal(file.positives("rank"), [1])
    assert file.embeddings_path("gallery").samefile(source) and file.reranking == {}
    write_embeddings(source, make_rows(4), np.zeros((4, 2), np.float32))
    os.utime(source, ns=(0, path.stat().st_mtime_ns + 1))  # whatever the clock's steps
    for check in (True, False):  # what is newer than the ranking is looked at in any case
        with pytest.raises(rankings.ChangedError, match="changed since"):
            file.embeddings_path("gallery", check=check)
    source.unlink()
    with pytest.raises(FashretError, match="not there"):
        file.embeddings_path("query")


def test_a_ranking_of_other_software_may_leave_out_within(tmp_path: Path) -> None:
    source = write_embeddings(tmp_path / "a.emb.h5", make_rows(4), np.ones((4, 2), np.float32))
    path = tmp_path / "a.ranking.h5"
    rankings.write_ranking(path, rankings.RankingOrigin(source, source, "cosine"), ranking_arrays())
    with h5py.File(path, "r+") as file:
        del file.attrs["within"], file.attrs["gallery_size"]
    opened = rankings.open_ranking(path)
    assert opened.attribute("within") == ""
    with pytest.raises(FashretError, match="lacks the attribute gallery_size"):
        opened.attribute("gallery_size")
