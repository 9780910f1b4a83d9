"""Scores of runs against means taken one query at a time."""

from dataclasses import replace

import numpy as np
import pytest

from fashret.report.runs import AVERAGE, NO_CATEGORY, UNCONSTRAINED, Run, Searches
from fashret.report.score_tables import score_tables
from fashret.report.tables import Score
from tests.report.test_runs import CATEGORIES, MEASURES, make_run


def mean_of(values, chosen):
    rows = [row for row, keep in zip(values, chosen, strict=True) if keep and not np.isnan(row).any()]
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)] if rows else [np.nan] * 3


def shares(row):
    return [cell.value for cell in row if isinstance(cell, Score)]


def test_category_table_is_the_paper_s():
    run = make_run(reranked=False)
    (table,) = score_tables([run])
    held, free = run.plain.in_category, run.plain.unconstrained
    assert table.columns == ("Category", "Queries", *MEASURES)
    assert [row[0] for row in table.rows] == ["bags", "belts", "dresses", NO_CATEGORY, AVERAGE, UNCONSTRAINED]
    means = {c: mean_of(held, run.category == c) for c in (0, 1, 2, -1)}
    for row, c in zip(table.rows, (0, 1, 2, -1), strict=False):
        np.testing.assert_allclose(shares(row), means[c])
    np.testing.assert_allclose(shares(table.rows[4]), np.mean([means[0], means[2], means[-1]], axis=0))
    np.testing.assert_allclose(shares(table.rows[5]), mean_of(free, np.ones(40, bool)))
    assert table.rows[1][1] == 0 and table.sections == (4,)
    assert any("No positives in belts" in note for note in table.notes)
    scored = int((~np.isnan(free).any(axis=1)).sum())
    assert f"{scored} queries scored, {40 - scored} skipped" in " ".join(table.notes)
    assert "999 gallery rows" in " ".join(table.notes)


def test_intervals_surround_the_means():
    (table,) = score_tables([make_run(reranked=False)])
    for row in table.rows[4:]:
        for cell in row[2:]:
            assert cell.low < cell.value < cell.high


def test_without_scores_in_categories_only_the_unconstrained_row_is_left():
    (table,) = score_tables([make_run(reranked=False, in_category=False)])
    assert [row[0] for row in table.rows] == [UNCONSTRAINED]
    assert not any("Average over categories" in note for note in table.notes)


def test_plain_and_reranked_stand_side_by_side_with_their_difference():
    run = make_run()
    overall, categories = score_tables([run])
    assert [row[:2] for row in overall.rows] == [
        (label, kind) for label in (AVERAGE, UNCONSTRAINED) for kind in ("plain", "re-ranked", "difference")
    ]
    for plain, reranked, change in (overall.rows[:3], overall.rows[3:]):
        np.testing.assert_allclose(np.subtract(shares(reranked), shares(plain)), shares(change))
        assert all(cell.change for cell in change[3:])
    assert categories.columns[2:5] == ("mAP", "mAP re-ranked", "mAP Δ")
    bags = shares(categories.rows[0])
    np.testing.assert_allclose(bags[0::3], mean_of(run.plain.in_category, run.category == 0))
    np.testing.assert_allclose(bags[1::3], mean_of(run.reranked.in_category, run.category == 0))
    np.testing.assert_allclose(np.subtract(bags[1::3], bags[0::3]), bags[2::3])


def test_several_runs_are_rows_and_the_best_is_marked():
    runs = [make_run("a", 1), make_run("b", 2, reranked=False), make_run("<c>", 3, in_category=False, reranked=False)]
    average, free, categories = score_tables(runs)
    assert [row[0] for row in average.rows] == ["a", "a, re-ranked", "b"]
    assert [row[0] for row in free.rows] == ["a", "a, re-ranked", "b", "<c>"]
    for table in (average, free):
        for i in range(2, 5):
            column = [row[i] for row in table.rows]
            top = max(cell.value for cell in column)
            assert [cell.best for cell in column] == [cell.value == top for cell in column]
    assert categories.columns == ("Category", "a", "b")
    bags = categories.rows[0]
    assert bags[1].value == pytest.approx(mean_of(runs[0].plain.in_category, runs[0].category == 0)[0])
    assert bags[1].best == (bags[1].value >= bags[2].value)
    assert not any(cell.best for cell in categories.rows[1][1:])  # belts: no scores


