"""`fashret search` and `fashret evaluate` on files, against whole float64 matrices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from fashret.errors import FashretError
from fashret.files.columns import Role, Rows, text_array
from fashret.files.embeddings import open_embeddings
from fashret.files.rankings import open_ranking
from fashret.options import EvaluateOptions, RerankOptions, SearchOptions
from fashret.stages import evaluate, rerank, search
from tests import brute
from tests.conftest import make_rows, write_embeddings

COUNT, WIDTH = 120, 24


def rows_of(rng: np.random.Generator, count: int = COUNT, products: int = 20) -> Rows:
    """Rows of all roles and none, some unlabelled, in three categories and in none; a product keeps to a category."""
    number = rng.integers(0, products, count)
    category = np.where(rng.random(count) < 0.9, number % 3, -1)
    return make_rows(
        count,
        product=text_array("" if rng.random() < 0.1 else f"p{i}" for i in number),
        role=rng.choice([0, 1, 2, 4, 5, 6], count).astype(np.uint8),
        category=category.astype(np.int16),
        categories=("bags", "hats", "tops"),
    )


def vectors_of(rng: np.random.Generator, rows: Rows, dtype: type = np.float32) -> np.ndarray:
    centres = {name: rng.standard_normal(WIDTH) for name in sorted(set(rows.product))}
    vectors = np.stack([centres[name] for name in rows.product]) + 1.5 * rng.standard_normal((len(rows), WIDTH))
    vectors[5] = vectors[-1]  # a tie
    return vectors.astype(dtype)


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = rows_of(rng)
    return write_embeddings(tmp_path / "all.emb.h5", rows, vectors_of(rng, rows))


def check_ranking(path: Path, queries: Path, gallery: Path, k: int, metric: str = "cosine", within: str = "") -> list:
    """Compare a ranking file with the whole matrix; gives (hits by rank, scored categories) of each query."""
    seen = []
    with open_embeddings(queries) as asked, open_embeddings(gallery) as searched:
        query_rows = np.flatnonzero(asked.role & Role.QUERY)
        gallery_rows = np.flatnonzero(searched.role & Role.GALLERY)
        matrix = brute.distance_matrix(asked.vectors[query_rows], searched.vectors[gallery_rows], metric)
        ranking = open_ranking(path)
        np.testing.assert_array_equal(ranking.query_row, query_rows)
        offsets = ranking.positives("offsets")
        for i, row in enumerate(query_rows):
            allowed = np.ones(len(gallery_rows), bool)
            if queries == gallery:
                allowed &= gallery_rows != row
            same = searched.category[gallery_rows] == asked.category[row]
            same &= asked.category[row] >= 0
            if within:
                allowed &= same
            order = brute.ranking(matrix[i], allowed)
            expected = gallery_rows[order[:k]]
            np.testing.assert_array_equal(ranking.gallery_row[i, : len(expected)], expected)
            assert (ranking.gallery_row[i, len(expected) :] == -1).all()
            kept = ranking.distance[i, : len(expected)]
            np.testing.assert_array_equal(kept, matrix[i][order[:k]].astype(np.float32))
            right = (searched.product[gallery_rows[order]] == asked.product[row]) & (asked.product[row] != "")
            part = slice(offsets[i], offsets[i + 1])
            np.testing.assert_array_equal(ranking.positives("row")[part], gallery_rows[order][right])
            np.testing.assert_array_equal(ranking.positives("rank")[part], np.flatnonzero(right))
            seen.append((right, right[same[order]], int(asked.category[row])))
    return seen


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("within", ["", "category"])
def test_one_file_is_searched_by_role(catalogue: Path, tmp_path: Path, metric: str, within: str) -> None:
    output = tmp_path / "ranking.h5"
    summary = search.run(catalogue, None, output, SearchOptions(k=9, metric=metric, within=within))
    seen = check_ranking(output, catalogue, catalogue, 9, metric, within)
    assert summary.queries == len(seen)
    assert summary.positives == sum(int(right.sum()) for right, _, _ in seen)
    assert summary.queries_without_positive == sum(not right.any() for right, _, _ in seen)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_two_files_with_other_categories(tmp_path: Path, dtype: type) -> None:
    rng = np.random.default_rng(1)
    queries, gallery = rows_of(rng, 30), replace(rows_of(rng, 90), categories=("tops", "bags", "hats"))
    gallery = replace(
        gallery, category=np.where(gallery.category >= 0, (gallery.category + 1) % 3, -1).astype(np.int16)
    )
    paths = [tmp_path / "street.emb.h5", tmp_path / "shop.emb.h5"]
    for path, rows in zip(paths, (queries, gallery), strict=True):
        write_embeddings(path, rows, vectors_of(rng, rows, dtype))
    search.run(paths[0], paths[1], tmp_path / "ranking.h5", SearchOptions(k=200))
    check_ranking(tmp_path / "ranking.h5", paths[0], paths[1], 200)
    ranking = open_ranking(tmp_path / "ranking.h5")
    with open_embeddings(paths[0]) as asked, open_embeddings(paths[1]) as searched:
        query = np.repeat(ranking.query_row, np.diff(ranking.positives("offsets")))
        names = [
            [file.categories[code] if code >= 0 else None for code in file.category[rows]]
            for file, rows in ((asked, query), (searched, ranking.positives("row")))
        ]
    known = ranking.positives("rank_in_category") >= 0
    assert known.tolist() == [mine is not None and mine == other for mine, other in zip(*names, strict=True)]
    assert known.any() and not known.all()


def test_recommendations_leave_out_the_own_product(catalogue: Path, tmp_path: Path) -> None:
    search.run(catalogue, None, tmp_path / "r.h5", SearchOptions(k=5, exclude_same_product=True))
    ranking = open_ranking(tmp_path / "r.h5")
    with open_embeddings(catalogue) as file:
        own, found = file.product[ranking.query_row], file.product[ranking.gallery_row]
    assert not ((found == own[:, None]) & (own[:, None] != "")).any()
    assert len(ranking.positives("row")) == 0


@pytest.mark.parametrize("hits", ["image", "product"])
def test_scores_are_those_of_the_whole_matrix(catalogue: Path, tmp_path: Path, hits: str) -> None:
    ks = (1, 3, 10)
    search.run(catalogue, None, tmp_path / "r.h5", SearchOptions(k=COUNT))
    seen = check_ranking(tmp_path / "r.h5", catalogue, catalogue, COUNT)
    from_file = evaluate.run([tmp_path / "r.h5"], EvaluateOptions(k=ks, hits=hits)).as_json()["tables"]
    from_vectors = evaluate.run([catalogue], EvaluateOptions(k=ks, hits=hits)).as_json()["tables"]
    for one, other in zip(from_file, from_vectors, strict=True):
        assert one["rows"] == other["rows"]
    if hits == "product":
        return
    precision = [average_precision_score(right, -np.arange(len(right))) for right, _, _ in seen if right.any()]
    within: dict[int, list] = {}
    for _, right, category in seen:
        if right.any():
            within.setdefault(category, []).append(average_precision_score(right, -np.arange(len(right))))
    text = str(from_file)
    assert f"{np.mean(precision):.12f}"[:10] in text  # unconstrained
    assert f"{np.mean([np.mean(part) for part in within.values()]):.12f}"[:10] in text  # average over categories


def test_files_of_other_width_or_model_are_refused(catalogue: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    rows = rows_of(rng, 20)
    narrow = write_embeddings(tmp_path / "narrow.emb.h5", rows, np.ones((20, 5), np.float32))
    with pytest.raises(FashretError, match=r"all\.emb\.h5 has vectors of width 24, .*narrow\.emb\.h5 of width 5"):
        search.run(catalogue, narrow, tmp_path / "r.h5", SearchOptions())
    paths = [
        write_embeddings(tmp_path / f"{name}.emb.h5", rows, vectors_of(rng, rows), {"name": name, "digest": name})
        for name in ("one", "two")
    ]
    with pytest.raises(FashretError, match=r"one\.emb\.h5 was made by the model one and .*two\.emb\.h5 by two"):
        search.run(paths[0], paths[1], tmp_path / "r.h5", SearchOptions())
    assert not (tmp_path / "r.h5").exists()


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        ({"role": np.full(COUNT, 4, np.uint8)}, {}, "no row has the role query .120 rows"),
        ({"role": np.full(COUNT, 2, np.uint8)}, {}, "no row has the role gallery .120 rows"),
        ({}, {"memory": "1KB"}, "the least is"),
        ({}, {"k": 0}, "--top 0: must be 1 or more"),
        ({}, {"k": -1}, "--top -1: must be 1 or more"),
        ({}, {"metric": "dot"}, "metric dot: not known"),
    ],
)
def test_what_cannot_be_searched_is_one_line(tmp_path: Path, change: dict, options: dict, said: str) -> None:
    rng = np.random.default_rng(3)
    rows = replace(rows_of(rng), **change)
    path = write_embeddings(tmp_path / "a.emb.h5", rows, vectors_of(rng, rows))
    with pytest.raises(FashretError, match=said):
        search.run(path, None, tmp_path / "r.h5", SearchOptions(**options))
    assert sorted(tmp_path.iterdir()) == [path]


def test_nan_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    rows = replace(rows_of(rng), role=np.full(COUNT, 6, np.uint8))
    vectors = vectors_of(rng, rows)
    vectors[[7, 19], 3] = np.nan
    path = write_embeddings(tmp_path / "a.emb.h5", rows, vectors)
    with pytest.raises(FashretError, match=r"a\.emb\.h5: vectors of rows 7, 19 hold NaN"):
        search.run(path, None, tmp_path / "r.h5", SearchOptions())
    assert sorted(tmp_path.iterdir()) == [path]


def test_nothing_labelled_can_be_searched_but_not_scored(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    rows = replace(rows_of(rng), product=text_array([""] * COUNT))
    path = write_embeddings(tmp_path / "a.emb.h5", rows, vectors_of(rng, rows))
    summary = search.run(path, None, tmp_path / "r.h5", SearchOptions(k=4))
    assert summary.positives == 0 and summary.queries_without_positive == summary.queries
    with pytest.raises(FashretError, match="no query has a positive in the gallery"):
        evaluate.run([tmp_path / "r.h5"], EvaluateOptions())


def test_a_gallery_of_one_row_and_more_results_than_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    role = np.full(COUNT, 2, np.uint8)
    role[3] = 4
    rows = replace(rows_of(rng), role=role)
    path = write_embeddings(tmp_path / "a.emb.h5", rows, vectors_of(rng, rows))
    assert search.run(path, None, tmp_path / "r.h5", SearchOptions(k=50)).results == 1
    assert (open_ranking(tmp_path / "r.h5").gallery_row == 3).all()


def test_products_are_ranked_by_their_nearest_row(catalogue: Path, tmp_path: Path) -> None:
    plain, ranked = tmp_path / "rows.h5", tmp_path / "products.h5"
    search.run(catalogue, None, plain, SearchOptions(k=COUNT))
    found = search.run(catalogue, None, ranked, SearchOptions(k=COUNT, collapse="product"))
    with open_ranking(plain) as rows, open_ranking(ranked) as products, open_embeddings(catalogue) as file:
        assert products.collapse == "product" and not rows.collapse
        assert found.gallery == products.attribute("gallery_size") < rows.attribute("gallery_size")
        assert products.search_identity != rows.search_identity
        offsets = products.positives("offsets")
        for i, order in enumerate(rows.gallery_row):
            first: dict[tuple, int] = {}
            for row in order[order >= 0].tolist():
                thing = file.product[row] or f"row {row}"
                first.setdefault((thing, file.category[row]), row)
            assert products.gallery_row[i][: len(first)].tolist() == list(first.values())
            own = file.product[rows.query_row[i]]
            right = [row for row in first.values() if own and file.product[row] == own]
            part = slice(offsets[i], offsets[i + 1])
            assert products.positives("row")[part].tolist() == right
            assert products.positives("rank")[part].tolist() == [list(first.values()).index(row) for row in right]
    said = " ".join(note for table in evaluate.run([ranked], EvaluateOptions()).tables for note in table.notes)
    assert f"{found.gallery} gallery products" in said and "each by the nearest of its rows" in said
    with pytest.raises(FashretError, match="search again without --collapse"):
        rerank.run(ranked, tmp_path / "again.h5", RerankOptions())
