"""Rankings whose embeddings are no longer where they were: what is not known is said, never guessed."""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.evaluation.scores import QueryScores, digests_of_sides, score_ranking
from fashret.files.rankings import open_ranking
from fashret.options import EvaluateOptions, SearchOptions, ShowOptions
from fashret.stages import evaluate, show
from fashret.stages.search import run as write_search
from tests.conftest import invoke, make_rows, write_embeddings
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


def test_means_count_queries_with_a_positive_and_categories_alike():
    values = np.array([[1.0], [0.0], [0.5], [np.nan], [0.25]])
    scores = QueryScores(("Acc@1",), values, values, np.array([0, 0, 2, 2, -1]), ("a", "b", "c"))
    assert scores.mean == {"Acc@1": 0.4375} and scores.category_mean == {"Acc@1": 0.5} and scores.skipped == 1
    unknown = QueryScores(("Acc@1",), None, None, np.array([-1]), ())
    assert unknown.mean == unknown.category_mean == {}
    lonely = QueryScores(("Acc@1",), np.array([[np.nan]]), np.array([[np.nan]]), np.array([-1]), ())
    assert np.isnan(lonely.mean["Acc@1"]) and np.isnan(lonely.category_mean["Acc@1"])


def test_a_ranking_held_to_categories_has_no_score_without_them(moved):
    with pytest.raises(FashretError, match="are not there; give them with --embeddings, or put them back"):
        evaluate.run([moved.folder / "held.h5"], EvaluateOptions())


def test_a_picture_and_a_report_ask_for_them(moved, tmp_path):
    with pytest.raises(FashretError, match="are not there; give them with --embeddings, or put them back"):
        show.run([moved.ranking], tmp_path / "row.png", ShowOptions())
    with pytest.raises(FashretError, match="are not there; give them with --embeddings, or put them back"):
        evaluate.run([moved.ranking], EvaluateOptions(report=tmp_path / "report"))
    assert not (tmp_path / "row.png").exists() and not (tmp_path / "report").exists()


def test_with_embeddings_everything_is_as_before_the_move(tmp_path):
    case = write_case(tmp_path)
    write_search(case.embeddings, None, tmp_path / "held.h5", SearchOptions(within="category"))
    files = [case.ranking, case.reranked, tmp_path / "held.h5"]
    before = evaluate.run(files, EvaluateOptions()).as_json()
    moved = case.embeddings.rename(tmp_path / "elsewhere.h5")
    assert evaluate.run(files, EvaluateOptions(embeddings=(moved,))).as_json() == before
    for number, chosen in enumerate((files[:1], files[:2], files)):  # one run, plain and re-ranked, several runs
        folder = tmp_path / f"report{number}"
        evaluate.run(chosen, EvaluateOptions(report=folder, embeddings=(moved,)))
        assert (folder / "index.html").exists()
    hits = EvaluateOptions(hits="product", k=(1,), embeddings=(moved,))
    assert evaluate.run(files[:1], hits).tables[0].rows
    shown = show.run(files[:2], tmp_path / "row.png", ShowOptions(embeddings=(moved,)))
    assert shown.picture.exists() and set(shown.first_hits) == {"plain", "re-ranked"}


def test_queries_and_gallery_in_files_of_their_own_come_in_any_order(tmp_path):
    case = write_case(tmp_path)
    again = shutil.copy(write_case_of_another_seed(tmp_path).embeddings, tmp_path / "gallery.h5")
    ranking = tmp_path / "two.h5"
    write_search(case.embeddings, again, ranking, SearchOptions())
    query, gallery = case.embeddings.rename(tmp_path / "a.h5"), again.rename(tmp_path / "b.h5")
    for given in ((query, gallery), (gallery, query)):
        options = ShowOptions(embeddings=given, crops=(case.crops,))
        assert show.run([ranking], tmp_path / "row.png", options).picture.exists()
    with pytest.raises(FashretError, match="its query embeddings .* are not there; give them with --embeddings"):
        show.run([ranking], tmp_path / "row.png", ShowOptions(embeddings=(gallery,), crops=(case.crops,)))


def write_case_of_another_seed(folder):
    (folder / "other").mkdir()
    return write_case(folder / "other", seed=1)


def test_rankings_by_several_models_each_find_their_own(tmp_path):
    case, other = write_case(tmp_path), write_case_of_another_seed(tmp_path)
    files = [case.ranking, other.ranking]
    before = evaluate.run(files, EvaluateOptions()).as_json()
    moved = tuple(c.embeddings.rename(tmp_path / f"moved{i}.h5") for i, c in enumerate((case, other)))
    for given in (moved, moved[::-1]):
        assert evaluate.run(files, EvaluateOptions(embeddings=given)).as_json() == before
        options = ShowOptions(embeddings=given, crops=(case.crops,))
        assert show.run(files, tmp_path / "row.png", options).first_hits


def test_embeddings_that_are_of_none_of_the_rankings_are_refused(tmp_path):
    case, other = write_case(tmp_path), write_case_of_another_seed(tmp_path)
    with pytest.raises(FashretError, match="given with --embeddings, is not what .* was made from"):
        evaluate.run([case.ranking], EvaluateOptions(embeddings=(other.embeddings,)))
    with pytest.raises(FashretError, match="given with --embeddings, is not what any ranking given here"):
        evaluate.run([case.embeddings], EvaluateOptions(embeddings=(case.embeddings,)))
    with pytest.raises(FashretError, match="given with --embeddings, is not what .* was made from"):
        show.run([case.ranking], tmp_path / "row.png", ShowOptions(embeddings=(other.embeddings,)))
    with pytest.raises(FashretError, match="not a fashret.embeddings file"):
        show.run([case.ranking], tmp_path / "row.png", ShowOptions(embeddings=(case.ranking,)))


def test_the_commands_take_the_flag(moved, tmp_path):
    where = ("--embeddings", tmp_path / "elsewhere.h5")
    done = invoke("show", moved.ranking, *where, "-o", tmp_path / "row.png", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["product"] == "product/0"
    done = invoke("evaluate", moved.ranking, *where, "--json")
    assert done.returncode == 0 and "Average" in done.stdout and "not known" not in done.stderr


def test_rows_are_the_same_by_ids_and_labels_in_any_order(tmp_path: Path) -> None:
    rows = make_rows(6)
    moved = rows.take(np.array([5, 4, 3, 2, 1, 0]))
    renamed = make_rows(6, product=np.array(["a", "a", "b", "b", "c", "d"], object))
    found = []
    for i, each in enumerate((rows, moved, renamed)):
        vectors = np.random.default_rng(i).normal(size=(6, 4)).astype(np.float32)
        made = write_embeddings(tmp_path / f"{i}.emb.h5", each, vectors)
        write_search(made, None, tmp_path / f"{i}.h5", SearchOptions())
        with open_ranking(tmp_path / f"{i}.h5") as ranking:
            found.append(digests_of_sides(ranking))
    assert found[0] == found[1] and set(found[0]) == {"queries", "gallery"}
    assert found[2]["queries"] != found[0]["queries"] and found[2]["gallery"] != found[0]["gallery"]
    (tmp_path / "0.emb.h5").unlink()
    with open_ranking(tmp_path / "0.h5") as ranking:
        assert digests_of_sides(ranking) == {}
