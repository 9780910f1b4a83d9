"""Embeddings that were moved are known by their content; one that is of no ranking is one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.files.moved import check_moved, moved_embeddings
from fashret.files.rankings import open_ranking
from fashret.options import SearchOptions
from fashret.stages import search
from tests.conftest import make_rows, write_embeddings


def test_embeddings_are_found_where_they_were_moved(tmp_path: Path) -> None:
    path = write_embeddings(tmp_path / "a.emb.h5", make_rows(4), np.eye(4, dtype=np.float32))
    search.run(path, None, tmp_path / "ranking.h5", SearchOptions())
    there = tmp_path / "elsewhere.emb.h5"
    path.rename(there)
    moved = moved_embeddings([there])
    with open_ranking(tmp_path / "ranking.h5", moved) as ranking:
        assert ranking.embeddings_path("query") == ranking.embeddings_path("gallery") == there
        check_moved(moved, [ranking])
        other = write_embeddings(tmp_path / "b.emb.h5", make_rows(4), 2 * np.eye(4, dtype=np.float32))
        with pytest.raises(FashretError, match="b.emb.h5: given with --embeddings, is not what .*ranking.h5 was made"):
            check_moved(moved_embeddings([there, other]), [ranking])
