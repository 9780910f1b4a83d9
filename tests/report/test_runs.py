"""Means of a run's scores, computed once; intervals of a difference; names that tell runs apart."""

import numpy as np

from fashret.report.runs import AVERAGE, NO_CATEGORY, UNCONSTRAINED, Run, Searches, summarise

MEASURES = ("mAP", "Acc@1", "Acc@20")
CATEGORIES = ("bags", "belts", "dresses", "never used")


def make_run(name="a", seed=0, reranked=True, in_category=True, queries=40) -> Run:
    rng = np.random.default_rng(seed)
    category = rng.choice([-1, 0, 1, 2], size=queries)

    def scores():
        values = rng.random((queries, 3))
        values[:, 1:] = values[:, 1:] > 0.5
        values[(category == 1) | (np.arange(queries) % 7 == 0)] = np.nan  # belts have no positives at all
        return values

    def searches():
        return Searches(scores(), scores() if in_category else None)

    plain, again = searches(), searches() if reranked else None
    return Run(name, MEASURES, category, CATEGORIES, 999, plain, again, sides={"queries": "1", "gallery": "2"})


def test_the_interval_of_a_difference_is_paired():
    run = make_run()
    moved = Searches(run.plain.unconstrained + 0.125, run.plain.in_category + 0.125)
    run = Run("a", MEASURES, run.category, CATEGORIES, 9, run.plain, moved)
    np.testing.assert_allclose(run.means(UNCONSTRAINED, "difference").ends.mean, 0.125)
    np.testing.assert_allclose(run.means(AVERAGE, "difference").ends.mean, 0.125)


def test_a_mean_is_computed_once(monkeypatch):
    run, counted = make_run(in_category=False), []
    monkeypatch.setattr("fashret.report.runs.summarise", lambda *given: counted.append(given) or summarise(*given))
    assert run.means(UNCONSTRAINED, "plain") is run.means(UNCONSTRAINED, "plain")
    assert run.means(AVERAGE, "plain") is None and len(counted) == 1


def test_groups_are_the_categories_that_queries_have_and_those_without_one_are_last():
    run = make_run()
    assert run.names == ("bags", "belts", "dresses", NO_CATEGORY)
    names = [CATEGORIES[c] if c >= 0 else NO_CATEGORY for c in run.category]
    assert [run.names[g] for g in run.group] == names
