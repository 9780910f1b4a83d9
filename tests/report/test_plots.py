"""Curves against their definitions, and names that must stay text in the SVG."""

from xml.etree import ElementTree

import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.report.plots import (
    FILES,
    MOST_BARS,
    bars_per_category,
    cmc,
    distance_histogram,
    mean_precision,
    precision_recall,
    save_score_by_size,
)
from fashret.report.tables import Score
from tests.report_case import HOSTILE

TEXT = "{http://www.w3.org/2000/svg}text"


def texts(svg: str) -> list[str]:
    """All text of an SVG, which must be well-formed."""
    root = ElementTree.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))
    return ["".join(element.itertext()) for element in root.iter(TEXT)]


def precision_by_definition(queries, level):
    total = 0.0
    for ranks in queries:
        places = sorted(ranks + 1)
        best = 0.0
        for k in range(1, max(places) + 1):
            found = sum(place <= k for place in places)
            if found / len(places) >= level - 1e-12:
                best = max(best, found / k)
        total += best
    return total / len(queries)


def test_precision_at_recall_is_the_highest_at_that_recall_or_above():
    rng = np.random.default_rng(0)
    queries = [rng.choice(60, size=rng.integers(1, 9), replace=False) for _ in range(12)]
    found = mean_precision(queries)
    for i in (0, 1, 25, 33, 50, 77, 100):
        assert found[i] == pytest.approx(precision_by_definition(queries, i / 100))


def test_plots_take_their_colours_from_the_page():
    first = {"plain": np.array([0, 3, 900]), "re-ranked": np.array([1, 1, 4])}
    plots = [
        cmc(first, 1000),
        precision_recall({name: [ranks] for name, ranks in first.items()}),
        distance_histogram({"true": np.array([0.1, 0.2]), "wrong": np.array([]), "random": np.array([0.9])}, "cosine"),
        bars_per_category(["a", "b"], {"plain": np.array([0.5, np.nan]), "re-ranked": np.array([0.6, 0.1])}, "mAP"),
    ]
    ids = []
    for plot in plots:
        assert "currentColor" in plot.svg and "var(--series-0)" in plot.svg
        assert "#0102" not in plot.svg and "<?xml" not in plot.svg and "<style" not in plot.svg
        root = ElementTree.fromstring(plot.svg)
        ids += [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert "var(--series-1)" in plots[0].svg


def test_names_stay_text():
    scores = {"plain": np.linspace(0.1, 0.9, len(HOSTILE))}
    plot = bars_per_category(HOSTILE, scores, "mAP")
    shown = texts(plot.svg)
    assert any(text.startswith("<script>") for text in shown) and "$\\frac{" in shown and HOSTILE[-1] in shown
    two = bars_per_category(["$x_2$", "y"], {"plain": np.array([0.5, 0.4])}, "mAP")
    assert "$x_2$" in texts(two.svg)
    assert "<script" not in plot.svg and "<img" not in plot.svg


def test_score_by_size_is_a_file_of_its_own(tmp_path):
    scores = {"mAP": [Score(0.5, 0.4, 0.6), Score(0.3)], "Acc@1": [Score(0.2), Score(float("nan"))]}
    for suffix in FILES:
        save_score_by_size(tmp_path / f"size{suffix}", [(320, 320), (256, 128)], scores)
    svg = (tmp_path / "size.svg").read_text()
    labels = [text for text in texts(svg[svg.index("<svg") :].replace(' xmlns="', ' x="', 1)) if "×" in text]
    assert labels == ["256×128", "320×320", "input size, height × width in pixels"]
    with pytest.raises(FashretError, match="must end in one of"):
        save_score_by_size(tmp_path / "size.gif", [], {})
    assert len(list(tmp_path.iterdir())) == len(FILES)


def test_of_thousands_of_categories_the_best_and_the_worst_are_drawn():
    names = [f"category {i}" for i in range(3000)]
    plot = bars_per_category(names, {"plain": np.linspace(0, 1, 3000)}, "mAP")
    drawn = [text for text in texts(plot.svg) if text.startswith("category")]
    assert len(drawn) == MOST_BARS and drawn[0] == "category 2999" and drawn[-1] == "category 0"
    assert "3,000" in plot.caption


def test_the_caption_names_both_galleries_that_first_hits_can_be_of():
    caption = cmc({"plain": np.array([0, 3])}, 10).caption
    assert "the whole gallery, or the query's category" in caption


def test_nothing_to_draw():
    assert bars_per_category(["a"], {"plain": np.array([np.nan])}, "mAP") is None
    assert "svg" in cmc({"plain": np.array([], np.int64)}, 0).svg
    assert "svg" in distance_histogram({"true": np.array([0.5, 0.5])}, "cosine").svg
