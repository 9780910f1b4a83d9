"""Rankings whose embeddings are no longer where they were: what is not known is said, never guessed."""

import logging

import pytest

from fashret.errors import FashretError
from fashret.files.rankings import open_ranking
from fashret.options import EvaluateOptions, SearchOptions, ShowOptions
from fashret.ranking.score import score_ranking
from fashret.ranking.search import write_search
from fashret.stages import evaluate, show
from tests.report_case import write_case


@pytest.fixture
def moved(tmp_path):
    case = write_case(tmp_path)
    write_search(case.embeddings, None, tmp_path / "held.h5", SearchOptions(within="category"))
    case.embeddings.rename(tmp_path / "elsewhere.h5")
    return case


def test_scores_of_the_whole_gallery_stay_and_the_average_over_categories_is_not_known(moved, caplog):
    with caplog.at_level(logging.WARNING, "fashret"):
        scores = score_ranking(open_ranking(moved.ranking), (1,))
    assert scores.unconstrained is not None and scores.in_category is None
    assert "without them the average over categories is not known" in caplog.text
    names = [row[0] for row in evaluate.run([moved.ranking], EvaluateOptions()).tables[0].rows]
    assert names == ["Unconstrained retrieval"]


def test_a_ranking_held_to_categories_has_no_score_without_them(moved):
    with pytest.raises(FashretError, match="are not there; .* or put them back"):
        evaluate.run([moved.folder / "held.h5"], EvaluateOptions())


def test_a_picture_and_a_report_ask_for_them(moved, tmp_path):
    with pytest.raises(FashretError, match="are not there; .* or put them back"):
        show.run([moved.ranking], tmp_path / "row.png", ShowOptions())
    with pytest.raises(FashretError, match="are not there; .* or put them back"):
        evaluate.run([moved.ranking], EvaluateOptions(report=tmp_path / "report"))
    assert not (tmp_path / "row.png").exists() and not (tmp_path / "report").exists()
