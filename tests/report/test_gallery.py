"""Which queries are shown, and what is said of their results."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fashret.errors import FashretError
from fashret.files.embeddings import open_embeddings
from fashret.files.rankings import open_ranking
from fashret.options import SearchOptions
from fashret.report.gallery import Found, choose_queries, gallery_row, gallery_rows
from fashret.stages import search
from tests.conftest import make_rows, write_embeddings
from tests.files.test_further_columns import column
from tests.report_case import write_case

AP = hnp.arrays(float, st.integers(0, 30), elements=st.one_of(st.sampled_from([0.0, 0.5, 1.0, math.nan])))


@given(AP, st.integers(0, 40), st.booleans())
def test_no_query_is_chosen_twice_and_as_many_as_there_are(plain, count, again):
    reranked = plain[::-1].copy() if again else None
    chosen = choose_queries(plain, reranked, count)
    flat = [query for queries in chosen.values() for query in queries]
    assert len(flat) == len(set(flat)) == min(count, len(plain))
    assert set(flat) <= set(range(len(plain)))


def test_best_worst_and_moved_queries_are_those():
    plain = np.array([0.1, 0.9, 0.5, math.nan, 0.4, 0.6])
    reranked = np.array([0.1, 0.8, 0.5, math.nan, 0.9, 0.0])
    chosen = choose_queries(plain, reranked, 5)
    assert chosen["best"] == [1] and chosen["worst"] == [0]
    assert chosen["gained"] == [4] and chosen["lost"] == [5]
    assert len(chosen["random"]) == 1


def test_results_bring_what_further_columns_say(tmp_path):
    further = {"price": column("number", [1.5, None, 3.0, 19.0]), "title": column("text", ["q", "<b>", None, "d"])}
    rows = make_rows(4, role=np.array([2, 4, 4, 4], np.uint8), further=further)
    path = write_embeddings(tmp_path / "a.emb.h5", rows, np.array([[1, 0], [1, 0.1], [1, 0.5], [0, 1]], np.float32))
    search.run(path, None, tmp_path / "r.h5", SearchOptions(k=3))
    with open_ranking(tmp_path / "r.h5") as ranking, open_embeddings(path) as file:
        row = gallery_row(Found({"plain": ranking}, file, file, {}), 0)
    assert row.query.about == {"price": 1.5, "title": "q"}
    assert [each.about for each in row.lines[0].results] == [
        {"title": "<b>"}, {"price": 3.0}, {"price": 19.0, "title": "d"},
    ]  # fmt: skip


def test_without_labels_queries_are_drawn_at_random():
    assert set(choose_queries(np.full(9, math.nan), None, 4)) == {"random"}


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return write_case(tmp_path_factory.mktemp("gallery"))


def found_of(case, **average_precision):
    embeddings = open_embeddings(case.embeddings)
    rankings = {"plain": open_ranking(case.ranking), "re-ranked": open_ranking(case.reranked)}
    return Found(rankings, embeddings, embeddings, average_precision)


def test_a_row_says_what_the_ranking_says(case):
    found = found_of(case, plain=np.linspace(0, 1, 24))
    row = gallery_row(found, 5, "best")
    embeddings, ranking = found.query, found.rankings["plain"]
    assert row.query.product == embeddings.product[5] == "product/5"
    assert row.category == "tops" and row.kind == "best"
    plain, reranked = row.lines
    assert [p.row for p in plain.results] == ranking.gallery_row[5, :10].tolist()
    assert [p.rank for p in plain.results] == list(range(1, 11))
    for picture in (*plain.results, *reranked.results):
        assert picture.product == embeddings.product[picture.row]
        assert picture.hit == (picture.product == "product/5")
    products = embeddings.product[ranking.gallery_row[5]].tolist()
    assert plain.first_hit == products.index("product/5") + 1
    assert plain.average_precision == pytest.approx(5 / 23) and math.isnan(reranked.average_precision)
    assert row.found == (reranked.first_hit <= 10)


def test_rows_come_kind_by_kind(case):
    rows = gallery_rows(found_of(case), {"best": [3, 1], "random": [0]})
    assert [(row.kind, row.number) for row in rows] == [("best", 3), ("best", 1), ("random", 0)]


def test_an_unlabelled_query_has_neither_hits_nor_misses(tmp_path):
    found = found_of(write_case(tmp_path, queries=3, gallery=6, labelled=False))
    row = gallery_row(found, 0)
    assert row.found is None and row.lines[0].first_hit == 0
    assert [picture.hit for picture in row.lines[0].results] == [None] * 6  # fewer than ten: the rest is not there
    assert row.query.name == row.query.source.rpartition("/")[2] and row.query.name.endswith(".jpg")


def test_there_is_no_such_query(case):
    for number in (24, -1):
        with pytest.raises(FashretError, match=f"no query {number}; its queries are 0 to 23"):
            gallery_row(found_of(case), number)


def test_rankings_of_other_queries_do_not_go_together(case, tmp_path):
    other = write_case(tmp_path, queries=12)
    embeddings = open_embeddings(case.embeddings)
    with pytest.raises(FashretError, match="not rankings of the same queries"):
        Found({"a": open_ranking(case.ranking), "b": open_ranking(other.ranking)}, embeddings, embeddings, {})
