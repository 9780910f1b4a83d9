"""Queries and gallery from files by role: the same product and category have the same code on both sides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.files.columns import Role, text_array
from fashret.files.embeddings import open_embeddings
from fashret.knn.results import Neighbours, SearchResult, SearchSpec
from fashret.options import SearchOptions
from fashret.vector_sets import ranking_arrays, rows_with_role, search_sets, search_spec, unlabelled_set
from tests.conftest import make_rows, write_embeddings

VECTORS = np.eye(4, 3, dtype=np.float32) + 1


def test_one_file_is_split_by_role(tmp_path: Path) -> None:
    rows = make_rows(4, role=np.array([2, 4, 6, 1], np.uint8), product=text_array(["a", "b", "", "a"]))
    with open_embeddings(write_embeddings(tmp_path / "a.h5", rows, VECTORS)) as file:
        sets = search_sets(file)
        assert sets.queries.rows.tolist() == [0, 2] and sets.gallery.rows.tolist() == [1, 2] and sets.same_matrix
        assert sets.queries.product.tolist()[1] == sets.gallery.product.tolist()[1] == -1  # unlabelled
        assert rows_with_role(file, Role.TRAIN).tolist() == [3]
        gallery = unlabelled_set(file, Role.GALLERY)
        assert gallery.rows.tolist() == [1, 2] and (gallery.product == -1).all()


def test_two_files_share_codes_of_products_and_categories(tmp_path: Path) -> None:
    one = make_rows(2, product=text_array(["x", "y"]), category=np.array([1, 0], np.int16), categories=("bags", "tops"))
    other = make_rows(3, product=text_array(["y", "z", "x"]), categories=("tops",))
    paths = [
        write_embeddings(tmp_path / f"{name}.h5", rows, VECTORS[: len(rows)])
        for name, rows in (("one", one), ("other", other))
    ]
    with open_embeddings(paths[0]) as queries, open_embeddings(paths[1]) as gallery:
        sets = search_sets(queries, gallery)
    assert not sets.same_matrix and sets.categories == ("bags", "tops")
    assert sets.queries.product.tolist() == [sets.gallery.product[2], sets.gallery.product[0]]
    assert sets.queries.category.tolist() == [1, 0] and set(sets.gallery.category.tolist()) == {1}


@pytest.mark.parametrize(
    ("collapse", "groups"),
    [
        ("", [{0}, {1}, {2}, {3}, {4}, {5}]),
        ("product", [{0, 2}, {1}, {3}, {4}, {5}]),  # 3 is of another category, 4 and 5 are of no product
        ("photo", [{0, 2}, {1}, {3}, {4, 5}]),
    ],
)
def test_a_gallery_is_collapsed_to_what_is_ranked(tmp_path: Path, collapse: str, groups: list[set[int]]) -> None:
    rows = make_rows(
        6,
        source=text_array(["s", "t", "s", "s", "u", "u"]),
        product=text_array(["a", "b", "a", "a", "", ""]),
        category=np.array([0, 0, 0, 1, 1, 1], np.int16),
        categories=("bags", "tops"),
        role=np.full(6, Role.QUERY | Role.GALLERY, np.uint8),
    )
    with open_embeddings(write_embeddings(tmp_path / "a.h5", rows, np.eye(6, dtype=np.float32))) as file:
        sets = search_sets(file, None, SearchOptions(collapse=collapse))
    codes = sets.gallery.itself if sets.gallery.group is None else sets.gallery.group
    found = [set(sets.gallery.rows[codes == code].tolist()) for code in dict.fromkeys(codes.tolist())]
    assert sorted(found, key=min) == groups and sets.ranked == len(groups)


def test_a_role_without_rows_is_one_line(tmp_path: Path) -> None:
    rows = make_rows(4, role=np.full(4, int(Role.TRAIN), np.uint8))
    with (
        open_embeddings(write_embeddings(tmp_path / "a.h5", rows, VECTORS)) as file,
        pytest.raises(FashretError, match=r"a\.h5: no row has the role query"),
    ):
        search_sets(file)


def test_a_result_without_positives_has_empty_columns() -> None:
    found = SearchResult(Neighbours(np.array([[3], [-1]]), np.array([[0.5], [np.nan]])), None)
    arrays = ranking_arrays(found, np.array([7, 8]))
    assert arrays["positives/offsets"].tolist() == [0, 0, 0] and not len(arrays["positives/rank"])
    assert arrays["gallery_row"].tolist() == [[3], [-1]] and arrays["distance"].dtype == np.float32


def test_a_spec_is_what_the_options_say_of_the_sets(tmp_path: Path) -> None:
    rows = make_rows(4, role=np.array([2, 4, 6, 1], np.uint8))
    with open_embeddings(write_embeddings(tmp_path / "a.h5", rows, VECTORS)) as file:
        sets = search_sets(file)
    options = SearchOptions(k=9, metric="euclidean", within="category", exclude_same_product=True, memory="1MB")
    how = {"metric": "euclidean", "within": "category", "exclude_same_product": True, "memory": 10**6, "device": "mps"}
    assert search_spec(options, "mps", sets) == SearchSpec(k=2, same_matrix=True, **how)
    assert search_spec(options, "mps") == SearchSpec(k=9, **how)
    assert search_spec(SearchOptions(), "cpu", sets) == SearchSpec(k=2, same_matrix=True, positives=True)
    with pytest.raises(FashretError, match="--top 0: must be 1 or more"):
        search_spec(SearchOptions(k=0), "cpu", sets)


def test_files_in_the_wrong_order_are_told_the_other_way_round(tmp_path: Path) -> None:
    for name, role in (("q", 2), ("g", 4)):
        rows = make_rows(4, role=np.full(4, role, np.uint8))
        write_embeddings(tmp_path / f"{name}.h5", rows, np.eye(4, dtype=np.float32))
    with open_embeddings(tmp_path / "q.h5") as asked, open_embeddings(tmp_path / "g.h5") as searched:
        search_sets(asked, searched)
        with pytest.raises(FashretError, match=r"the other way round: fashret search \S*q\.h5 \S*g\.h5$"):
            search_sets(searched, asked)
        with pytest.raises(
            FashretError, match=r"no row has the role gallery .*; to search it in another file: fashret"
        ):
            search_sets(asked)
