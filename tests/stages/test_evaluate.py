"""`fashret evaluate --report` and what else it writes: from ranking files to a folder that opens in a browser."""

import csv
import json
import os
import re

import numpy as np
import pytest

from fashret.cli import show
from fashret.errors import FashretError
from fashret.files.columns import text_array
from fashret.files.embeddings import open_embeddings
from fashret.options import EvaluateOptions
from fashret.report.sections import check_outputs
from fashret.stages import evaluate
from tests.conftest import invoke, make_rows, write_embeddings
from tests.report_case import corrupt_attribute, write_case


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return write_case(tmp_path_factory.mktemp("evaluate"))


def page(folder) -> str:
    return (folder / "index.html").read_text(encoding="utf-8")


def test_a_plain_and_a_reranked_ranking_are_one_run_in_any_order(case, tmp_path):
    for files in ([case.ranking, case.reranked], [case.reranked, case.ranking]):
        done = evaluate.run(files, EvaluateOptions(report=tmp_path / "r", report_queries=7))
        assert [table.name for table in done.tables] == ["reranking", "categories"]
        assert done.report == tmp_path / "r" / "index.html"
    text = page(tmp_path / "r")
    assert text.count('<article class="query"') == 7
    assert re.findall(r"<b>([^<]*)</b>", text)[:2] == ["plain", "re-ranked"]
    for heading in ("Ranking, plain", "Ranking, re-ranked", "Embeddings", "Model", "Cumulative matching (CMC)",
                    "Precision and recall", "Distances", "mAP per category"):  # fmt: skip
        assert f"<h3>{heading}</h3>" in text
    assert "resnet50" in text and str(case.folder) not in text.replace(str(case.ranking), "")


def test_rankings_of_other_searches_are_runs_of_their_own(case, tmp_path):
    other = write_case(tmp_path, queries=12, dataset="other")
    done = evaluate.run([case.reranked, other.ranking], EvaluateOptions(report=tmp_path / "r"))
    names = [row[0] for row in done.tables[0].rows]
    assert [name.rsplit("/", 1)[-1] for name in names] == ["drawn.reranked.h5", "other.ranking.h5"]
    text = page(tmp_path / "r")
    assert "<title>2 runs" in text and "<article" not in text and "report on one of them" in text
    assert text.count('<figure class="plot"') == 2


def test_two_forms_at_once_are_refused(case):
    with pytest.raises(FashretError, match="--csv and --latex: choose one form"):
        evaluate.run([case.ranking], EvaluateOptions(csv=True, latex=True))


def test_ap_in_the_gallery_is_that_of_the_tables(case, tmp_path):
    done = evaluate.run([case.ranking], EvaluateOptions(report=tmp_path / "r", report_queries=24))
    precision = [float(text) for text in re.findall(r"<span>AP ([\d.]+)</span>", page(tmp_path / "r"))]
    unconstrained = done.tables[0].rows[-1][2]
    assert len(precision) == 24
    assert np.mean(precision) == pytest.approx(100 * unconstrained.value, abs=0.06)


def test_a_ranking_without_labels_has_a_gallery_and_says_what_is_missing(tmp_path):
    case = write_case(tmp_path, queries=5, gallery=20, labelled=False)
    with pytest.raises(FashretError, match="positive"):
        evaluate.run([case.ranking], EvaluateOptions())
    done = evaluate.run([case.ranking, case.reranked], EvaluateOptions(report=tmp_path / "r"))
    assert {str(cell) for row in done.tables[0].rows for cell in row[3:]} == {"–"}
    text = page(tmp_path / "r")
    assert "No query has a positive in the gallery" in text and text.count("<article") == 5
    assert 'class="hit"' not in text and "<svg" not in text


def test_without_categories_there_is_one_overall_score(tmp_path):
    case = write_case(tmp_path, categories=())
    done = evaluate.run([case.ranking], EvaluateOptions(report=tmp_path / "r"))
    assert "unconstrained" in done.tables[0].rows[-1][0].lower()
    assert "mAP per category" not in page(tmp_path / "r")


def test_product_hits_have_no_empty_table(case):
    done = evaluate.run([case.ranking, case.reranked], EvaluateOptions(hits="product", k=(1, 5)))
    assert [table.name for table in done.tables] == ["reranking"] and done.tables[0].rows
    assert "mAP" not in "".join(done.tables[0].notes)


def test_numbers_below_one_are_refused_before_any_search(case):
    for k in ((1, -3), (0,), ()):
        with pytest.raises(FashretError, match="--k.*: (must be 1 or more|give numbers from 1 on)"):
            evaluate.run([case.embeddings], EvaluateOptions(k=k))


