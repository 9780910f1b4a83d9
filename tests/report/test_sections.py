"""Sections of the report: distances, and what is checked before any work."""

import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.files.embeddings import open_embeddings
from fashret.files.rankings import open_ranking
from fashret.report.gallery import Found
from fashret.report.sections import check_pictures, nearest_wrong, wrong_pairs
from tests.report_case import write_case


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return write_case(tmp_path_factory.mktemp("evaluate"))


def test_pictures_can_be_asked_for_before_any_search(tmp_path):
    case = write_case(tmp_path, queries=4, gallery=12)
    sources = (case.embeddings, open_ranking(case.ranking))
    moved = case.crops.with_name("c.h5")
    for source in sources:
        check_pictures(source, ())
    case.crops.rename(moved)
    for source in sources:
        with pytest.raises(FashretError, match="--crops"):
            check_pictures(source, ())
        check_pictures(source, (moved,))


def found_of(case) -> Found:
    embeddings = open_embeddings(case.embeddings)
    return Found({"plain": open_ranking(case.ranking)}, embeddings, embeddings, {})


def test_the_nearest_wrong_result_is_the_first_of_another_product(case):
    found = found_of(case)
    ranking, product = found.rankings["plain"], found.query.product
    expected = []
    for q, row in enumerate(ranking.query_row):
        places = [i for i, g in enumerate(ranking.gallery_row[q]) if product[g] != product[row]]
        expected.append(ranking.distance[q, places[0]])
    np.testing.assert_array_equal(nearest_wrong(found, "plain"), expected)


def test_wrong_pairs_are_of_different_products(case):
    found = found_of(case)
    ranking = found.rankings["plain"]
    distances = wrong_pairs(found, ranking)
    vectors = found.query.vectors.astype(float)
    gallery = found.gallery.with_role(4)
    true = 1 - vectors[ranking.query_row] @ vectors[gallery].T
    apart = found.query.product[ranking.query_row][:, None] != found.gallery.product[gallery][None]
    possible = np.sort(true[apart])
    nearest = possible[np.clip(np.searchsorted(possible, distances), 1, len(possible) - 1)]
    before = possible[np.clip(np.searchsorted(possible, distances) - 1, 0, len(possible) - 1)]
    assert np.minimum(abs(nearest - distances), abs(before - distances)).max() < 1e-6
    assert len(distances) > 40_000