def test_runs_over_other_rows_are_not_compared():
    runs = [make_run(name, i, reranked=False) for i, name in enumerate("abc")]
    start = "Not compared, and none is the best: the runs do not share their"
    others = {
        f"{start} gallery, rows or labels differ (a, c | b).": {"queries": "1", "gallery": "3"},
        f"{start} queries, rows or labels differ (a, c | b).": {"queries": "9", "gallery": "2"},
        f"{start} queries, not all are known (a, c | b).": {"gallery": "2"},
    }
    for note, other in others.items():
        tables = score_tables([runs[0], replace(runs[1], sides=other), runs[2]])
        assert len(tables) == 3
        for table in tables:
            assert table.notes[0] == note
            assert not any(cell.best for row in table.rows for cell in row if isinstance(cell, Score))
    assert not any("Not compared" in note for table in score_tables(runs) for note in table.notes)
    assert sum("Not compared" in note for note in score_tables([runs[0], replace(runs[1], sides={})])[0].notes) == 2


def test_several_runs_say_which_of_their_categories_have_no_positives():
    runs = [make_run("a", 1), make_run("b", 2, reranked=False), make_run("c", 3, in_category=False)]
    average, free, categories = score_tables(runs)
    for table, become in ((average, "left out of the average"), (categories, "shown as –, left out of the average")):
        said = [note for note in table.notes if "No positives" in note]
        assert said == [f"{name}: No positives in belts: {become}." for name in "ab"]
    assert not any("No positives" in note for note in free.notes)


def test_queries_are_counted_for_each_score_where_they_differ():
    whole, held = np.ones((20, 3)), np.ones((20, 3))
    whole[:6], held[:8] = np.nan, np.nan

    def said(*values):
        run = Run("a", MEASURES, np.zeros(20, int), CATEGORIES, 999, Searches(*values))
        return next(note for note in score_tables([run])[0].notes if "gallery rows" in note)

    free = "14 queries scored, 6 skipped (no positive in the gallery)"
    of_categories = "12 queries scored{}, 8 skipped (no category, or no positive in it)"
    assert said(whole, held) == (
        f"{free}; {of_categories.format(' in the search held to categories')}; 999 gallery rows."
    )
    assert said(whole, whole) == said(whole, None) == f"{free}, 999 gallery rows."
    assert said(None, held) == f"{of_categories.format('')}, 999 gallery rows."


def test_several_runs_can_have_their_categories_in_full():
    runs = [make_run("a", 1), make_run("b", 2, reranked=False), make_run("c", 3, in_category=False)]
    *_, of_a, of_b = score_tables(runs, per_category=True)
    assert [table.name for table in (of_a, of_b)] == ["categories of a", "scores of b"]
    alone = score_tables(runs[:1])[1], score_tables(runs[1:2])[0]
    assert [str(table.rows) for table in (of_a, of_b)] == [str(table.rows) for table in alone]  # NaN is not itself
    assert len(score_tables(runs)) == 3


def test_a_reranking_without_categories_is_said_in_a_note():
    run = make_run()
    (only,) = score_tables([replace(run, reranked=Searches(run.plain.unconstrained, None))])
    assert only.notes[-1] == "The search held to categories was not re-ranked: no scores per category."
    (only,) = score_tables([make_run(in_category=False)])
    assert not any("was not re-ranked" in note for note in only.notes)


def test_only_measures_of_the_table_are_explained():
    run = make_run()
    halves = [Searches(s.unconstrained[:, 1:], s.in_category[:, 1:]) for s in (run.plain, run.reranked)]
    run = replace(run, measures=MEASURES[1:], plain=halves[0], reranked=halves[1])
    for tables in (score_tables([run]), score_tables([run, replace(run, name="b")])):
        assert not any(note.startswith("mAP:") for note in tables[0].notes)
        assert any(note.startswith("Acc@k:") for note in tables[0].notes)


def test_runs_with_other_measures_leave_cells_empty():
    one, two = make_run("a", reranked=False), make_run("b", reranked=False)
    two = Run("b", ("mAP", "Acc@7", "Acc@20"), two.category, CATEGORIES, 9, two.plain)
    table = score_tables([one, two])[0]
    assert table.columns == ("Run", "Queries", "mAP", "Acc@1", "Acc@20", "Acc@7")
    assert [str(cell) for cell in table.rows[0][2:]][3] == "–" and str(table.rows[1][3]) == "–"


def test_thousands_of_categories():
    queries = 6000
    rng = np.random.default_rng(0)
    names = tuple(f"category {i}" for i in range(3000))
    values = rng.random((queries, 3))
    run = Run("a", MEASURES, np.arange(queries) % 3000, names, 9, Searches(values, values))
    (table,) = score_tables([run])
    assert len(table.rows) == 3002
    np.testing.assert_allclose(shares(table.rows[7]), values[[7, 3007]].mean(axis=0))


def test_no_scored_query_at_all():
    values = np.full((5, 3), np.nan)
    (table,) = score_tables([Run("a", MEASURES, np.zeros(5, int), ("x",), 9, Searches(values, values))])
    assert [[str(cell) for cell in row] for row in table.rows] == [
        [name, "0", "–", "–", "–"] for name in ("x", AVERAGE, UNCONSTRAINED)
    ]