def test_categories_of_several_runs(case, tmp_path):
    other = write_case(tmp_path, queries=12, dataset="other")
    few = evaluate.run([case.ranking, other.ranking], EvaluateOptions()).tables
    many = evaluate.run([case.ranking, other.ranking], EvaluateOptions(per_category=True)).tables
    assert [table.name.split(" ")[0] for table in many[len(few) :]] == ["scores", "scores"]


def test_runs_are_compared_over_the_same_rows_alone(case, tmp_path):
    for name in ("again", "other"):
        (tmp_path / name).mkdir()
    again, other = write_case(tmp_path / "again"), write_case(tmp_path / "other", queries=12)
    for second, alike in ((again, True), (other, False)):
        for table in evaluate.run([case.ranking, second.ranking], EvaluateOptions()).tables:
            assert any("Not compared" in note for note in table.notes) != alike
            assert any(getattr(cell, "best", False) for row in table.rows for cell in row) == alike


@pytest.mark.parametrize(("within", "searched"), [("", "the whole gallery"), ("category", "the query&#39;s category")])
def test_the_report_says_what_was_searched(tmp_path, within, searched):
    case = write_case(tmp_path, queries=4, gallery=12)
    corrupt_attribute(case.ranking, "within", within)
    evaluate.run([case.ranking], EvaluateOptions(report=tmp_path / "r"))
    assert f"10 best results from {searched}; a true match" in page(tmp_path / "r")


def test_product_hits_have_no_ap(case, tmp_path):
    evaluate.run([case.ranking], EvaluateOptions(report=tmp_path / "r", hits="product", k=(1, 5), report_queries=4))
    text = page(tmp_path / "r")
    assert "<span>AP" not in text and text.count("<article") == 4


