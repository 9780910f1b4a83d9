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


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("gallery_row", np.zeros(2, int), r"gallery_row should be N×D whole numbers and is int64 of shape \(2,\)"),
        ("gallery_row", np.zeros((2, 2)), "gallery_row should be N×D whole numbers and is float64"),
        ("gallery_row", np.zeros((2, 3), int), "gallery_row and distance differ in shape"),
        ("distance", np.array([["a"] * 2] * 2, object), "distance should be N×D numbers and is text"),
        ("query_row", np.zeros(3, int), "columns differ in length"),
        ("query_row", np.zeros((2, 2), int), "query_row should be N whole numbers"),
        ("positives/offsets", np.array([0, 1]), "positives/offsets are not 3 places from 0 to 1"),
        ("positives/offsets", np.array([0, 2, 1]), "positives/offsets are not 3 places from 0 to 1"),
        ("positives/offsets", np.array([0, 1, 2]), "positives/offsets are not 3 places from 0 to 1"),
        ("positives/offsets", np.array([0.0, 1, 1]), "positives/offsets should be N whole numbers and is float64"),
        ("positives/row", np.array([2, 2]), "columns differ in length"),
        ("positives/rank", np.array([[1.5]]), "positives/rank should be N whole numbers"),
        ("positives/rank_in_category", np.array([1, 2]), "columns differ in length"),
        ("positives/distance", np.array(["a"], object), "positives/distance should be N numbers and is text"),
        ("positives/rank", np.array([-1]), "positives/rank holds -1; search again"),
        ("positives/rank_in_category", np.array([-2]), "positives/rank_in_category holds -2"),
        (
            "positives/row",
            np.array([2**64 - 1], np.uint64),
            "positives/row 18446744073709551615 of row 0 is not one of",
        ),
    ],
)
def test_arrays_of_another_form_are_one_line(tmp_path: Path, name: str, values: np.ndarray, said: str) -> None:
    source = write_embeddings(tmp_path / "a.emb.h5", make_rows(4), np.ones((4, 2), np.float32))
    path = tmp_path / "a.ranking.h5"
    arrays = {**ranking_arrays(), name: values}
    rankings.write_ranking(path, rankings.RankingOrigin(source, source, "cosine"), arrays)
    with pytest.raises(FashretError, match=said) as error, rankings.open_ranking(path) as opened:
        opened.positives(name.removeprefix("positives/"))
    assert "\n" not in str(error.value)
    with h5py.File(path, "r+"):  # not while it is open anywhere
        pass


def test_arrays_of_another_type_with_the_same_values_are_read(tmp_path: Path) -> None:
    source = write_embeddings(tmp_path / "a.emb.h5", make_rows(4), np.ones((4, 2), np.float32))
    path, expected = tmp_path / "a.ranking.h5", ranking_arrays()
    arrays = {
        name: array[:, None] if array.ndim == 1 else array.astype(np.float64 if array.dtype.kind == "f" else np.int32)
        for name, array in expected.items()
    }
    rankings.write_ranking(path, rankings.RankingOrigin(source, source, "cosine"), arrays)
    with rankings.open_ranking(path) as opened:
        np.testing.assert_array_equal(opened.gallery_row, expected["gallery_row"])
        np.testing.assert_array_equal(opened.distance, expected["distance"])
        np.testing.assert_array_equal(opened.query_row, expected["query_row"])
        for name in ("offsets", "row", "rank", "rank_in_category", "distance"):
            np.testing.assert_array_equal(opened.positives(name), expected[f"positives/{name}"])


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("gallery_row", 4, "gallery_row 4 is no row of its embeddings, which have 4"),
     ("gallery_row", -2, "gallery_row -2 is no row"),
     ("query_row", -1, "query_row -1 is no row of its embeddings, which have 3")],
)  # fmt: skip
def test_rows_that_embeddings_do_not_have(tmp_path: Path, name: str, value: int, said: str) -> None:
    source = write_embeddings(tmp_path / "a.emb.h5", make_rows(4), np.ones((4, 2), np.float32))
    path, arrays = tmp_path / "a.ranking.h5", ranking_arrays()
    arrays[name].flat[1] = value
    rankings.write_ranking(path, rankings.RankingOrigin(source, source, "cosine"), arrays)
    with rankings.open_ranking(path) as opened:
        opened.check_rows()
        with pytest.raises(FashretError, match=said):
            opened.check_rows(queries=3, gallery=4)


@pytest.mark.parametrize("name", ["distance", "positives/distance"])
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_distances_are_numbers(tmp_path: Path, name: str, number: float) -> None:
    source = write_embeddings(tmp_path / "a.emb.h5", make_rows(4), np.ones((4, 2), np.float32))
    path, arrays = tmp_path / "a.ranking.h5", ranking_arrays()
    arrays[name].flat[0] = number
    rankings.write_ranking(path, rankings.RankingOrigin(source, source, "cosine"), arrays)
    with rankings.open_ranking(path) as file, pytest.raises(FashretError, match=f"{name} holds NaN or infinite"):
        file.positives("distance")
        assert file.distance is None