def test_what_cannot_be_written_is_said_before_any_work(case, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.jpg").touch()
    with pytest.raises(FashretError, match="not a report"):
        evaluate.run([case.embeddings], EvaluateOptions(report=tmp_path / "mine"))
    with pytest.raises(FashretError, match=r"size\.gif"):
        evaluate.run([case.embeddings], EvaluateOptions(size_plot=tmp_path / "size.gif"))
    with pytest.raises(FashretError, match="nodir does not exist"):
        check_outputs(None, tmp_path / "nodir" / "x.svg")


def test_crops_that_were_moved_are_asked_for(tmp_path):
    case = write_case(tmp_path, queries=4, gallery=12)
    case.crops.rename(tmp_path / "c.h5")
    with pytest.raises(FashretError, match="--crops"):
        evaluate.run([case.ranking], EvaluateOptions(report=tmp_path / "r"))
    assert not (tmp_path / "r").exists()
    evaluate.run([case.ranking], EvaluateOptions(report=tmp_path / "r", crops=(tmp_path / "c.h5",)))
    assert (tmp_path / "r" / "index.html").exists()


def test_scores_against_input_sizes(case, tmp_path):
    small, large = (tmp_path / name for name in ("small", "large"))
    files = []
    for folder, side in ((small, 128), (large, 320)):
        folder.mkdir()
        made = write_case(folder, queries=6, gallery=30, products=10, seed=side)
        settings = {"settings": {"height": side, "width": side}}
        with open_embeddings(made.embeddings) as file:
            model = json.dumps({**file.model, **settings})
        corrupt_attribute(made.embeddings, "model", model)
        files.append(made.embeddings)
    done = evaluate.run(files, EvaluateOptions(size_plot=tmp_path / "size.svg"))
    assert [row[0] for row in done.tables[0].rows] == ["small", "large"]
    text = (tmp_path / "size.svg").read_text()
    assert ">128×128<" in text and ">320×320<" in text and ">mAP<" in text
    with pytest.raises(FashretError, match="input size"):
        evaluate.run([case.ranking], EvaluateOptions(size_plot=tmp_path / "size.svg"))


def test_the_command_gives_the_page_with_the_scores(case, tmp_path):
    said = json.loads(invoke("evaluate", case.ranking, "--json", "--report", tmp_path / "r").stdout)
    assert said["report"] == str(tmp_path / "r" / "index.html")
    assert (tmp_path / "r" / "index.html").exists()


def test_every_form_is_printed(case, capsys):
    (table,) = evaluate.run([case.ranking], EvaluateOptions()).tables
    show(evaluate.run([case.ranking], EvaluateOptions(csv=True)), as_json=False)
    for row, printed in zip(table.rows, csv.DictReader(capsys.readouterr().out.splitlines()), strict=True):
        assert printed["Category"] == row[0] and float(printed["mAP"]) == row[2].value
    show(evaluate.run([case.ranking], EvaluateOptions(markdown=True)), as_json=False)
    assert capsys.readouterr().out.startswith("**Scores of")
    show(evaluate.run([case.ranking], EvaluateOptions(latex=True)), as_json=False)
    assert capsys.readouterr().out.startswith("\\begin{table}")


def test_a_pipe_is_wide_enough_for_every_column_unless_the_user_says_how_wide_it_is(case, capsys, monkeypatch):
    done = evaluate.run([case.ranking, case.reranked], EvaluateOptions(k=(1, 20, 50)))
    monkeypatch.delenv("COLUMNS", raising=False)
    show(done, as_json=False)
    text = capsys.readouterr().out
    assert "Acc@50" in text and "Left out" not in text
    assert max(map(len, text.splitlines())) < 160
    monkeypatch.setenv("COLUMNS", "60")
    show(done, as_json=False)
    assert "Left out to fit the width" in capsys.readouterr().out


def test_a_terminal_is_as_wide_as_it_is(case, capsys, monkeypatch):
    done = evaluate.run([case.ranking, case.reranked], EvaluateOptions(k=(1, 20, 50)))
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("os.get_terminal_size", lambda *_: os.terminal_size((70, 30)))
    show(done, as_json=False)
    assert "Left out to fit the width" in capsys.readouterr().out


@pytest.mark.parametrize("flag", ["", "--cross-domain"])
def test_without_files_it_is_wrong_usage_with_an_example(flag):
    done = invoke("evaluate", *flag.split())
    assert done.returncode == 2
    assert f"fashret evaluate {flag}".strip() in " ".join(re.sub("[│╭╮╰╯─]", " ", done.stderr).split())


@pytest.mark.parametrize("turned", [False, True])
def test_queries_and_gallery_in_two_files_name_the_commands_that_score_them(tmp_path, turned):
    vectors = np.eye(4, dtype=np.float32)
    for name, role in (("q", 2), ("g", 4)):
        rows = make_rows(4, role=np.full(4, role, np.uint8), source=text_array([f"{name}{i}" for i in range(4)]))
        write_embeddings(tmp_path / f"{name}.h5", rows, vectors)
    paths = [tmp_path / "q.h5", tmp_path / "g.h5"]
    lacking = paths[1] if turned else paths[0]
    commands = f"fashret search {paths[0]} {paths[1]} -o ranking.h5, then: fashret evaluate ranking.h5"
    with pytest.raises(FashretError) as caught:
        evaluate.run(paths[:: -1 if turned else 1], EvaluateOptions())
    assert str(caught.value).startswith(f"{lacking}: has no {'queries' if turned else 'gallery'}; ")
    assert str(caught.value).endswith(commands)


def test_two_files_without_positives_of_their_own_name_the_commands_too(tmp_path):
    for name in "ab":
        names = {"product": text_array(list("0123")), "source": text_array([f"{name}{i}" for i in range(4)])}
        write_embeddings(tmp_path / f"{name}.h5", make_rows(4, role=np.full(4, 6, np.uint8), **names), np.eye(4))
    with pytest.raises(FashretError, match="no query has a positive .*; to search one file in another: fashret"):
        evaluate.run([tmp_path / "a.h5", tmp_path / "b.h5"], EvaluateOptions())


def test_cross_domain_from_embeddings(tmp_path):
    files = []
    for trained, tested in (("S2S", "S2S"), ("S2S", "DF"), ("DF", "DF")):
        folder = tmp_path / f"{trained}-{tested}"
        folder.mkdir()
        case = write_case(folder, queries=6, gallery=30, products=10, dataset=tested, trained_on=trained)
        with open_embeddings(case.embeddings) as file:
            model = json.dumps({**file.model, "digest": trained})
        corrupt_attribute(case.embeddings, "model", model)
        files.append(case.embeddings)
    done = evaluate.run(files, EvaluateOptions(cross_domain=True, rerank=True, report=tmp_path / "r"))
    first = done.tables[0]
    assert [row[:2] for row in first.rows] == [(a, b) for a in ("S2S", "DF") for b in ("plain", "re-ranked")]
    assert [str(row[2]) == "missing" for row in first.rows] == [False, False, True, True]
    assert any("DF → S2S is missing: fashret embed" in note for note in first.notes)
    assert "DF → S2S is missing" in page(tmp_path / "r")
    with pytest.raises(FashretError, match="takes embeddings files"):
        evaluate.run([case.ranking], EvaluateOptions(cross_domain=True))


def test_the_tables_say_what_was_re_ranked_with_and_why(case):
    plain = evaluate.run([case.ranking], EvaluateOptions()).tables
    assert not [note for table in plain for note in table.notes if "Re-ranked" in note]
    options = EvaluateOptions(rerank=True, images_per_product=8, lam=0.5, device="cpu")
    with open_embeddings(case.embeddings) as file:
        assert file.images_per_product is None
    (note,) = [n for n in evaluate.run([case.embeddings], options).tables[0].notes if n.startswith("Re-ranked")]
    assert note == (
        "Re-ranked: method k-reciprocal, k1 10, k2 2, lambda 0.5, per_query False; "
        "settings: --lambda; the rest auto, for 8 images per product (--images-per-product)."
    )
